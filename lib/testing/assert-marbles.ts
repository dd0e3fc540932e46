import { findDifference, formatValue } from './difference.js';
import { MarbleError } from './marble-error.js';

/** Fails a test unless two values are equal: throws, or notes it as its runner does. */
export type Assert = (actual: unknown, expected: unknown) => void;

interface Expectation {
  readonly toEqual: (expected: unknown) => void;
  /** Jasmine's: what it notes has these words in front. */
  withContext?(words: string): Expectation;
}

/** What the runner has: Jest, Vitest with `globals`, Jasmine. */
const findGlobalExpect = (): ((actual: unknown) => Expectation) | undefined =>
  (globalThis as { readonly expect?: (actual: unknown) => Expectation }).expect;

/** Chai has an `expect`, too, which has no `toEqual` and throws when it is asked for it. */
const expectationOf = (actual: unknown, expect: ReturnType<typeof findGlobalExpect>): Expectation | undefined => {
  const expectation = expect?.(actual);
  return expectation && 'toEqual' in expectation ? expectation : undefined;
};

/** Own equality, for a runner that has none. */
const assertEqual: Assert = (actual, expected) => {
  if (findDifference(expected, actual) !== null) throw new MarbleError('not equal');
};

/** An error that points at the line of an expectation. */
export const createMarbleError = (message: string, line: string): MarbleError => {
  const error = new MarbleError(message);
  error.stack = `${error.name}: ${error.message}\n${line}`;
  return error;
};

/**
 * Compares with the given `assert`, or the global `expect(actual).toEqual(expected)`, or an equality of our own. What
 * differs is thrown as a `MarbleError` with the drawing, except to Jasmine, which notes it instead and goes on.
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
    const noting = isDrawn ? expectation?.withContext?.bind(expectation) : undefined;
    if (noting) noting(`\n${drawing()}\n`).toEqual(expected);
    else if (expectation) expectation.toEqual(expected);
    else (assert ?? assertEqual)(actual, expected);
  } catch (thrown) {
    // What its runner says stands there where the drawing cannot show it.
    const said = isDrawn ? '' : `\n${thrown instanceof Error ? thrown.message : formatValue(thrown)}`;
    throw createMarbleError(`\n${drawing()}${said}`, line);
  }
};
