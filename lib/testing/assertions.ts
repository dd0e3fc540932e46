import { lastValueFrom, toArray, type Observable } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';

/** What a suite needs of a runner. The globals of Jest, Jasmine and Vitest with `globals: true` are one, and so is all of `import * as vitest from 'vitest'`. */
export interface SuiteRunner {
  readonly describe: (title: string, suite: () => void) => void;
  readonly it: (title: string, test: () => Promise<void>) => void;
  readonly afterEach: (undo: () => void) => void;
}

/** The runner that is there without being given. Throws an `InvalidArgumentError` where none is. */
export const globalRunner = (): SuiteRunner => {
  const found = globalThis as object as Record<keyof SuiteRunner, unknown>;
  for (const each of ['describe', 'it', 'afterEach'] as const) {
    if (typeof found[each] === 'function') continue;
    const expected = `describe, it and afterEach, as globals or given as the suite's last argument`;
    throw new InvalidArgumentError('runner', expected, found[each]);
  }
  return found as object as SuiteRunner;
};

/** Fails a test unless two values are the same as JSON. */
export const same = (what: string, actual: unknown, expected: unknown): void => {
  const [came, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (came !== wanted) throw new Error(`${what}: expected ${wanted}, got ${came}`);
};

/** All that a stream emits until it completes. */
export const allOf = <A>(stream: Observable<A>): Promise<A[]> => lastValueFrom(stream.pipe(toArray()));

/** The error of a stream, or of a description of one that throws; fails a test for a stream that has none. */
export const errorOf = async (what: string, described: () => Observable<unknown>): Promise<unknown> => {
  try {
    await allOf(described());
  } catch (thrown) {
    return thrown;
  }
  throw new Error(`${what}: expected an error, got none`);
};
