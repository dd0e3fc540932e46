/*
 * Builds the documentation site to site/dist/: the guides of docs/, the API reference from the comments of the code, and
 * the search index. Installs the packages of site/, which has a lock file of its own, if they are not there or are not
 * those of the lock file. Needs the library in dist/ (npm run build). `--serve` shows the site on this machine afterwards.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'site');
/** Milliseconds that a command may take; it takes seconds. */
const msMax = 300_000;
const run = (cwd, timeout, command, ...args) => {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', timeout });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
};

run(root, msMax, process.execPath, join(root, 'scripts', 'install-packages.js'), folder);

const program = join(folder, '.build', 'main.mjs');
await build({
  entryPoints: [join(folder, 'build', 'main.ts')],
  outfile: program,
  ...{ platform: 'node', format: 'esm', target: 'node20', bundle: true, packages: 'external', logLevel: 'warning' },
  tsconfigRaw: {},
});
run(root, msMax, process.execPath, program);
const vitepress = join(folder, 'node_modules', 'vitepress', 'bin', 'vitepress.js');
run(folder, msMax, process.execPath, vitepress, 'build');
if (process.argv.includes('--serve')) run(folder, undefined, process.execPath, vitepress, 'preview');
