/*
 * Compiles the Angular bindings of angular/ to dist/angular/. Installs the packages of angular/, which has a lock file of
 * its own, if they are not there or are not those of the lock file. Needs the types of the library in dist/.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'angular');
/** Milliseconds that a command may take; it takes seconds. */
const msMax = 300_000;
const run = (command, args) => {
  const { status, error } = spawnSync(command, args, { cwd: folder, stdio: 'inherit', timeout: msMax });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
};

const packagesIn = (file) => {
  if (!existsSync(file)) return '';
  const { packages } = JSON.parse(readFileSync(file, 'utf8'));
  return Object.entries(packages)
    .flatMap(([path, { version, optional }]) => (path === '' || optional ? [] : [`${path} ${version}`]))
    .join('\n');
};

const isInstalled =
  packagesIn(join(folder, 'node_modules', '.package-lock.json')) === packagesIn(join(folder, 'package-lock.json'));
if (!isInstalled) run('npm', ['ci', '--silent']);
run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
