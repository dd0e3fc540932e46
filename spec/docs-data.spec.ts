import { readFileSync } from 'node:fs';
import * as rxjs from 'rxjs';
import ts from 'typescript';
import * as tidemark from '../lib/index.js';
import * as server from '../lib/server/index.js';
import { parseExamples } from './example-compiler.js';

const markdown = readFileSync('docs/data.md', 'utf8');
const modules: Readonly<Record<string, object>> = { rxjs, tidemark, 'tidemark/server': server };

type Program = (modules: unknown, console: unknown) => Promise<void>;
// The only access to the constructor of asynchronous functions.
const { constructor: AsyncFunction } = Object.getPrototypeOf(async () => Promise.resolve()) as {
  constructor: new (...text: readonly string[]) => Program;
};

/**
 * Compiles a program of the page to a function of its imports. The function logs each value together with the comment
 * beside it.
 */
const programOf = (text: string): Program => {
  const paired = text.replace(/^console\.log\((.*)\); \/\/ (.*)$/gm, 'console.log($1, ($2));');
  const { outputText } = ts.transpileModule(paired, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  const body = outputText.replace(/^import (\{[^}]*\}) from ('[^']*');$/gm, 'const $1 = modules[$2];');
  return new AsyncFunction('modules', 'console', body);
};

describe('the examples of docs/data.md', () => {
  it('log the values in the comments beside them', async () => {
    const programs = parseExamples('docs/data.md', markdown);
    expect(programs).toHaveLength(1);
    for (const { text } of programs) {
      const logged: (readonly unknown[])[] = [];
      await programOf(text)(modules, { log: (...values: readonly unknown[]) => logged.push(values) });
      expect(logged.map(([value]) => value)).toEqual(logged.map(([, expected]) => expected));
      expect(logged.every(({ length }) => length === 2)).toBe(true);
      expect(logged).toHaveLength(text.match(/console\.log/g)?.length ?? 0);
    }
  });

  it('exist for every row of the conflict table', () => {
    const rows = [...markdown.matchAll(/^\| \[.*\]\(#([a-z-]+)\) \|/gm)].map(([, anchor]) => anchor);
    const sections = markdown.split(/^### /m).slice(1);
    expect(sections.map((text) => text.split('\n')[0]?.toLowerCase().replaceAll(' ', '-'))).toEqual(rows);
    for (const text of sections) expect(text).toMatch(/console\.log\((pick\()?both\(/);
  });
});
