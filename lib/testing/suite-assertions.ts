import { isBytes } from '../model/built-ins.js';
import { lastValueFrom, toArray, type Observable } from 'rxjs';
import { InvalidArgumentError, StorageError } from '../model/errors.js';

/**
 * The part of a test runner that the suites use: the globals of Jest, Jasmine and Vitest with `globals: true`, or all
 * of `import * as vitest from 'vitest'`.
 *
 * @example
 * ```ts
 * import * as vitest from 'vitest';
 * storageSuite('my storage', defer(() => openMyStorage(createFolder())), 'no copy', vitest);
 * ```
 */
export interface SuiteRunner {
  /**
   * Defines a group of tests.
   *
   * @param title - The title of the group.
   * @param suite - The function that defines the tests.
   */
  readonly describe: (title: string, suite: () => void) => void;
  /**
   * Defines a test.
   *
   * @param title - The title of the test.
   * @param test - The test. It fails when its promise rejects.
   */
  readonly it: (title: string, test: () => Promise<void>) => void;
  /**
   * Runs a function after each test of the group.
   *
   * @param undo - The function to run.
   */
  readonly afterEach: (undo: () => void) => void;
}

/** Returns the global runner. Throws an `InvalidArgumentError` when there is no global runner. */
export const findGlobalRunner = (): SuiteRunner => {
  const found = globalThis as object as Record<keyof SuiteRunner, unknown>;
  for (const each of ['describe', 'it', 'afterEach'] as const) {
    if (typeof found[each] === 'function') continue;
    const expected = 'an object with describe, it and afterEach, as globals or as the last argument of the suite';
    throw new InvalidArgumentError('runner', expected, found[each]);
  }
  return found as object as SuiteRunner;
};

/** Returns equal texts for equal values, whatever the order of their properties and the class of their bytes. */
const textOf = (value: unknown): string =>
  JSON.stringify(toPlain(value), (_, part: unknown) =>
    typeof part === 'number' && !Number.isFinite(part) ? String(part) : part,
  );

const toPlain = (value: unknown): unknown => {
  if (isBytes(value)) return { bytes: Array.from(value).join(' ') };
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, part]) => [name, toPlain(part)] as const);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
};

/** Fails a test unless two values are equal as JSON, with bytes compared as bytes. */
export const assertSame = (what: string, actual: unknown, expected: unknown): void => {
  const [actualText, expectedText] = [textOf(actual), textOf(expected)];
  if (actualText !== expectedText) throw new Error(`${what} must be ${expectedText}, received ${actualText}.`);
};

/** All values of a stream until it completes. */
export const allOf = <A>(stream: Observable<A>): Promise<A[]> => lastValueFrom(stream.pipe(toArray()));

/** The error of a stream, or of the function that makes it. Fails a test for a stream without an error. */
export const errorOf = async (what: string, described: () => Observable<unknown>): Promise<unknown> => {
  try {
    await allOf(described());
  } catch (thrown) {
    return thrown;
  }
  throw new Error(`${what} must error.`);
};

/** Fails a test for a stream whose error is not a `StorageError`. */
export const assertStorageError = async (what: string, described: () => Observable<unknown>): Promise<void> =>
  assertSame(`"${what} errors with a StorageError"`, (await errorOf(what, described)) instanceof StorageError, true);
