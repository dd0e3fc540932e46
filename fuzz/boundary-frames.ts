import { encodeValue } from '../lib/model/msgpack.js';
import { limits } from '../lib/model/limits.js';
import { serverLimits } from '../lib/server/server-limits.js';
import type { SeededRandom } from './seeded-random.js';

/** A number one below a limit, at it, or one above it. */
const drawNear = (chance: SeededRandom, bound: number): number => bound + chance.pick([-1, 0, 1]);

/** Nested lists. */
const nestLists = (levels: number, innermost: unknown): unknown => {
  let value = innermost;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
};

/** A frame at the limit of values or of depth: after its last field, or instead of a field. */
export const createBoundaryFrame = (chance: SeededRandom): Uint8Array => {
  const values = chance.isLikely(0.1) ? limits.frameValuesMax : chance.pick([16, serverLimits.unboundFrameValuesMax]);
  const filled = new Array<unknown>(Math.max(0, drawNear(chance, values) - 3)).fill(chance.pick([null, 0, '', true]));
  const value = chance.isLikely(0.3) ? nestLists(drawNear(chance, 62), 1) : filled;
  return encodeValue(
    chance.isLikely(0.8)
      ? [8, chance.below(9), value]
      : chance.pick([
          [8, value],
          [value, 8],
          [99, value],
        ]),
  );
};

const createOperation = (chance: SeededRandom, key: number): readonly unknown[] =>
  chance.pick([
    [1, 'Note', key, { text: 'a' }],
    [2, 'Note', key, { done: chance.isLikely(0.5) }],
    [3, 'Note', key],
    [10, 'Note', key, 'tags'],
  ]);

/** The body of a changeset at a limit: of its operations, values, elements, characters, depth or numbers. */
export const createBoundaryBody = (chance: SeededRandom): Uint8Array => {
  const key = chance.below(5);
  const made: readonly (() => readonly unknown[])[] = [
    () => Array.from({ length: drawNear(chance, 1_000) }, (_, at) => createOperation(chance, at)),
    () => [[2, 'Note', key, { more: nestLists(drawNear(chance, 32), 1) }]],
    () => [[2, 'Note', key, { more: new Array<unknown>(drawNear(chance, 10_000)).fill(chance.pick([null, {}, []])) }]],
    () => [[2, 'Note', key, { text: 'x'.repeat(drawNear(chance, limits.entryKeyCharsMax)) }]],
    () => [[2, 'Note', 'k'.repeat(drawNear(chance, limits.keyCharsMax)), { text: 'x' }]],
    () => [[2, 'N'.repeat(drawNear(chance, limits.nameCharsMax)), key, { text: 'x' }]],
    () => [[8, 'Note', key, 'extra', [['e'.repeat(drawNear(chance, limits.entryKeyCharsMax)), 1]]]],
    () => [[2, 'Note', key, { more: chance.pick([NaN, Infinity, -Infinity, [NaN], { a: -Infinity }, 2 ** 53, -0]) }]],
    () => [],
  ];
  return encodeValue(chance.pick(made)());
};
