import fc from 'fast-check';
import { canonicalFilterOf, filterTextOf } from '../../lib/filter/canonical-filter.js';
import { compileFilter } from '../../lib/filter/compile-filter.js';
import { createFilterTest } from '../../lib/filter/filter-test.js';
import { readFilter } from '../../lib/filter/read-filter.js';
import { isNegation, keyName, type StoredFilter } from '../../lib/filter/stored-filter.js';
import { type ObjectState, propertyValueOf } from '../../lib/merge/object-state.js';
import { InvalidArgumentError } from '../../lib/model/errors.js';
import { decodeValue, encodeValue } from '../../lib/model/msgpack.js';
import { isLeft, isRight } from '../../lib/model/result.js';
import type { Key, Value } from '../../lib/model/value.js';
import { viewOf } from '../../lib/store/objects/object-view.js';
import { createFilterPredicate } from '../../lib/store/query/filter.js';
import { runOptions } from '../merge/arbitrary-operations.js';
import { anyAppFilter, anyObject, type AppFilter, shape } from './arbitrary-filters.js';

interface Stored {
  readonly key: Key;
  readonly state: ObjectState;
}

/** Evaluates a stored filter as a server does: by the stored values, without a schema. */
const isSelected = (filter: StoredFilter, { key, state }: Stored): boolean =>
  createFilterTest(filter)((property) => (property === keyName ? key : (propertyValueOf(state, property) ?? null)));

const isShown = (where: AppFilter, { key, state }: Stored): boolean =>
  createFilterPredicate(shape, where)(viewOf(shape, state, key));

/** Evaluates a stored filter by its description, with code that shares nothing with the library. */
const oracle = (filter: StoredFilter, values: Readonly<Record<string, unknown>>): boolean => {
  if (typeof filter === 'boolean') return filter;
  const [operator, ...parts] = filter as readonly [string, ...unknown[]];
  const all = parts as StoredFilter[];
  if (operator === 'and') return all.every((each) => oracle(each, values));
  if (operator === 'or') return all.some((each) => oracle(each, values));
  if (operator === 'not') return !oracle(all[0]!, values);
  const value = values[parts[0] as string] ?? null;
  const rank = (given: unknown): readonly [string, number | string] =>
    given instanceof Uint8Array
      ? ['bytes', Buffer.from(given).toString('latin1')]
      : [
          given === null ? 'null' : typeof given,
          typeof given === 'boolean' ? Number(given) : (given as number | string),
        ];
  const isEqual = (wanted: unknown): boolean =>
    rank(value)[0] === rank(wanted)[0] && rank(value)[1] === rank(wanted)[1];
  if (operator === 'in') return parts.slice(1).some(isEqual);
  const [[kind, own], [otherKind, bound]] = [rank(value), rank(parts[1])];
  if (kind !== otherKind) return false;
  if (isEqual(parts[1])) return operator === 'gte' || operator === 'lte';
  return (
    kind !== 'null' && (own < bound ? operator === 'lt' || operator === 'lte' : operator === 'gt' || operator === 'gte')
  );
};

const anyValue: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, 2, 'a', 'b', '1', 2 ** 53),
  fc.array(fc.constantFrom(0, 1, 255), { maxLength: 2 }).map((all) => Uint8Array.from(all)),
);
const anyProperty = fc.constantFrom('p', 'q', keyName);

/** Stored filters in any form, not only such as an app can write. */
const anyStoredFilter: fc.Arbitrary<StoredFilter> = fc.letrec<{ filter: StoredFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc
      .tuple(anyProperty, fc.array(anyValue, { maxLength: 3 }))
      .map(([name, all]): StoredFilter => ['in', name, ...all]),
    fc
      .tuple(fc.constantFrom('gt', 'gte', 'lt', 'lte'), anyProperty, anyValue)
      .map(([operator, name, value]): StoredFilter => [operator, name, value]),
    fc.boolean(),
    fc
      .tuple(fc.constantFrom('and', 'or'), fc.array(tie('filter'), { maxLength: 3 }))
      .map(([operator, all]): StoredFilter => [operator, ...all]),
    tie('filter').map((filter): StoredFilter => ['not', filter]),
  ),
})).filter;
const anyValues = fc.record({ p: anyValue, q: anyValue, [keyName]: anyValue }, { requiredKeys: [] });

/** Writes a filter in another way: shuffled, nested, doubled and negated twice. */
const rewrite = (filter: StoredFilter, random: () => number): StoredFilter => {
  const wrap = (inner: StoredFilter): StoredFilter => {
    const way = random() % 6;
    if (way === 0) return ['not', ['not', inner]];
    if (way === 1) return ['and', inner, ['or', inner, inner], true];
    if (way === 2) return ['or', false, inner];
    return inner;
  };
  if (typeof filter === 'boolean') return wrap(filter);
  if (isNegation(filter)) return wrap(['not', rewrite(filter[1], random)]);
  const shuffle = <T>(all: readonly T[]): T[] =>
    all
      .map((each) => ({ each, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ each }) => each);
  if (filter[0] === 'in')
    return wrap(['in', filter[1], ...shuffle([...filter.slice(2), ...filter.slice(2, 4)] as Value[])]);
  if (filter[0] !== 'and' && filter[0] !== 'or') return wrap(filter);
  return wrap([filter[0], ...shuffle(filter.slice(1).map((each) => rewrite(each as StoredFilter, random)))]);
};
const anySeed = fc.infiniteStream(fc.nat(99_991)).map((stream) => (): number => Number(stream.next().value));

describe('a filter of a subscription', () => {
  it('invariant 13, edge cases 23 and 25: selects on the server the objects that a query with this filter shows on the device', () => {
    fc.assert(
      fc.property(anyAppFilter, fc.array(anyObject, { minLength: 1, maxLength: 4 }), (where, objects) => {
        const filter = compileFilter(shape, where);
        for (const each of objects) expect(isSelected(filter, each)).toBe(isShown(where, each));
      }),
      runOptions(3_000),
    );
  });

  it('edge case 23: selects by the stored value in place of the value from the schema where an object has no value', () => {
    const old: Stored = {
      key: 1,
      state: {
        born: { time: 1, count: 0, replica: 'a' },
        died: null,
        values: {},
        laterStamps: null,
        collections: null,
      },
    };
    expect(compileFilter(shape, { flag: false })).toEqual(['in', 'flag', false, null]);
    expect(isSelected(compileFilter(shape, { flag: false }), old)).toBe(true);
    expect(isSelected(compileFilter(shape, { int: { $gte: 0 } }), old)).toBe(true);
    expect(isSelected(compileFilter(shape, { text: { $ne: 'a' } }), old)).toBe(false);
    expect(isSelected(compileFilter(shape, { date: null }), old)).toBe(true);
  });

  it('edge case 24: never matches a value of another kind, except by a condition that excludes others', () => {
    const { state } = { state: { born: null, died: null, values: { int: '1' }, laterStamps: null, collections: null } };
    const isMatching = (where: AppFilter) => isSelected(compileFilter(shape, where), { key: 1, state });
    expect(isMatching({ int: 1 })).toBe(false);
    expect(isMatching({ int: { $gte: 0 } })).toBe(false);
    expect(isMatching({ int: { $lt: 5 } })).toBe(false);
    expect(isMatching({ int: { $ne: 1 } })).toBe(true);
  });
});

describe('the canonical form of a filter', () => {
  it('means the same as the filter, and its opposite the opposite', () => {
    fc.assert(
      fc.property(anyStoredFilter, anyValues, (filter, values) => {
        const expected = oracle(filter, values);
        const read = (property: string): Value => (values as Record<string, Value>)[property] ?? null;
        expect(createFilterTest(filter)(read)).toBe(expected);
        expect(createFilterTest(canonicalFilterOf(filter))(read)).toBe(expected);
        expect(createFilterTest(canonicalFilterOf(filter, true))(read)).toBe(!expected);
      }),
      runOptions(5_000),
    );
  });

  it('is the same for every order, nesting and repetition, and is its own canonical form', () => {
    fc.assert(
      fc.property(anyStoredFilter, anySeed, (filter, random) => {
        const canonical = canonicalFilterOf(filter);
        expect(canonicalFilterOf(rewrite(filter, random))).toEqual(canonical);
        expect(canonicalFilterOf(canonical)).toEqual(canonical);
        expect(canonicalFilterOf(['not', canonicalFilterOf(filter, true)])).toEqual(canonical);
      }),
      runOptions(3_000),
    );
  });

  it('has texts that are equal only for equal forms, also of texts, numbers and bytes that look alike', () => {
    const texts = [1, '1', Uint8Array.of(1), '#01', true, 'true', null, 'null'].map((value) =>
      filterTextOf(canonicalFilterOf(['in', 'p', value])),
    );
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('has one condition on the values that a property may be equal to', () => {
    expect(compileFilter(shape, { $or: [{ int: 3 }, { int: { $in: [1, 2] } }, { int: 1 }] })).toEqual([
      'in',
      'int',
      1,
      2,
      3,
    ]);
    expect(compileFilter(shape, { int: { $in: [1, 2], $ne: 2 } })).toEqual(['in', 'int', 1]);
    expect(compileFilter(shape, { int: { $in: [1, 2] }, $and: [{ int: 3 }] })).toBe(false);
    expect(compileFilter(shape, { $nor: [{ id: 1 }, { id: 2 }] })).toEqual(['not', ['in', keyName, 1, 2]]);
    expect(compileFilter(shape, {})).toBe(true);
    expect(compileFilter(shape, { int: { $in: [] } })).toBe(false);
  });
});

describe('a filter that is received', () => {
  it('is read back as it was sent, in its canonical form and without bytes of the frame', () => {
    fc.assert(
      fc.property(anyStoredFilter, (filter) => {
        const canonical = canonicalFilterOf(filter);
        const frame = encodeValue(canonical);
        const given = decodeValue(frame);
        if (isLeft(given)) throw new Error(given.left);
        const read = readFilter(given.right);
        frame.fill(0);
        expect(read).toEqual({ _tag: 'Right', right: canonical });
      }),
      runOptions(2_000),
    );
  });

  it.each([
    ['a text', 'and', 'a filter must be an array'],
    ['null', null, 'a filter must be an array'],
    ['an empty array', [], 'a known operator'],
    ['an operator that no server knows', ['regex', 'p', 'a'], 'a known operator'],
    ['a property that is no name', ['in', 5, 1], 'a property must be a name'],
    ['a name that is too long', ['in', 'p'.repeat(65), 1], 'a property must be a name'],
    ['an array as a value', ['in', 'p', [1]], 'values without parts'],
    ['a record as a value', ['in', 'p', { a: 1 }], 'values without parts'],
    ['a number that is not finite', ['gt', 'p', Infinity], 'values without parts'],
    ['two bounds', ['gt', 'p', 1, 2], 'gt must have one value, received 2'],
    ['no bound', ['lte', 'p'], 'lte must have one value, received 0'],
    ['a negation of two', ['not', true, true], 'not must have one filter, received 2'],
    ['a negation of none', ['not'], 'not must have one filter, received 0'],
    ['a wrong part', ['and', true, ['or', 7]], 'a filter must be an array'],
    ['too many values', ['in', 'p', ...Array.from({ length: 1_001 }, (_, at) => at)], 'at most 1000 values'],
    ['too many bytes', ['in', 'p', 'x'.repeat(17_000)], 'at most 16384 bytes'],
  ])('is an error for %s', (_, given, reason) => {
    const read = readFilter(given);
    expect(isLeft(read) && read.left).toContain(reason);
  });

  it('is an error when filters are nested too deeply, whatever their size', () => {
    const nest = (depth: number): unknown =>
      Array.from({ length: depth }).reduce<unknown>((inner) => ['not', inner], ['in', 'p', 1]);
    expect(isRight(readFilter(nest(15)))).toBe(true);
    const read = readFilter(nest(16));
    expect(isLeft(read) && read.left).toContain('at most 16 deep');
    expect(isLeft(readFilter(nest(100_000)))).toBe(true);
  });

  it('is an error or a filter for any value, and never throws', () => {
    fc.assert(
      fc.property(fc.anything(), fc.array(fc.anything(), { maxLength: 4 }), (one, all) => {
        for (const given of [one, ['and', one], ['in', 'p', ...all], [one, ...all]]) {
          const read = readFilter(given);
          if (isRight(read)) expect(canonicalFilterOf(read.right)).toEqual(read.right);
        }
      }),
      runOptions(2_000),
    );
  });
});

describe('a filter that cannot be subscribed to', () => {
  it.each<[string, unknown, string]>([
    [
      'a function',
      () => true,
      'where is a function, which cannot be sent to a server. Write the conditions as a record.',
    ],
    ['null', null, 'where must be a record, received null.'],
    ['an unknown property', { colour: 1 }, 'where must be a record of properties of Thing (id, int, '],
    ['a value of another kind', { int: 'a' }, 'where.int must be a whole number'],
    ['a value of another kind in a list', { int: { $in: [1, 'a'] } }, 'where.int.$in must be a whole number'],
    ['an operand that must be an array', { int: { $in: 1 } }, 'where.int.$in must be an array'],
    ['a pattern', { text: { $regex: /a/ } }, 'where.text.$regex cannot be part of a subscription.'],
    ['a list', { notes: 'a' }, 'where.notes is a list, and a subscription cannot select by it.'],
    ['a set', { tags: { $all: [1] } }, 'where.tags is a set, and'],
    ['a dictionary', { marks: { a: 1 } }, 'where.marks is a dictionary, and'],
    ['a counter', { votes: { $gt: 1 } }, 'where.votes is a counter, and'],
    ['a mixed value', { mixed: 1 }, 'where.mixed is a mixed, and'],
    ['a group that is no array', { $or: {} }, 'where.$or must be an array of filters'],
    ['a negation of a value', { int: { $not: 3 } }, 'where.int.$not must be a record of conditions'],
    ['a part of a group', { $or: [{ int: 1 }, { int: NaN }] }, 'where.$or[1].int must be a whole number'],
    [
      'too many values',
      { int: { $in: Array.from({ length: 1_001 }, (_, at) => at) } },
      'at most 1000 values for one property',
    ],
    ['too many bytes', { text: 'x'.repeat(17_000) }, 'at most 16384 bytes'],
  ])('throws an error that says why for %s', (_, where, message) => {
    const compile = () => compileFilter(shape, where);
    expect(compile).toThrow(InvalidArgumentError);
    expect(compile).toThrow(message);
  });

  it('throws for filters that are nested too deeply, and for one that contains itself', () => {
    const deep = Array.from({ length: 20 }).reduce<AppFilter>(
      (inner, _, at) => (at % 2 === 0 ? { $or: [inner, { int: at }] } : { $and: [inner, { double: at }] }),
      { flag: true },
    );
    expect(() => compileFilter(shape, deep)).toThrow('filters in filters at most 16 deep');
    const endless: { $and: unknown[] } = { $and: [] };
    endless.$and.push(endless);
    expect(() => compileFilter(shape, endless)).toThrow('paths of at most 1000 characters');
  });
});
