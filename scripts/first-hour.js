/*
 * Runs the commands and programs of README exactly as written, in a new project made by `npm init -y`, with three
 * versions of TypeScript, and the device program twice. Only the package itself comes from a tarball of this checkout.
 * Needs `dist/` (npm run build). Exits at the first error.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packLibrary } from './pack-library.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const versions = ['5.9', '6', '7'];
/** Milliseconds that one command may take; it takes seconds. */
const msMax = 120_000;

const section = readme.slice(readme.indexOf('## Use it\n'), readme.indexOf('\n## ', readme.indexOf('## Use it\n') + 5));
/** A program is the block of TypeScript after a line that names its file. */
const programs = [...section.matchAll(/`(\w+\.mts)`[^\n]*\n\n```ts\n([\s\S]*?)^```/gm)].map(([, name, text]) => [
  name,
  text,
]);
const commands = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
  .flatMap(([, text]) => text.trim().split('\n'))
  .map((line) => line.replace(/ +#.*$/, '').trim())
  .filter((line) => line !== '');
const check = (holds, complaint) => {
  if (!holds) throw new Error(`first-hour: ${complaint}`);
};
check(programs.map(([name]) => name).join() === 'server.mts,device.mts', 'README names server.mts and device.mts');
check(
  commands.some((line) => line.startsWith('npm init -y')),
  'README begins a project with npm init -y',
);

const install = (line, tarball, version) =>
  line.replace(/\btidemark\b/, tarball).replace(/\btypescript\b/, `typescript@${version}`);

const run = (folder, line) =>
  execFileSync('/bin/sh', ['-c', line], {
    ...{ cwd: folder, encoding: 'utf8', timeout: msMax, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'inherit'] },
    env: { ...process.env, npm_config_audit: 'false', npm_config_fund: 'false', npm_config_loglevel: 'error' },
  });

/** Starts a program that keeps running, and resolves when it prints that it listens. */
const startServer = (folder, line) =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', `exec ${line}`], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (part) => {
      output += part.toString();
      if (output.includes('listening')) resolve(child);
    });
    child.once('exit', (code) => reject(new Error(`first-hour: ${line} ended with ${code} before it listened`)));
  });

const tryVersion = async (version, tarball) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-first-hour-'));
  let server;
  try {
    for (const [name, text] of programs) writeFileSync(join(folder, name), text);
    for (const line of commands) {
      if (line.startsWith('node server')) server = await startServer(folder, line);
      else if (line.startsWith('node device')) {
        for (const time of ['first', 'second']) {
          const output = run(folder, line);
          check(output.includes('Buy milk'), `TypeScript ${version}, the ${time} run shows the task, got:\n${output}`);
          check(
            output.includes('0 changes are not on the server yet'),
            `TypeScript ${version}, the ${time} run says that all is on the server, got:\n${output}`,
          );
        }
      } else run(folder, install(line, tarball, version));
    }
    check(existsSync(join(folder, 'device.mjs')), 'the compiler wrote device.mjs');
    console.log(`first-hour: TypeScript ${version}: README's commands and programs, the device twice`);
  } finally {
    server?.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
};

const folder = mkdtempSync(join(tmpdir(), 'tidemark-first-hour-package-'));
try {
  const { path } = packLibrary(root, folder);
  for (const version of versions) await tryVersion(version, path);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
