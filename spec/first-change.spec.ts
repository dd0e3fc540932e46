import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The section "Your first change" of CONTRIBUTING.md, without the indentation of its list. */
const walk = readFileSync('CONTRIBUTING.md', 'utf8')
  .split('## Your first change\n')[1]!
  .split('\n### ')[0]!
  .replace(/^ {3}/gm, '');

const textOf = (pattern: RegExp): string => {
  const found = pattern.exec(walk)?.[1];
  if (found === undefined) throw new Error(`CONTRIBUTING.md must match ${pattern}.`);
  return found;
};

/** Splits arguments as a shell does. */
const argumentsOf = (command: string): readonly string[] =>
  [...command.matchAll(/"([^"]*)"|\S+/g)].map(([text, quoted]) => quoted ?? text);

const code = textOf(/```ts sketch\n([\s\S]*?)```/);
const [importLine = '', ...specLines] = code.split('\n');
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { test: string } };
const testArguments = [...scripts.test.split(' ').slice(1), ...argumentsOf(textOf(/run `npm test -- ([^`]*)`/))];
const drawnError = textOf(/```\n(expected [\s\S]*?)```/);
const specFile = 'spec/session/connection/reconnect-backoff.spec.ts';
const codeFile = textOf(/The wait is in `([^`]*)`/);

/** Creates a copy of the project that has what the walk needs. */
const copyProject = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-first-change-'));
  for (const name of ['lib', 'spec', 'scripts', 'package.json', 'tsconfig.json', 'jest.config.js'])
    cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  return folder;
};

/** Replaces a text that a file must contain exactly once. */
const replaceIn = (path: string, before: string | RegExp, after: string): void => {
  const parts = readFileSync(path, 'utf8').split(before);
  if (parts.length !== 2) throw new Error(`${path} must contain ${before} once, found ${parts.length - 1} times.`);
  writeFileSync(path, parts.join(after));
};

const runSpec = (folder: string): { readonly status: number | null; readonly output: string } => {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' };
  const { status, stderr } = spawnSync(process.execPath, testArguments, { cwd: folder, env, encoding: 'utf8' });
  return { status, output: stderr.replace(/^ +/gm, '') };
};

describe('the first change of CONTRIBUTING.md', () => {
  it('fails with the drawn error without the code, and passes with it', () => {
    const folder = copyProject();
    try {
      replaceIn(join(folder, specFile), /^import \{ createBackoff \} from .*;$/m, importLine);
      writeFileSync(join(folder, specFile), specLines.join('\n'), { flag: 'a' });
      replaceIn(join(folder, codeFile), ', reconnect$).pipe(', ').pipe(');
      const failing = runSpec(folder);
      expect(failing.output).toContain(drawnError.replace(/^ +/gm, ''));
      expect(failing.status).toBe(1);
      replaceIn(join(folder, codeFile), 'timer(left, scheduler)).pipe(', 'timer(left, scheduler), reconnect$).pipe(');
      const passing = runSpec(folder);
      expect(passing.output).toMatch(/^Tests: .* 1 passed,/m);
      expect(passing.status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 120_000);
});
