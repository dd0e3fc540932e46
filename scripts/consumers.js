/*
 * Tests an app with `tidemark/testing` in three projects, which install the packed package: Jest and Vitest without
 * globals, each on Node and in jsdom, and Jasmine, on Node and in a browser. Their tests must pass, and a test that is
 * meant to fail must fail with a marble diagram. Needs `dist/` (npm run build) and Chromium. Exits at the first error.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInChromium } from './chromium.js';
import { packLibrary } from './pack-library.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const projects = join(root, 'spec', 'consumers');
/** Milliseconds that an installation or a run may take; it takes seconds. */
const msMax = 180_000;

/** The line of each runner with the number of passed tests, when no test failed. */
const counts = {
  jest: /^Tests: +(\d+) passed, \1 total$/m,
  vitest: /^ +Tests +(\d+) passed \(\1\)$/m,
  jasmine: /^(\d+) specs, 0 failures$/m,
};
/** Lines of the diagram in a failure, after any prefix of the runner. */
const drawing = [
  /expected {2}g 999ms e 999ms g$/m,
  /actual {4}g$/m,
  /^ +\^$/m,
  /at 1s: expected e, received nothing$/m,
  /e = 'grey'/,
];

/** The file and the number of tests that need a real server, which a browser cannot run. */
const onNode = { file: 'server.test.js', tests: 1 };

const runCommand = (folder, command, args) => {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', CI: '1' };
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...{ cwd: folder, env, timeout: msMax, killSignal: 'SIGKILL', encoding: 'utf8' },
  });
  if (error) throw error;
  return { status, output: `${stdout}\n${stderr}`.replace(/\x1b\[[0-9;]*m/g, '') };
};

const runChecked = (folder, command, args) => {
  const { status, output } = runCommand(folder, command, args);
  if (status === 0) return output;
  throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}`);
};

const checkDiagram = (name, output) => {
  const missing = drawing.find((line) => !line.test(output));
  if (missing) throw new Error(`${name}: expected ${missing} in the text of a failure, received:\n${output}`);
};

const versionIn = (folder, name) =>
  JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;

const printResult = (name, { version, passed }) => {
  console.log(`consumers: ${name} ${version}: ${passed} passed; a failing test shows its diagram`);
  return passed;
};

/** Returns the number of tests that pass in jsdom, whose window differs from Node's; `null` without such tests. */
const testInJsdom = (name, folder) => {
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (!scripts.jsdom) return null;
  const output = runChecked(folder, 'npm', ['run', 'jsdom']);
  const passed = Number(counts[name].exec(output)?.[1] ?? 0);
  console.log(`consumers: ${name} in jsdom: ${passed} passed`);
  return passed;
};

const testProject = (name, folder, tarball) => {
  for (const each of ['shared', name]) cpSync(join(projects, each), folder, { recursive: true });
  runChecked(folder, 'npm', ['ci', '--loglevel=error', '--prefer-offline']);
  runChecked(folder, 'npm', ['install', '--no-save', '--loglevel=error', '--prefer-offline', tarball]);
  const output = runChecked(folder, 'npm', ['test']);
  const passed = Number(counts[name].exec(output)?.[1] ?? 0);
  if (passed === 0) throw new Error(`${name}: expected passed tests and no failed one, received:\n${output}`);
  const inJsdom = testInJsdom(name, folder);
  if (inJsdom !== null && inJsdom + onNode.tests !== passed)
    throw new Error(`${name}: expected ${passed - onNode.tests} tests to pass in jsdom, received ${inJsdom}`);
  const red = runCommand(folder, 'npm', ['run', 'red']);
  if (red.status === 0) throw new Error(`${name}: a test that is meant to fail passed:\n${red.output}`);
  checkDiagram(name, red.output);
  return { version: versionIn(folder, name), passed };
};

/** Runs the project with Jasmine again, as Karma would run it. */
const testInChromium = async (folder) => {
  const name = 'jasmine-core';
  const files = readdirSync(folder).filter((file) => file.endsWith('.test.js') && file !== onNode.file);
  const { version, overallStatus, tests } = await runInChromium(folder, files);
  const passed = tests.filter(({ status }) => status === 'passed').length;
  if (overallStatus !== 'passed' || passed !== tests.length)
    throw new Error(
      `${name}: expected all tests to pass, received ${JSON.stringify({ overallStatus, tests }, null, 2)}`,
    );
  const red = await runInChromium(folder, ['red.js']);
  if (red.overallStatus !== 'failed') throw new Error(`${name}: a test that is meant to fail ${red.overallStatus}`);
  checkDiagram(name, red.tests.flatMap(({ complaints }) => complaints).join('\n'));
  return { version: `${versionIn(folder, name)} in Chromium ${version}`, passed };
};

if (!existsSync(join(root, 'dist', 'testing', 'index.js')))
  throw new Error('dist/ is missing. Run npm run build first.');
const folder = mkdtempSync(join(tmpdir(), 'tidemark-consumers-'));
try {
  const { path } = packLibrary(root, folder);
  const all = Object.keys(counts).map((name) => printResult(name, testProject(name, join(folder, name), path)));
  const inBrowser = printResult('jasmine-core', await testInChromium(join(folder, 'jasmine')));
  if (new Set([...all, inBrowser + onNode.tests]).size !== 1)
    throw new Error(
      `expected the same number of tests in each project, received ${all.join(', ')}, and ${inBrowser} in a browser`,
    );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
