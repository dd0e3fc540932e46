import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The build of the page failed. The message is for the user of the demo. */
export class WebAppError extends Error {
  override readonly name = 'WebAppError';
}

/** Runs a command to its end. Its output is shown only when it fails. */
const run = (cwd: string, command: string, ...args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, NG_CLI_ANALYTICS: 'false' };
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const name = [command, ...args].join(' ');
    child.once('error', ({ message }) => reject(new WebAppError(`${name} could not be started: ${message}`)));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new WebAppError(`${name} failed in ${cwd}:\n${output.trim()}`));
    });
  });

const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();

/** A hash of the contents of files. Times of files are not used: each build of the library writes new ones. */
const hashOf = (paths: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(path));
  return hash.digest('hex');
};

const isStamped = (file: string, stamp: string): boolean => existsSync(file) && readFileSync(file, 'utf8') === stamp;

/**
 * Builds the page of `demo/web`. Installs its packages, copies the built library beside them, and compiles, each only
 * when something has changed.
 *
 * @returns The folder with `index.html`.
 */
export const buildWebApp = async (root: string): Promise<string> => {
  const folder = join(root, 'demo', 'web');
  const packages = join(folder, 'node_modules');
  const site = join(folder, 'dist');

  if (!existsSync(packages)) console.log('Installing the packages of the task board (only the first time) …');
  await run(root, process.execPath, join('scripts', 'install-packages.js'), folder);

  const library = filesIn(join(root, 'dist')).filter((path) => !path.endsWith('.map'));
  const manifest = join(root, 'package.json');
  const sources = ['src', 'public'].flatMap((name) => filesIn(join(folder, name)));
  const settings = ['angular.json', 'tsconfig.json', 'package-lock.json'].map((name) => join(folder, name));
  const stamp = hashOf([...library, manifest, ...sources, ...settings]);
  const siteStamp = join(site, '.built');
  if (!isStamped(siteStamp, stamp)) {
    console.log('Building the task board …');
    // A copy and not a link: the page must use its own packages of Angular, and a link would be resolved to the root.
    const copy = join(packages, 'tidemark');
    rmSync(copy, { recursive: true, force: true });
    mkdirSync(copy);
    cpSync(manifest, join(copy, 'package.json'));
    cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
    await run(folder, process.execPath, join(packages, '@angular', 'cli', 'bin', 'ng.js'), 'build');
    writeFileSync(siteStamp, stamp);
  }
  return join(site, 'browser');
};
