import { isBytes } from '../model/built-ins.js';
import { limits } from '../model/limits.js';
import { isCount } from '../model/version.js';
import type { Retry } from './messages.js';

/** An invalid field: its path, what it must be, and the received value. */
export class InvalidField {
  constructor(
    readonly path: string,
    readonly expected: string,
    readonly received: unknown,
  ) {}
}

/** One field of a message in the positional array of a frame. */
export interface Field<A> {
  /** Reads a value. Never throws. The path is only for the `InvalidField`. */
  readonly read: (value: unknown, path: string) => A | InvalidField;
  readonly write: (value: A) => unknown;
}

/** A field whose value is the same in the message and in the frame. */
const plainFieldOf = <A>(expected: string, is: (value: unknown) => value is A): Field<A> => ({
  read: (value, path) => (is(value) ? value : new InvalidField(path, expected, value)),
  write: (value) => value,
});

/** A whole number from 0. */
export const count = plainFieldOf('a whole number from 0 to 2^53 - 1', isCount);

/** A whole number from 1: the number of a session or a request, or an existing version. */
export const ordinal = plainFieldOf(
  'a whole number from 1 to 2^53 - 1',
  (value): value is number => isCount(value) && value > 0,
);

export const flag = plainFieldOf('true or false', (value): value is boolean => typeof value === 'boolean');

export const binary = plainFieldOf('binary', (value): value is Uint8Array => isBytes(value));

const codePattern = /^[a-z][a-z0-9-]*$/;

/** A code that programs can compare. */
export const code = plainFieldOf(
  'a word of 1 to 64 of a to z, 0 to 9 and "-"',
  (value): value is string => typeof value === 'string' && value.length <= 64 && codePattern.test(value),
);

/** A finite number: a time in milliseconds. */
export const time = plainFieldOf('a finite number', (value): value is number => Number.isFinite(value));

/** A string whose length is counted in UTF-16 code units, as JavaScript does. */
export const textOf = (min: number, max: number): Field<string> =>
  plainFieldOf(
    `a string of ${min} to ${max} characters`,
    (value): value is string => typeof value === 'string' && value.length >= min && value.length <= max,
  );

/** A text for people. It is cut before it is sent when it is too long for the receiver. */
export const errorText: Field<string> = {
  ...textOf(0, limits.errorTextCharsMax),
  write: (value) => value.slice(0, limits.errorTextCharsMax),
};

/** A field that may be `null`. */
export const optionalOf = <A>({ read, write }: Field<A>): Field<A | null> => ({
  read: (value, path) => (value === null ? null : read(value, path)),
  write: (value) => (value === null ? null : write(value)),
});

/**
 * The last field of a message, which may be absent. The frame has no element for it then. `null` in a frame also means
 * that it is absent, so that a later version can add fields after it.
 */
export const absentOf = <A>({ read, write }: Field<A>): Field<A | undefined> => ({
  read: (value, path) => (value === undefined || value === null ? undefined : read(value, path)),
  write: (value) => (value === undefined ? undefined : write(value)),
});

/** Any value, but not a missing one. */
export const anyValue = plainFieldOf('a value', (value): value is unknown => value !== undefined);

/** One of some texts. */
export const oneOf = <Text extends string>(...texts: readonly Text[]): Field<Text> =>
  plainFieldOf(texts.map((text) => `"${text}"`).join(' or '), (value): value is Text =>
    (texts as readonly unknown[]).includes(value),
  );

const retryExpected = '"never", "later" or milliseconds';

/** `"never"`, `"later"`, or the milliseconds after which the client may try again. */
export const retry: Field<Retry> = {
  read: (value, path) => {
    if (value === 'never' || value === 'later') return value;
    const isWait = typeof value === 'number' && Number.isFinite(value) && value >= 0;
    return isWait ? { after: value } : new InvalidField(path, retryExpected, value);
  },
  write: (value) => (typeof value === 'string' ? value : value.after),
};
