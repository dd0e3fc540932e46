import { InvalidArgumentError } from '../model/errors.js';
import type { ConnectionState, SyncState } from '../session/state/status.js';

/** The values of `connectionState$`, by the letters that diagrams have for them: `'d-c-C'`. */
export const connectionLetters = { d: 'disconnected', c: 'connecting', C: 'connected' } as const satisfies Readonly<
  Record<string, ConnectionState>
>;

/** The values of `syncState$`, by their letters. */
export const syncLetters = {
  a: 'active',
  p: 'paused',
  i: 'inactive',
  y: 'dying',
  t: 'waitingForAccessToken',
} as const satisfies Readonly<Record<string, SyncState>>;

/** All states, by their letters: none has two meanings. */
export const stateLetters = { ...connectionLetters, ...syncLetters } as const;

/** What has a letter. */
export type StateName = ConnectionState | SyncState;

/** What can stand for a value in a diagram. */
export const isLetter = (text: string): boolean => Array.from(text).length === 1 && !'-()|#^! '.includes(text);

const unitsMs = { s: 1_000, m: 60_000 } as const;

/**
 * A diagram with its times in milliseconds: `TestScheduler` makes 16100.000000000002 of `16.1s`, when nothing happens.
 * Throws an `InvalidArgumentError` for what is no text.
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
 * A diagram to be read. Throws an `InvalidArgumentError` for values that lack a letter of it: it would be taken as
 * `undefined`.
 */
export const checkValues = (marbles: string, values: unknown): string => {
  const read = normalizeTimes('diagram', marbles);
  if (values === undefined) return read;
  if (typeof values !== 'object' || values === null)
    throw new InvalidArgumentError('values', 'a record of letters and what they stand for', values);
  const missing = lettersOf(marbles).find((letter) => !(letter in values));
  if (missing !== undefined) throw new InvalidArgumentError('values', `a value for each letter of ${marbles}`, missing);
  return read;
};

/** Throws an `InvalidArgumentError` for a diagram of states with a letter that is none of a state. */
export const checkStates = (marbles: string): string => {
  normalizeTimes('diagram', marbles);
  const strange = lettersOf(marbles).find((letter) => !(letter in stateLetters));
  if (strange === undefined) return marbles;
  const expected = Object.entries(stateLetters).map(([letter, state]) => `${letter} (${state})`);
  throw new InvalidArgumentError('diagram', `only the letters of states: ${expected.join(', ')}`, strange);
};
