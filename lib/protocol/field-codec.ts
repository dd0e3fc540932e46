import { isBytes } from '../model/built-ins.js';
import { limits } from '../model/limits.js';
import { isCount } from '../model/version.js';
import type { Retry } from './messages.js';

/** What is wrong with a frame: where, what was expected there, and what came. */
export class InvalidField {
  constructor(
    readonly path: string,
    readonly expected: string,
    readonly received: unknown,
  ) {}
}

/** One field of a message, as it stands in the positional array of a frame. */
export interface Field<A> {
  /** Never throws. The place is only for the misfit. */
  readonly read: (value: unknown, place: string) => A | InvalidField;
  readonly write: (value: A) => unknown;
}

/** A field that stands in the frame as it is. */
const plainFieldOf = <A>(expected: string, is: (value: unknown) => value is A): Field<A> => ({
  read: (value, place) => (is(value) ? value : new InvalidField(place, expected, value)),
  write: (value) => value,
});

/** A whole number, 0 included. */
export const count = plainFieldOf('a whole number from 0 to 2^53 - 1', isCount);

/** A whole number that begins at 1: the number of a session or a request, or a version that exists. */
export const ordinal = plainFieldOf(
  'a whole number from 1 to 2^53 - 1',
  (value): value is number => isCount(value) && value > 0,
);

/** Yes or no. */
export const flag = plainFieldOf('true or false', (value): value is boolean => typeof value === 'boolean');

/** Bytes. */
export const binary = plainFieldOf('binary', (value): value is Uint8Array => isBytes(value));

const codePattern = /^[a-z][a-z0-9-]*$/;

/** A word that programs can switch on. */
export const code = plainFieldOf(
  'a word of 1 to 64 of a to z, 0 to 9 and "-"',
  (value): value is string => typeof value === 'string' && value.length <= 64 && codePattern.test(value),
);

/** A number that is one: a time in milliseconds. */
export const time = plainFieldOf('a finite number', (value): value is number => Number.isFinite(value));

/** So many characters, counted in UTF-16 code units, as JavaScript does. */
export const textOf = (least: number, most: number): Field<string> =>
  plainFieldOf(
    `a string of ${least} to ${most} characters`,
    (value): value is string => typeof value === 'string' && value.length >= least && value.length <= most,
  );

/** A text for people. What is too long for the other end is cut here, and not refused there. */
export const errorText: Field<string> = {
  ...textOf(0, limits.errorTextCharsMax),
  write: (value) => value.slice(0, limits.errorTextCharsMax),
};

/** Something or `null`. */
export const optionalOf = <A>({ read, write }: Field<A>): Field<A | null> => ({
  read: (value, place) => (value === null ? null : read(value, place)),
  write: (value) => (value === null ? null : write(value)),
});

const retryExpected = '"never", "later" or milliseconds';

/** `"never"`, `"later"`, or the milliseconds after which to try again. */
export const retry: Field<Retry> = {
  read: (value, place) => {
    if (value === 'never' || value === 'later') return value;
    const isWait = typeof value === 'number' && Number.isFinite(value) && value >= 0;
    return isWait ? { after: value } : new InvalidField(place, retryExpected, value);
  },
  write: (value) => (typeof value === 'string' ? value : value.after),
};
