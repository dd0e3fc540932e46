import { expect } from '@jest/globals';
import * as http from 'node:http';
import ts from 'typescript';
import { createExampleWorld, settle } from './example-world.js';
import { steps } from './page-steps.js';

interface Globals {
  readonly modules: Readonly<Record<string, object>>;
  readonly console: { readonly log: (...values: unknown[]) => void };
  readonly fetch: unknown;
  readonly runStep: (comment: string) => unknown;
}
type Program = (globals: Globals) => Promise<void>;
// The only access to the constructor of asynchronous functions. It has the globals of this runner, which `marbles`
// needs.
const { constructor: AsyncFunction } = Object.getPrototypeOf(async () => Promise.resolve()) as {
  constructor: new (...text: readonly string[]) => Program;
};

/**
 * Compiles a program to a function. The function logs each value together with the comment beside it, and runs the
 * steps of the given comments.
 */
const programOf = (text: string, comments: readonly string[]): Program => {
  const runnable = text
    .replace(/^( *)console\.log\((.*)\); \/\/ (.*)$/gm, '$1console.log($2, ($3));')
    .replace(/^\/\/ (.*)$/gm, (line, comment: string) =>
      comments.includes(comment) ? `await runStep(${JSON.stringify(comment)});` : line,
    );
  const { outputText } = ts.transpileModule(runnable, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  const body = outputText.replace(/^import (\{[^}]*\}) from ('[^']*');$/gm, 'const $1 = modules[$2];');
  return new AsyncFunction('{ modules, console, fetch, runStep }', body);
};

/**
 * Runs the program of a page, and the steps of its comments. Expects that the program logs the values in the comments
 * beside them, and that each step of the page has its comment.
 */
export const runExample = async (page: string, text: string): Promise<void> => {
  const logged: unknown[][] = [];
  const log = (...values: unknown[]): unknown => logged.push(structuredClone(values));
  const world = createExampleWorld(page === 'docs/hosting.md' ? 'real time' : 'virtual time');
  const pageSteps = steps[page]?.(world) ?? {};
  const comments = Object.keys(pageSteps);
  const unused = new Set(comments);
  const runStep = async (comment: string): Promise<void> => {
    unused.delete(comment);
    await settle();
    await pageSteps[comment]?.();
    await settle();
  };
  try {
    const program = programOf(text, comments);
    const modules = { ...world.modules, 'node:http': http };
    await program({ modules, console: { log }, fetch: page === 'docs/tokens.md' ? world.login.fetch : fetch, runStep });
  } finally {
    await world.close();
  }
  expect(logged.map(([value]) => value)).toEqual(logged.map(([, comment]) => comment));
  expect(logged.map(({ length }) => length)).toEqual(logged.map(() => 2));
  expect(logged).toHaveLength(text.match(/console\.log/g)?.length ?? 0);
  expect([...unused]).toEqual([]);
};
