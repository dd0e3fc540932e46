/*
 * Compiles the Angular bindings of angular/ to dist/angular/. Installs the packages of angular/, which has a lock file of
 * its own, if they are not there or are not those of the lock file. Needs the types of the library in dist/.
 */
import { spawnSync } from 'node:child_process';
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

run(process.execPath, [join(root, 'scripts', 'install-packages.js'), folder]);
run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
