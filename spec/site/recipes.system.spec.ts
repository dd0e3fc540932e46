import { join } from 'node:path';
import { msMax, runCommand } from '../angular/run-command.js';

/* The recipes have packages of their own, and specs of their own in recipes/spec. */
const root = process.cwd();
const folder = join(root, 'recipes');

describe('the recipes of docs/recipes.md', () => {
  beforeAll(() => {
    runCommand(root, process.execPath, 'scripts/install-packages.js', 'recipes');
    runCommand(root, 'npm', 'run', 'build');
  }, 2 * msMax);

  it(
    'compile with the published types, with their components and specs',
    () => {
      expect(runCommand(folder, 'npm', 'run', 'check')).toMatch(/svelte-check found 0 errors and 0 warnings/);
    },
    msMax,
  );

  it(
    'pass their specs: live queries, status, offline and back, release, StrictMode, server-side rendering',
    () => {
      const output = runCommand(folder, 'npm', 'test');
      expect(output).toMatch(/^Test Suites: (\d+) passed, \1 total$/m);
      expect(output).toMatch(/^Tests: +(\d+) passed, \1 total$/m);
      for (const name of ['react', 'vue', 'svelte', 'solid', 'ngrx', 'capacitor', 'ssr.node', 'solid-ssr.node']) {
        expect(output).toMatch(new RegExp(`^PASS \\w+ spec/${name}\\.spec\\.ts`, 'm'));
      }
    },
    msMax,
  );
});
