import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { bugs, editsOf } from '../../sim/find-planted-bugs.js';

const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };

/** Reads a file of the library as it is compiled for the simulator. */
const compiled = (file: string): string =>
  ts.transpileModule(readFileSync(`lib/${file.replace(/\.js$/, '.ts')}`, 'utf8'), { compilerOptions }).outputText;

describe('the planted bugs', () => {
  it('are at least fifty, and each has a name of its own', () => {
    expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
    expect(bugs.length).toBeGreaterThanOrEqual(50);
  });

  it.each(bugs.map((bug) => [bug.name, bug] as const))('"%s" can be planted: its text occurs once', (_, bug) => {
    for (const { file, original } of editsOf(bug)) {
      const { length } = compiled(file).split(original);
      expect(`${file} has it ${length - 1} times`).toBe(`${file} has it 1 times`);
    }
  });
});
