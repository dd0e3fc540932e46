import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { Subject } from 'rxjs';
import { runCommand } from '../../lib/cli/run-command.js';
import { watchParentExit } from '../../lib/cli/parent-process.js';
import { jwt } from '../../lib/server/index.js';
import { marbles } from '../../lib/testing/index.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { startServe, stopAll } from './serve-kit.js';

const { fresh, remove } = createTemporaryFolders();
const lib = useBuiltLibrary();
/** Processes in groups of their own, so that their child processes end with them, also when the spec fails. */
const groups: ChildProcess[] = [];
const startGroup = (args: readonly string[], env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, args, { env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  groups.push(child);
  return child;
};
const stopGroups = (): void => {
  for (const { pid } of groups.splice(0)) {
    try {
      process.kill(-pid!, 'SIGKILL');
    } catch {
      // All of the group have ended.
    }
  }
};
afterEach(stopAll);
afterEach(stopGroups);
afterAll(remove);

/** Returns the command lines of all processes. Linux has them as files; small images of Node have no `ps`. */
const readCommandLines = (): string => {
  if (!existsSync('/proc/self/cmdline')) return execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  const lineOf = (id: string): string => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return ''; // The process has ended in the meantime.
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(lineOf)
    .join('\n');
};

const outputOf = async (...args: readonly string[]) => {
  const [printed, printedErrors]: [string[], string[]] = [[], []];
  const code = await runCommand(args, {
    printLine: (line) => printed.push(line),
    printError: (line) => printedErrors.push(line),
  });
  return { code, printed: printed.join('\n'), printedErrors: printedErrors.join('\n') };
};

describe('the command line', () => {
  it('field report F-5: prints a line and an example for each command', async () => {
    const { code, printed } = await outputOf('--help');
    expect(code).toBe(0);
    for (const command of ['serve', 'token', 'backup', 'restore', 'inspect']) {
      expect(printed).toMatch(new RegExp(`^  ${command} +\\S.*\\n +tidemark ${command} `, 'm'));
      expect((await outputOf('help', command)).printed).toMatch(
        new RegExp(`^Usage: tidemark ${command} [^]*Example: `),
      );
    }
  });

  it('field report F-5: prints its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await outputOf('--version')).toEqual({ code: 0, printed: version, printedErrors: '' });
  });

  it.each([
    [[], 'tidemark: The command is missing.'],
    [['serv', '--data', 'x'], 'tidemark: There is no command "serv". Did you mean serve?'],
    [['constructor'], 'tidemark: There is no command "constructor".'],
    [['token', '--usr', 'ann'], "tidemark token: Unknown option '--usr'. Did you mean --user?"],
    [['serve', '--dta', 'x'], "tidemark serve: Unknown option '--dta'. Did you mean --data?"],
    [['inspect', 'x', '--jsn'], "tidemark inspect: Unknown option '--jsn'. Did you mean --json?"],
    [['token', '--user', 'ann'], 'tidemark token: The secret is missing. Use --secret-file <file>.'],
    [['token', '--secret-file', 'nowhere', '--user', 'ann'], 'tidemark token: nowhere cannot be read: ENOENT'],
  ])('field report F-5: explains the mistake in %j', async (args, message) => {
    const { code, printed, printedErrors } = await outputOf(...args);
    expect([code, printed]).toEqual([2, '']);
    expect(printedErrors).toContain(message);
  });

  it('names the package that a command needs and that is not installed', () => {
    const folder = fresh();
    cpSync(lib.folder, join(folder, 'lib'), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    for (const name of readdirSync('node_modules'))
      if (name !== 'ws' && !name.startsWith('.'))
        symlinkSync(join(process.cwd(), 'node_modules', name), join(folder, 'node_modules', name));
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(folder, 'lib/cli/main.js'), 'serve', '--data', folder],
      {
        encoding: 'utf8',
        timeout: 20_000,
      },
    );
    expect(stderr).toBe('tidemark serve: The package ws is not installed. Install it with npm install ws.\n');
    expect(status).toBe(1);
  });

  it('field report F-5: names settings, and not options of the library', async () => {
    const folder = fresh();
    const { code, printedErrors } = await outputOf('serve', '--data', folder, '--secret', 'short');
    expect([code, printedErrors]).toEqual([
      2,
      'tidemark serve: --secret must be at least 32 bytes, received 5 bytes. ' +
        'Make one with npx tidemark token --new-secret <file>.',
    ]);
  });

  it('field report F-5: creates a secret, and tokens that a server with that secret accepts', async () => {
    const file = fresh();
    expect(await outputOf('token', '--new-secret', file)).toMatchObject({ code: 0, printedErrors: '' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await outputOf('token', '--new-secret', file)).toEqual({
      ...{ code: 1, printed: '' },
      printedErrors: `tidemark token: ${file} exists already. Use the secret in the file with --secret-file, or name another file.`,
    });
    const args = ['--secret-file', file, '--user', 'auth0|ann', '--expires-in', '2h', '--realms', '{"a":"read"}'];
    const { code, printed } = await outputOf('token', ...args);
    expect(code).toBe(0);
    const { exp = 0, iat = 0, realms } = decodeJwt(printed);
    expect([exp - iat, realms]).toEqual([7_200, { a: 'read' }]);
    const authenticate = jwt({ secret: readFileSync(file, 'utf8').trimEnd() });
    expect(await authenticate(printed)).toMatchObject({ id: 'auth0|ann' });
  });

  it('field report F-5: rejects a secret that is too short to sign with', async () => {
    const file = fresh();
    writeFileSync(file, 'short\n');
    const { code, printedErrors } = await outputOf('token', '--secret-file', file, '--user', 'ann');
    expect([code, printedErrors]).toEqual([
      2,
      expect.stringMatching(/must be a secret of at least 32 bytes, received 5/),
    ]);
  });
});

describe('tidemark serve', () => {
  it.each([
    [[], 'every program of this machine'],
    [['--anyone'], 'every client that reaches the port'],
  ])('field report F-5: warns when no token is required: %j', async (flags, users) => {
    const server = startServe(lib, ['--port', '0', '--data', fresh(), ...flags]);
    await server.waitForEvent('no-tokens');
    const line = server.lines.find(({ event }) => event === 'no-tokens');
    expect(line).toMatchObject({
      level: 'warn',
      text: expect.stringContaining(`${users} can read and write`) as unknown,
    });
  });

  it('field report F-5: ends when npx, which started it, has ended without forwarding the signal', async () => {
    const args = [join(lib.folder, 'cli', 'main.js'), 'serve', '--port', '0', '--data', fresh()];
    // This parent ends on SIGTERM and does not stop its child, as npx does.
    const parent = `
      const { spawn } = require('node:child_process');
      spawn(process.execPath, ${JSON.stringify(args)}, { stdio: ['ignore', 'inherit', 'inherit'] });
    `;
    const env = { PATH: process.env['PATH'] ?? '', npm_command: 'exec' };
    const npx = startGroup(['--eval', parent], env);
    let output = '';
    npx.stdout.on('data', (part: Buffer) => (output += part.toString()));
    while (!output.includes('"listening"')) await once(npx.stdout, 'data');
    // The stream closes when the server, which shares it, has ended, too.
    const closed = once(npx.stdout, 'close');
    npx.kill('SIGTERM');
    await closed;
    expect(output).toContain('"ended"');
    expect(readCommandLines()).not.toContain(args[0]);
  });

  it(
    'field report F-5: checks twice a second whether its parent has ended',
    marbles(({ clock, cold, expectObservable }) => {
      let parent = 7;
      cold('600ms x').subscribe(() => (parent = 1));
      expectObservable(watchParentExit(() => parent, clock)).toBe('1s (g|)', { g: 1 });
    }),
  );

  it(
    'field report F-5: notices a parent that ended while the server was starting',
    marbles(({ clock, expectObservable }) => {
      let parent = 7;
      const parentExit$ = watchParentExit(() => parent, clock);
      parent = 1;
      expectObservable(parentExit$).toBe('500ms (g|)', { g: 1 });
    }),
  );

  it('field report F-5: ends in order when the signal comes with its first line', async () => {
    const lines: string[] = [];
    const signals$ = new Subject<void>();
    const printLine = (line: string): void => {
      lines.push(line);
      if (line.includes('"listening"')) signals$.next();
    };
    const args = ['serve', '--port', '0', '--data', fresh()];
    expect(await runCommand(args, { printLine, printError: printLine }, { env: {}, signals$ })).toBe(0);
    expect(lines.at(-1)).toContain('"ended"');
  });
});
