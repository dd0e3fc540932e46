/*
 * npm run size: bundles programs that import a part of the library, as for a browser, and prints their sizes. Fails when
 * one is over its limit. The targets of a later version are for information. Needs `dist/` (npm run build).
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { bundleLimits } from './bundle-limits.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const library = join(root, 'dist', 'index.js');
const angular = join(root, 'dist', 'angular', 'index.js');
const inspector = join(root, 'dist', 'inspector', 'index.js');
const testKit = join(root, 'dist', 'testing', 'index.js');
if (!existsSync(library)) throw new Error('dist/index.js does not exist. Run npm run build.');

const app = `export { openRealm, createSyncClient } from '${library}';`;

/** What each program imports, with its limit and its target in kB after gzip, without RxJS. */
const programs = [
  { name: 'openRealm', code: `export { openRealm } from '${library}';`, most: bundleLimits.openRealm, target: 28 },
  {
    name: 'openRealm and createSyncClient',
    code: app,
    most: bundleLimits.openRealmAndClient,
    target: 45,
  },
  { name: 'record', code: `export { record } from '${library}';`, most: bundleLimits.record },
  { name: 'everything of tidemark', code: `export * from '${library}';`, most: bundleLimits.everything },
  { name: 'everything of tidemark/testing', code: `export * from '${testKit}';`, most: bundleLimits.testing },
  {
    name: 'everything of tidemark/angular',
    code: `export * from '${angular}';`,
    most: bundleLimits.angular,
    target: 2,
    external: ['tidemark', '@angular/*'],
  },
  {
    name: 'tidemark/inspector, in an app',
    code: `${app}export * from '${inspector}';`,
    without: app,
    most: bundleLimits.inspector,
    target: 12,
  },
];

const importStatement = /import\{[^}]*\}from"[^"]*";/g;
const measure = async (code, external = []) => {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root },
    platform: 'browser',
    format: 'esm',
    ...{ bundle: true, minify: true, write: false, logLevel: 'silent' },
    external: ['rxjs', 'rxjs/*', ...external],
    tsconfigRaw: {}, // The paths of tsconfig.json lead to the sources for Node.
  });
  // The bundle of an app has these packages in it, and no statements that import them.
  const text = external.length > 0 ? outputFiles[0].text.replace(importStatement, '') : outputFiles[0].text;
  return { minified: text.length / 1_000, zipped: gzipSync(text, { level: 9 }).length / 1_000 };
};

console.log(`${'kB, without RxJS'.padEnd(34)}minified    gzip   limit  target`);
let isOver = false;
for (const { name, code, without, most, target, external } of programs) {
  const whole = await measure(code, external);
  // What an app has anyway does not count.
  const base = without === undefined ? { minified: 0, zipped: 0 } : await measure(without, external);
  const [minified, zipped] = [whole.minified - base.minified, whole.zipped - base.zipped];
  isOver ||= zipped > most;
  const columns = [minified.toFixed(1), zipped.toFixed(1), most.toFixed(1), target?.toFixed(1) ?? '–'];
  console.log(`${name.padEnd(34)}${columns.map((text) => text.padStart(8)).join('')}${zipped > most ? '  OVER' : ''}`);
}
if (isOver) process.exitCode = 1;
