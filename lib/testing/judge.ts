import { difference, shown } from './differ.js';
import { MarbleError } from './failure.js';

/** Fails a test unless two values are equal: throws, or notes it as its runner does. */
export type Assert = (actual: unknown, expected: unknown) => void;

interface Expected {
  readonly toEqual: (expected: unknown) => void;
  /** Jasmine's: what it notes has these words in front. */
  withContext?(words: string): Expected;
}

/** What the runner has: Jest, Vitest with `globals`, Jasmine. */
const globalExpect = (): ((actual: unknown) => Expected) | undefined =>
  (globalThis as { readonly expect?: (actual: unknown) => Expected }).expect;

/** Own equality, for a runner that has none. */
const equality: Assert = (actual, expected) => {
  if (difference(expected, actual) !== null) throw new MarbleError('not equal');
};

/** An error that points at the line of the expectation; with what its runner says, where the drawing cannot show it. */
const failing = (drawing: string, said: string, line: string): MarbleError => {
  const error = new MarbleError(`\n${drawing}${said}`);
  error.stack = `${error.name}: ${error.message}\n${line}`;
  return error;
};

/**
 * Compares with the given `assert`, or the global `expect(actual).toEqual(expected)`, or an equality of our own. What differs is thrown as a
 * `MarbleError` with the drawing, except to Jasmine, which notes it instead and goes on.
 */
export const judged = (
  assert: Assert | undefined,
  [actual, expected]: readonly [unknown, unknown],
  drawing: () => string,
  line: string,
): void => {
  const expect = assert ? undefined : globalExpect();
  const isDrawn = difference(expected, actual) !== null;
  try {
    const expectation = expect?.(actual);
    const noting = isDrawn ? expectation?.withContext?.bind(expectation) : undefined;
    if (noting) noting(`\n${drawing()}\n`).toEqual(expected);
    else if (expectation) expectation.toEqual(expected);
    else (assert ?? equality)(actual, expected);
  } catch (thrown) {
    throw failing(drawing(), isDrawn ? '' : `\n${thrown instanceof Error ? thrown.message : shown(thrown)}`, line);
  }
};
