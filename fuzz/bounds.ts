import { toBytes } from '../lib/model/bytes.js';
import { limits } from '../lib/model/limits.js';
import type { Chance } from './chance.js';

/** One below a bound, at it, or one above. */
const near = (chance: Chance, bound: number): number => bound + chance.of([-1, 0, 1]);

/** Lists in lists. */
const deep = (levels: number, innermost: unknown): unknown => {
  let value = innermost;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
};

/** A frame with as many values, or as deep, as a frame may be: behind its last field, or in the place of one. */
export const frameAtBounds = (chance: Chance): Uint8Array => {
  const values = chance.is(0.1) ? limits.frameValuesMax : chance.of([16, limits.unboundFrameValuesMax]);
  const filled = new Array<unknown>(Math.max(0, near(chance, values) - 3)).fill(chance.of([null, 0, '', true]));
  const value = chance.is(0.3) ? deep(near(chance, 62), 1) : filled;
  return toBytes(
    chance.is(0.8)
      ? [8, chance.below(9), value]
      : chance.of([
          [8, value],
          [value, 8],
          [99, value],
        ]),
  );
};

const operation = (chance: Chance, key: number): readonly unknown[] =>
  chance.of([
    [1, 'Note', key, { text: 'a' }],
    [2, 'Note', key, { done: chance.is(0.5) }],
    [3, 'Note', key],
    [10, 'Note', key, 'tags'],
  ]);

/** The body of a changeset at a bound: in its operations, values, elements or characters, how deep it is, or what a number may be. */
export const bodyAtBounds = (chance: Chance): Uint8Array => {
  const key = chance.below(5);
  const made: readonly (() => readonly unknown[])[] = [
    () => Array.from({ length: near(chance, 1_000) }, (_, at) => operation(chance, at)),
    () => [[2, 'Note', key, { more: deep(near(chance, 32), 1) }]],
    () => [[2, 'Note', key, { more: new Array<unknown>(near(chance, 10_000)).fill(chance.of([null, {}, []])) }]],
    () => [[2, 'Note', key, { text: 'x'.repeat(near(chance, limits.entryKeyCharsMax)) }]],
    () => [[2, 'Note', 'k'.repeat(near(chance, limits.keyCharsMax)), { text: 'x' }]],
    () => [[2, 'N'.repeat(near(chance, limits.nameCharsMax)), key, { text: 'x' }]],
    () => [[8, 'Note', key, 'extra', [['e'.repeat(near(chance, limits.entryKeyCharsMax)), 1]]]],
    () => [[2, 'Note', key, { more: chance.of([NaN, Infinity, -Infinity, [NaN], { a: -Infinity }, 2 ** 53, -0]) }]],
    () => [],
  ];
  return toBytes(chance.of(made)());
};
