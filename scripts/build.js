/*
 * Builds the library to dist/, unless dist/ is that of the present sources. Commands and specs that need dist/ run this
 * first, also at the same time: the first one builds, and the others wait for it. `--force` builds in any case.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, '.tools', 'library.stamp');
const lockFile = join(root, '.tools', 'library.lock');
const ownFile = `${lockFile}.${process.pid}`;
/** Milliseconds to wait for a build in another process. */
const msMax = 300_000;

const filesIn = (name) => {
  const path = join(root, name);
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [name];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
};

/** Everything that the result depends on. */
const sources = [
  ...['lib', 'scripts', 'angular/lib', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
  ...['angular/package-lock.json', 'angular/tsconfig.json', 'angular/tsconfig.build.json'],
];
const results = ['dist', 'angular/node_modules/.package-lock.json'];

/** A hash of the contents of the sources, and of the names and sizes of the results: a damaged dist/ is built again. */
const readStamp = () => {
  const hash = createHash('sha256').update(process.version);
  for (const file of sources.flatMap(filesIn)) hash.update(`\n${file}\n`).update(readFileSync(join(root, file)));
  for (const file of results.flatMap(filesIn)) hash.update(`\n${file} ${statSync(join(root, file)).size}`);
  return hash.digest('hex');
};
const isBuilt = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === readStamp();

const run = (script, ...args) => {
  const { status, error } = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
};
/** Removes spaces and ends of lines from a style sheet in a script: no minifier of an app looks into a text. */
const shortenStyles = (name) => {
  const file = join(root, name);
  const shorten = (sheet) =>
    sheet
      .replace(/\s+/g, ' ')
      .replace(/ *([{};,]|(?<=:)) */g, '$1')
      .replaceAll(';}', '}');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/`[^`]*`/g, shorten));
};
const build = () => {
  console.error('Building the library …'); // It takes half a minute.
  rmSync(stampFile, { force: true });
  run('scripts/clean.js', 'dist');
  run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
  shortenStyles('dist/inspector/inspector-styles.js');
  run('scripts/bundle-node.js');
  run('scripts/build-angular.js');
  writeFileSync(stampFile, readStamp());
};

const isRunning = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
};
const tryLock = () => {
  try {
    // Linked when it is whole: a lock without the number of its process would be waited for.
    writeFileSync(ownFile, String(process.pid));
    linkSync(ownFile, lockFile);
    process.once('exit', () => rmSync(lockFile, { force: true }));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(ownFile, { force: true });
  }
};
const readOwner = () => {
  try {
    return Number(readFileSync(lockFile, 'utf8'));
  } catch {
    return 0; // It has ended meanwhile.
  }
};

mkdirSync(dirname(stampFile), { recursive: true });
const limit = Date.now() + msMax;
const sleeping = new Int32Array(new SharedArrayBuffer(4));
while (!tryLock()) {
  const owner = readOwner();
  // A build that was killed leaves its lock.
  if (owner > 0 && !isRunning(owner)) rmSync(lockFile, { force: true });
  else if (Date.now() < limit) Atomics.wait(sleeping, 0, 0, 200);
  else {
    console.error(
      `build: process ${owner} has been building the library for minutes. If it does not, remove ${lockFile}.`,
    );
    process.exit(1);
  }
}
if (process.argv.includes('--force') || !isBuilt()) build();
