import { InvalidArgumentError } from '../model/errors.js';
import { connectionLetters, syncLetters } from '../model/marble-drawing.js';
import type { ConnectionState, SyncState } from '../session/state/status.js';

/** A connection state or a sync state. */
export type StateName = ConnectionState | SyncState;

/**
 * The letters of all states. Each letter has one meaning.
 *
 * @example
 * ```ts
 * expectObservable(session.syncState$).toBe('a 5s p', stateLetters);
 * ```
 */
export const stateLetters = { ...connectionLetters, ...syncLetters } as const satisfies Readonly<
  Record<string, StateName>
>;

/** Whether a text can stand for a value in a diagram. */
export const isLetter = (text: string): boolean => Array.from(text).length === 1 && !'-()|#^! '.includes(text);

const unitsMs = { s: 1_000, m: 60_000 } as const;

/**
 * Writes the times of a diagram in milliseconds, because `TestScheduler` reads `16.1s` as 16100.000000000002 and finds
 * no event there. Throws an `InvalidArgumentError` for an argument that is not a string.
 */
export const normalizeTimes = (argument: string, marbles: unknown): string => {
  if (typeof marbles !== 'string') throw new InvalidArgumentError(argument, "a diagram like 'a-b 1.5s (c|)'", marbles);
  return marbles.replace(
    /(^| )([0-9]+(?:\.[0-9]+)?)(s|m)(?= )/g,
    (_, before: string, count: string, unit: keyof typeof unitsMs) =>
      `${before}${Number((Number(count) * unitsMs[unit]).toFixed(6))}ms`,
  );
};

/** The letters of a diagram, without its times. */
const lettersOf = (marbles: string): readonly string[] =>
  Array.from(marbles.replace(/(^| )[0-9]+(\.[0-9]+)?(ms|s|m)(?= )/g, ' ').replace(/[-()|#^ ]/g, ''));

/**
 * Returns a normalized diagram. Throws an `InvalidArgumentError` for a letter without a value, which `TestScheduler`
 * would read as `undefined`.
 */
export const checkValues = (marbles: string, values: unknown): string => {
  const read = normalizeTimes('diagram', marbles);
  if (values === undefined) return read;
  if (typeof values !== 'object' || values === null)
    throw new InvalidArgumentError('values', 'a record of letters and their values', values);
  const missing = lettersOf(marbles).find((letter) => !(letter in values));
  if (missing !== undefined)
    throw new InvalidArgumentError(
      `values.${missing}`,
      `present, because the diagram ${marbles} has this letter`,
      undefined,
    );
  return read;
};

/** Throws an `InvalidArgumentError` for a letter that stands for no state. */
export const checkStates = (marbles: string): string => {
  normalizeTimes('diagram', marbles);
  const unknown = lettersOf(marbles).find((letter) => !(letter in stateLetters));
  if (unknown === undefined) return marbles;
  const expected = Object.entries(stateLetters).map(([letter, state]) => `${letter} (${state})`);
  throw new InvalidArgumentError('diagram', `a diagram of the letters ${expected.join(', ')}`, unknown);
};
