/**
 * The number of a log entry, counted from 1; 0 is before the first. A *client version* counts the changesets of one
 * replica, a *server version* those of a realm's history.
 */
export type Version = number;

/**
 * Whether a value is a whole number that a version can be. Versions stay exact in a JavaScript number: 2^53 changesets
 * are a million a second for 285 years.
 */
export const isCount = (value: unknown): value is Version =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
