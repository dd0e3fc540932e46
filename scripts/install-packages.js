/*
 * Installs the packages of a folder that has a lock file of its own, if they are not there or are not those of the lock
 * file: `node scripts/install-packages.js recipes`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';
/** Milliseconds that the installation may take; it takes seconds. */
const msMax = 300_000;

const packagesIn = (file) => {
  if (!existsSync(file)) return '';
  const { packages } = JSON.parse(readFileSync(file, 'utf8'));
  return Object.entries(packages)
    .flatMap(([path, { version, optional }]) => (path === '' || optional ? [] : [`${path} ${version}`]))
    .join('\n');
};

const isInstalled =
  packagesIn(join(folder, 'node_modules', '.package-lock.json')) === packagesIn(join(folder, 'package-lock.json'));
if (!isInstalled) {
  const { status, error } = spawnSync('npm', ['ci', '--silent'], { cwd: folder, stdio: 'inherit', timeout: msMax });
  if (error) throw error;
  process.exitCode = status ?? 1;
}
