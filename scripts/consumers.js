/*
 * Three people with three runners test an app of theirs with `tidemark/testing`, installed from the packed package: Jest, Vitest without globals, Jasmine. Their
 * tests pass, and one that is meant to fail is red and drawn. Needs `dist/` (npm run build). Exits with an error at the first thing that is wrong.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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

const tried = (name, folder, tarball) => {
  for (const each of ['shared', name]) cpSync(join(projects, each), folder, { recursive: true });
  fine(folder, 'npm', ['ci', '--loglevel=error', '--prefer-offline']);
  fine(folder, 'npm', ['install', '--no-save', '--loglevel=error', '--prefer-offline', tarball]);
  const said = fine(folder, 'npm', ['test']);
  const passed = Number(counts[name].exec(said)?.[1] ?? 0);
  if (passed === 0) throw new Error(`${name}: expected to hear that some passed and none failed, got:\n${said}`);
  const red = heard(folder, 'npm', ['run', 'red']);
  if (red.status === 0) throw new Error(`${name}: a test that is meant to fail passed:\n${red.said}`);
  const missing = drawing.find((line) => !line.test(red.said));
  if (missing) throw new Error(`${name}: expected ${missing} in what a failure says, got:\n${red.said}`);
  const { version } = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'));
  return { version, passed };
};

if (!existsSync(join(root, 'dist', 'testing', 'index.js'))) throw new Error('dist is missing: npm run build');
const folder = mkdtempSync(join(tmpdir(), 'tidemark-consumers-'));
try {
  const { place } = packed(root, folder);
  const all = Object.keys(counts).map((name) => {
    const { version, passed } = tried(name, join(folder, name), place);
    console.log(`consumers: ${name} ${version}: ${passed} passed; a failing test is red and drawn`);
    return passed;
  });
  if (new Set(all).size !== 1) throw new Error(`expected as many tests in each, got ${all.join(', ')}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
