/*
 * Three projects with three runners test an app with `tidemark/testing`, installed from the packed package: Jest and Vitest without globals, each on Node and in jsdom,
 * and Jasmine, on Node and in a browser. Their tests pass, and one that is meant to fail is red and drawn. Needs `dist/` (npm run build) and a Chromium. Exits with an error at the
 * first thing that is wrong.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inChromium } from './chromium.js';
import { packed } from './packed.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const projects = join(root, 'spec', 'consumers');
/** Milliseconds that an installation or a run may take; seconds are seen. */
const msMax = 180_000;

/** How each says how many passed, and that none failed. */
const counts = {
  jest: /^Tests: +(\d+) passed, \1 total$/m,
  vitest: /^ +Tests +(\d+) passed \(\1\)$/m,
  jasmine: /^(\d+) specs, 0 failures$/m,
};
/** What is under each other in a failure, whatever a runner puts in front. */
const drawing = [
  /expected {2}g 999ms e 999ms g$/m,
  /actual {4}g$/m,
  /^ +\^$/m,
  /at 1s: expected e, got nothing$/m,
  /e = 'grey'/,
];

/** Tests that need a real server, which no browser has: how many of them there are, and where. */
const onNode = { file: 'server.test.js', tests: 1 };

const heard = (folder, command, args) => {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', CI: '1' };
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...{ cwd: folder, env, timeout: msMax, killSignal: 'SIGKILL', encoding: 'utf8' },
  });
  if (error) throw error;
  return { status, said: `${stdout}\n${stderr}`.replace(/\x1b\[[0-9;]*m/g, '') };
};

const fine = (folder, command, args) => {
  const { status, said } = heard(folder, command, args);
  if (status === 0) return said;
  throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${said}`);
};

const checkDrawn = (name, said) => {
  const missing = drawing.find((line) => !line.test(said));
  if (missing) throw new Error(`${name}: expected ${missing} in what a failure says, got:\n${said}`);
};

const versionIn = (folder, name) =>
  JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;

const shown = (name, { version, passed }) => {
  console.log(`consumers: ${name} ${version}: ${passed} passed; a failing test is red and drawn`);
  return passed;
};

/** How many tests pass in jsdom, whose window is another one than Node's; `null`: this project has none. */
const triedInJsdom = (name, folder) => {
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (!scripts.jsdom) return null;
  const said = fine(folder, 'npm', ['run', 'jsdom']);
  const passed = Number(counts[name].exec(said)?.[1] ?? 0);
  console.log(`consumers: ${name} in jsdom: ${passed} passed`);
  return passed;
};

const tried = (name, folder, tarball) => {
  for (const each of ['shared', name]) cpSync(join(projects, each), folder, { recursive: true });
  fine(folder, 'npm', ['ci', '--loglevel=error', '--prefer-offline']);
  fine(folder, 'npm', ['install', '--no-save', '--loglevel=error', '--prefer-offline', tarball]);
  const said = fine(folder, 'npm', ['test']);
  const passed = Number(counts[name].exec(said)?.[1] ?? 0);
  if (passed === 0) throw new Error(`${name}: expected to hear that some passed and none failed, got:\n${said}`);
  const inJsdom = triedInJsdom(name, folder);
  if (inJsdom !== null && inJsdom + onNode.tests !== passed)
    throw new Error(`${name}: expected ${passed - onNode.tests} tests to pass in jsdom, got ${inJsdom}`);
  const red = heard(folder, 'npm', ['run', 'red']);
  if (red.status === 0) throw new Error(`${name}: a test that is meant to fail passed:\n${red.said}`);
  checkDrawn(name, red.said);
  return { version: versionIn(folder, name), passed };
};

/** The project with Jasmine once more, as Karma would run it. */
const triedInChromium = async (folder) => {
  const name = 'jasmine-core';
  const files = readdirSync(folder).filter((file) => file.endsWith('.test.js') && file !== onNode.file);
  const { version, overallStatus, tests } = await inChromium(folder, files);
  const passed = tests.filter(({ status }) => status === 'passed').length;
  if (overallStatus !== 'passed' || passed !== tests.length)
    throw new Error(`${name}: expected that all pass, got ${JSON.stringify({ overallStatus, tests }, null, 2)}`);
  const red = await inChromium(folder, ['red.js']);
  if (red.overallStatus !== 'failed') throw new Error(`${name}: a test that is meant to fail ${red.overallStatus}`);
  checkDrawn(name, red.tests.flatMap(({ complaints }) => complaints).join('\n'));
  return { version: `${versionIn(folder, name)} in Chromium ${version}`, passed };
};

if (!existsSync(join(root, 'dist', 'testing', 'index.js'))) throw new Error('dist is missing: npm run build');
const folder = mkdtempSync(join(tmpdir(), 'tidemark-consumers-'));
try {
  const { place } = packed(root, folder);
  const all = Object.keys(counts).map((name) => shown(name, tried(name, join(folder, name), place)));
  const inBrowser = shown('jasmine-core', await triedInChromium(join(folder, 'jasmine')));
  if (new Set([...all, inBrowser + onNode.tests]).size !== 1)
    throw new Error(`expected as many tests in each, got ${all.join(', ')}, and ${inBrowser} in a browser`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
