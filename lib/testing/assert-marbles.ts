import { findDifference, formatValue } from './difference.js';
import { MarbleError } from './marble-error.js';

/**
 * Compares two values of a marble test.
 *
 * @param actual - The value that the test received.
 * @param expected - The value that the test expects.
 * @throws Any error fails the test. A runner that records failures, such as Jasmine, need not throw.
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from 'node:assert';
 * marbles(test, { assert: deepStrictEqual });
 * ```
 */
export type Assert = (actual: unknown, expected: unknown) => void;

interface Expectation {
  readonly toEqual: (expected: unknown) => void;
  /** Of Jasmine: puts a text in front of the failure that it records. */
  withContext?(text: string): Expectation;
}

/** The `expect` of the runner: Jest, Vitest with `globals`, Jasmine. */
const findGlobalExpect = (): ((actual: unknown) => Expectation) | undefined =>
  (globalThis as { readonly expect?: (actual: unknown) => Expectation }).expect;

/** Chai has an `expect` too, without `toEqual`; reading it there throws. */
const expectationOf = (actual: unknown, expect: ReturnType<typeof findGlobalExpect>): Expectation | undefined => {
  const expectation = expect?.(actual);
  return expectation && 'toEqual' in expectation ? expectation : undefined;
};

/** The equality for a runner without `expect`. */
const assertEqual: Assert = (actual, expected) => {
  if (findDifference(expected, actual) !== null) throw new MarbleError('The values are not equal.');
};

/** Creates an error whose stack points at the line of an expectation. */
export const createMarbleError = (message: string, line: string): MarbleError => {
  const error = new MarbleError(message);
  error.stack = `${error.name}: ${error.message}\n${line}`;
  return error;
};

/**
 * Compares with the given `assert`, the global `expect(actual).toEqual(expected)`, or the equality of this library.
 * Throws a difference as a `MarbleError` with the drawing. For Jasmine, records the difference with `withContext`
 * instead, and the test continues.
 */
export const assertOrDraw = (
  assert: Assert | undefined,
  [actual, expected]: readonly [unknown, unknown],
  drawing: () => string,
  line: string,
): void => {
  const expect = assert ? undefined : findGlobalExpect();
  const isDrawn = findDifference(expected, actual) !== null;
  try {
    const expectation = expectationOf(actual, expect);
    const withContext = isDrawn ? expectation?.withContext?.bind(expectation) : undefined;
    if (withContext) withContext(`\n${drawing()}\n`).toEqual(expected);
    else if (expectation) expectation.toEqual(expected);
    else (assert ?? assertEqual)(actual, expected);
  } catch (thrown) {
    // The message of the runner follows where the drawing cannot show the difference.
    const message = isDrawn ? '' : `\n${thrown instanceof Error ? thrown.message : formatValue(thrown)}`;
    throw createMarbleError(`\n${drawing()}${message}`, line);
  }
};
