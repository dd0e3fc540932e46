import fc from 'fast-check';
import { limits } from '../../lib/model/limits.js';
import { type Value, valueDepthMax } from '../../lib/model/value.js';

/*
 * Values, names and keys with every legal character and at the limits: the longest, greatest and deepest ones, and
 * those that often break programs.
 */

/** Names that every object has, and texts that other programs parse as something else. */
const inherited = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then', 'length', 'prototype'];
const tricky = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ufeff',
  '\uffff',
  '\u2028',
  '\r\n',
  '"\\',
  '/',
  '%2f',
  '..',
  '$bytes',
  '1',
  '01',
  '-0',
];

/**
 * One character repeated up to the limit of a text. The characters have one, two, three and four bytes in UTF-8; the
 * last one has two code units.
 */
const anyFullText = (most: number): fc.Arbitrary<string> =>
  fc.constantFrom('x', '\0', 'é', '\uffff', '😀').map((unit) => unit.repeat(Math.floor(most / unit.length)));

const anyFittingText =
  (least: number, most: number) =>
  ({ length }: string): boolean =>
    length >= least && length <= most;

/**
 * A text of whole characters with a number of code units. Few texts have the greatest length, because those are slow.
 */
export const textOf = (least: number, most: number): fc.Arbitrary<string> =>
  fc
    .oneof(
      { weight: 40, arbitrary: fc.string({ unit: 'binary', minLength: least, maxLength: Math.min(most, 40) }) },
      { weight: 15, arbitrary: fc.constantFrom(...tricky, ...inherited, '__proto__') },
      { weight: 4, arbitrary: fc.constantFrom('é', 'e\u0301', 'ﬁ', 'ß', 'İ') },
      { weight: 1, arbitrary: anyFullText(most) },
      { weight: 1, arbitrary: anyFullText(most - 1) },
    )
    .filter(anyFittingText(least, most));

const short = /^[A-Za-z][A-Za-z0-9_]{0,10}$/;
/** The name of a type or a property. */
export const anyName: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(short) },
  { weight: 2, arbitrary: fc.constantFrom(...inherited) },
  { weight: 1, arbitrary: fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{63}$/) },
);

const integers = [
  0,
  1,
  -1,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
];
export const anyInteger: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(...integers, ...integers.slice(1).flatMap((each) => [-each, -each + 1])),
);

const doubles = [5e-324, 2 ** -1022, Number.EPSILON, 0.1, 1e21, 2 ** 53, 2 ** 63, 2 ** 64, Number.MAX_VALUE];
/** A finite number, and never -0. */
export const anyDouble: fc.Arbitrary<number> = fc
  .oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(...doubles, ...doubles.map((each) => -each)),
    anyInteger,
  )
  .map((each) => each + 0);

/** A primary key that is a text. */
export const anyTextKey = textOf(1, limits.keyCharsMax);
export const anyKey: fc.Arbitrary<string | number> = fc.oneof(anyTextKey, anyInteger);

/** The key of an entry in a dictionary. */
export const anyEntryKey = textOf(0, limits.entryKeyCharsMax).filter((key) => key !== '__proto__');

const timeMost = 8.64e15;
export const anyDate: fc.Arbitrary<Date> = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc.constantFrom(0, -1, timeMost, -timeMost, 2 ** 31 * 1_000, 253_402_300_800_000).map((ms) => new Date(ms)),
);

export const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 255, 256, 65_535, 65_536).map((length) => new Uint8Array(length).fill(length)),
  },
);

const anyNested = (depth: number): fc.Arbitrary<Value> =>
  fc
    .boolean()
    .map((isArray) =>
      Array.from({ length: depth }).reduce<Value>((inner) => (isArray ? [inner] : { a: inner }), isArray ? 'x' : null),
    );

const tree = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Value>(null, true, false, [], {}, { $bytes: 'AAAA' }, { $record: {} }, { $other: [1] }),
    textOf(0, 300),
    anyDouble,
    anyBytes,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      textOf(0, 300).filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 3, noNullPrototype: true },
    ),
  ),
})).value as fc.Arbitrary<Value>;

/** A value of `mixed`. */
export const anyMixed: fc.Arbitrary<Value> = fc.oneof(
  { weight: 9, arbitrary: tree },
  { weight: 1, arbitrary: anyNested(valueDepthMax) },
);
