import fc from 'fast-check';
import { generateKeyBetween, generateNKeysBetween } from 'fractional-indexing';
import {
  comparePositions,
  createInsertContext,
  isPositionKey,
  type ListPosition,
  createPositionsBetween,
} from '../../lib/merge/list-position.js';
import { limits } from '../../lib/model/limits.js';
import { runOptions } from './arbitrary-operations.js';
import { anySeed } from './replica-world.js';

const least = `A${'0'.repeat(26)}`;

const inserted = (
  left: ListPosition | null,
  right: ListPosition | null,
  replica: string,
  count: number,
): readonly ListPosition[] => {
  const { run, keys } = createPositionsBetween(left, right, createInsertContext(replica), count);
  return keys.map((key) => ({ run, key }));
};

/** Checks that positions are between their neighbours, and that their keys are valid. */
const check = (left: ListPosition | null, positions: readonly ListPosition[], right: ListPosition | null): void => {
  const row = [...(left ? [left] : []), ...positions, ...(right ? [right] : [])];
  for (const [at, position] of row.entries()) {
    const next = row[at + 1];
    if (next && comparePositions(position, next) >= 0)
      throw new Error(`${JSON.stringify(position)} is not before ${JSON.stringify(next)}`);
    if (next && comparePositions(next, position) <= 0) throw new Error('places compare one way only');
  }
  for (const { run, key } of positions) {
    const keys = [key, ...run.filter((_, index) => index % 2 === 0)];
    if (!keys.every(isPositionKey)) throw new Error(`${JSON.stringify(keys)} are not all keys`);
  }
};

const replicas = ['a', 'b', 'c', 'ab', 'B'];

describe('positions', () => {
  it('are between their neighbours over many rounds, whichever replica nests in which run', () => {
    fc.assert(
      fc.property(anySeed, fc.integer({ min: 1, max: 120 }), (random, rounds) => {
        // Each replica sees only a part of the list. Replicas that do not see each other insert at the same position.
        const positions: ListPosition[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const kept = positions.filter(() => random() % 6 > 0);
          // Mostly where a replica has just inserted.
          const at = random() % 2 ? random() % (kept.length + 1) : Math.min(kept.length, random() % 3);
          const [left, right] = [kept[at - 1] ?? null, kept[at] ?? null];
          const more = inserted(left, right, replicas[random() % replicas.length]!, 1 + (random() % 3));
          check(left, more, right);
          const fresh = more.filter((position) => positions.every((other) => comparePositions(position, other) !== 0));
          positions.push(...fresh);
          positions.sort(comparePositions);
        }
      }),
      runOptions(800),
    );
  });

  it('do not nest deeper because one replica inserts many times, wherever it inserts', () => {
    fc.assert(
      fc.property(anySeed, (random) => {
        const positions: ListPosition[] = [];
        for (let round = 0; round < 400; round += 1) {
          const at = random() % (positions.length + 1);
          positions.splice(at, 0, ...inserted(positions[at - 1] ?? null, positions[at] ?? null, 'a', 1));
        }
        expect(Math.max(...positions.map(({ run }) => run.length / 2))).toBeLessThan(20);
      }),
      runOptions(50),
    );
  });

  it('have room for thousands of inserts, each between the last two, and nest no deeper than the limit', () => {
    for (const writers of [['a'], ['a', 'b']]) {
      let [left, right]: [ListPosition | null, ListPosition | null] = [null, null];
      let [longest, deepest] = [0, 0];
      for (let round = 0; round < 5_000; round += 1) {
        const positions = inserted(left, right, writers[(round >> 1) % writers.length]!, 1 + (round % 3));
        check(left, positions, right);
        deepest = Math.max(deepest, positions[0]!.run.length / 2);
        longest = Math.max(longest, ...positions.map(({ key }) => key.length));
        if (round % 2) left = positions.at(-1)!;
        else right = positions[0]!;
      }
      expect(deepest).toBe(limits.positionDepthMax);
      expect(longest).toBeLessThan(limits.positionKeyCharsMax);
    }
  });

  it('exist next to any position that another replica may send', () => {
    const key = fc.oneof(
      fc.constantFrom('a0', 'Zz', `A${'0'.repeat(25)}1`, `A${'0'.repeat(24)}10V`, `${least}1`, `${least}01`),
      fc.constantFrom(`B${'0'.repeat(25)}`, `z${'z'.repeat(26)}`, `z${'z'.repeat(26)}z`, 'a0V', 'a01'),
    );
    const position = fc
      .tuple(fc.array(fc.tuple(key, fc.constantFrom('a', 'b', 'c')), { minLength: 1, maxLength: 3 }), key)
      .map(([pairs, last]): ListPosition => ({ run: pairs.flat(), key: last }));
    fc.assert(
      fc.property(
        position,
        position,
        fc.constantFrom('a', 'b', 'd'),
        fc.integer({ min: 1, max: 5 }),
        (one, two, replica, count) => {
          const [first, second] = comparePositions(one, two) < 0 ? [one, two] : [two, one];
          check(null, inserted(null, first, replica, count), first);
          check(second, inserted(second, null, replica, count), null);
          if (comparePositions(first, second) !== 0) check(first, inserted(first, second, replica, count), second);
        },
      ),
      runOptions(5_000),
    );
  });
});

describe('the key of a position', () => {
  const alphabet = '0019AaBbYyZz';
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(...Array.from(alphabet)), maxLength: 8 }),
    fc
      .tuple(
        fc.constantFrom('A', 'B', 'z', 'y'),
        fc.string({ unit: fc.constantFrom('0', '1', 'z'), minLength: 24, maxLength: 30 }),
      )
      .map((parts) => parts.join('')),
    fc
      .tuple(
        fc.constantFrom(least, `z${'z'.repeat(26)}`),
        fc.string({ unit: fc.constantFrom('0', 'V', 'z'), maxLength: 3 }),
      )
      .map((parts) => parts.join('')),
    fc.string({ maxLength: 6 }),
    fc.constantFrom('a0\n', 'a0 ', 'á0', '', 'a'),
  );
  const taken = (key: string): boolean => {
    try {
      generateKeyBetween(key, null);
      return true;
    } catch {
      return false;
    }
  };

  it('is valid exactly when fractional-indexing can continue from it', () => {
    fc.assert(
      fc.property(text, (key) => {
        // The package does not check digits that it does not use.
        if (/^[0-9A-Za-z]*$/.test(key)) expect([key, isPositionKey(key)]).toEqual([key, taken(key)]);
        else expect([key, isPositionKey(key)]).toEqual([key, false]);
      }),
      runOptions(8_000),
    );
  });

  it('has room on both sides, and between it and any other key', () => {
    fc.assert(
      fc.property(text.filter(isPositionKey), text.filter(isPositionKey), (one, two) => {
        expect(isPositionKey(generateKeyBetween(one, null))).toBe(true);
        if (one !== two) for (const each of generateNKeysBetween(one, two, 3)) expect(isPositionKey(each)).toBe(true);
        check(null, inserted(null, { run: ['a0', 'a'], key: one }, 'a', 3), { run: ['a0', 'a'], key: one });
      }),
      runOptions(4_000),
    );
  });

  it('is not valid in any other form', () => {
    for (const given of [null, undefined, 5, ['a0'], {}]) expect(isPositionKey(given)).toBe(false);
  });
});
