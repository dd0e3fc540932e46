/*
 * npm run angular-versions: checks the Angular bindings with the oldest and the newest version of Angular that they
 * support. Compiles them and runs their specs in a copy of angular/, which gets the packages of that version. The gate's
 * other checks use the version between them.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The versions, each with the version of zone.js that it needs. */
const versions = [
  { angular: '^20.3.0', zone: '~0.15.1' },
  { angular: '^22.2.0', zone: '~0.16.3' },
];
/** Milliseconds for one command; the longest takes half a minute. */
const msMax = 300_000;

const run = (cwd, command, ...args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: msMax });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
  return `${stdout}\n${stderr}`;
};

for (const { angular, zone } of versions) {
  // Beside angular/, because its files refer to their neighbours.
  const folder = join(root, `.angular-${angular.slice(1, 3)}`);
  try {
    cpSync(join(root, 'angular'), folder, {
      recursive: true,
      filter: (path) => !['node_modules', 'package-lock.json', '.guide'].includes(basename(path)),
    });
    const file = join(folder, 'package.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    for (const name of Object.keys(manifest.devDependencies))
      if (name.startsWith('@angular/')) manifest.devDependencies[name] = angular;
    manifest.devDependencies['zone.js'] = zone;
    writeFileSync(file, JSON.stringify(manifest));
    // The newest Angular asks for a newer Node in its manifest, and runs in this one.
    run(folder, 'npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--engine-strict=false');
    const { version } = JSON.parse(readFileSync(join(folder, 'node_modules/@angular/core/package.json'), 'utf8'));
    run(folder, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '--noEmit');
    const passed = /^Tests: .*/m.exec(run(folder, 'npm', 'test'))?.[0];
    if (passed === undefined || passed.includes('failed'))
      throw new Error(`Angular ${version}: ${passed ?? 'no test ran'}`);
    console.log(`Angular ${version}: ${passed}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
