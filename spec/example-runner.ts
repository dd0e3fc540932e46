import { expect } from '@jest/globals';
import * as http from 'node:http';
import { toProgramBody } from './example-program.js';
import { realTime, settle, startVirtualTime } from './example-time.js';
import { createExampleWorld } from './example-world.js';
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
 * Pages in real time: one opens ports, and the server of the other lets an event-loop turn pass, by a timer, between
 * the works of a realm.
 */
const realTimePages: readonly string[] = ['docs/hosting.md', 'docs/subscriptions.md'];

/**
 * Runs the program of a page, and the steps of its comments. Expects that the program logs the values in the comments
 * beside them, and that each step of the page has its comment.
 */
export const runExample = async (page: string, text: string): Promise<void> => {
  const logged: unknown[][] = [];
  const log = (...values: unknown[]): unknown => logged.push(structuredClone(values));
  const world = createExampleWorld(realTimePages.includes(page) ? realTime : startVirtualTime());
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
    const program = new AsyncFunction('{ modules, console, fetch, runStep }', toProgramBody(text, comments));
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
