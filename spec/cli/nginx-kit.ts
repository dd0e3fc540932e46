import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const executable = '/usr/sbin/nginx';

/** Returns the configuration that docs/hosting.md shows. */
const readShownConfiguration = (): string => {
  const [, block] = /^```nginx\n(.*?)^```$/ms.exec(readFileSync('docs/hosting.md', 'utf8')) ?? [];
  if (block === undefined) throw new Error('docs/hosting.md shows no configuration of nginx');
  return block;
};

const findFreePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Creates a self-signed certificate for this machine. */
const createCertificate = (folder: string): { readonly cert: string; readonly key: string } => {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')] as const;
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...args, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert, key };
};

export interface Nginx {
  /** The port on which nginx listens, with TLS. */
  readonly port: number;
  readonly cert: string;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

const replaceAllOf = (text: string, pairs: readonly (readonly [string, string])[]): string =>
  pairs.reduce((all, [from, to]) => {
    if (!all.includes(from)) throw new Error(`the configuration of docs/hosting.md has no ${from}`);
    return all.replace(from, () => to);
  }, text);

const waitForPort = async (port: number, child: ChildProcess): Promise<void> => {
  for (let tries = 0; tries < 200 && child.exitCode === null; tries += 1) {
    const status = await fetch(`http://127.0.0.1:${port}`).then(
      () => 'answers',
      () => 'refused',
    );
    if (status === 'answers') return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('nginx does not start');
};

/** Starts nginx with the configuration of docs/hosting.md in front of a port. `more` is added to it. */
export const startNginx = async (target: number, folder: string, more = ''): Promise<Nginx> => {
  if (!existsSync(executable)) throw new Error('These specs need nginx: `apt-get install nginx-light openssl`.');
  mkdirSync(folder, { recursive: true });
  const { cert, key } = createCertificate(folder);
  const port = await findFreePort();
  const plain = await findFreePort();
  const site = replaceAllOf(readShownConfiguration(), [
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl; listen 127.0.0.1:${plain}; ${more}`],
    ['/etc/letsencrypt/live/sync.example.com/fullchain.pem', cert],
    ['/etc/letsencrypt/live/sync.example.com/privkey.pem', key],
    ['127.0.0.1:8787', `127.0.0.1:${target}`],
  ]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${folder}/${n};`);
  const log = join(folder, 'error.log');
  const lines = ['user root;', 'daemon off;', `pid ${folder}/pid;`, `error_log ${log} info;`, 'events {}'];
  const http = `http {\n${temporary.join('\n')}\naccess_log ${folder}/access.log;\n${site}}\n`;
  writeFileSync(join(folder, 'nginx.conf'), `${lines.join('\n')}\n${http}`);
  const child = spawn(executable, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await waitForPort(plain, child).catch((thrown: unknown) => {
    throw new Error(`${String(thrown)}: ${existsSync(log) ? readFileSync(log, 'utf8') : ''}`);
  });
  return {
    port,
    cert,
    log: () => readFileSync(log, 'utf8'),
    stop: () => {
      child.kill('SIGQUIT');
      setTimeout(() => child.kill('SIGKILL'), 2_000).unref();
      return ended;
    },
  };
};
