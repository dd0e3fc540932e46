import fc from 'fast-check';
import { checkSchema } from '../../../lib/model/schema.js';
import { createFilterPredicate } from '../../../lib/store/query/filter.js';
import { runOptions } from '../../merge/arbitrary-operations.js';

const shape = checkSchema({
  Thing: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      int: 'int?',
      text: 'string?',
      date: 'date?',
      data: 'data?',
      mixed: 'mixed',
      tags: 'int<>',
      anys: 'mixed[]',
    },
  },
}).get('Thing');

const few = fc.integer({ min: -2, max: 3 });
const bytes = fc.array(fc.constantFrom(0, 9, 10, 255), { maxLength: 2 }).map((all) => Uint8Array.from(all));
const kinds = {
  int: fc.option(few),
  text: fc.option(fc.constantFrom('', 'a', 'b', '10', '9')),
  date: fc.option(few.map((ms) => new Date(ms))),
  data: fc.option(bytes),
  mixed: fc.oneof(
    fc.constant(null),
    few,
    fc.boolean(),
    fc.constantFrom('a', '1'),
    bytes,
    fc.record({ $a: few, constructor: few }),
    fc.array(few, { maxLength: 2 }),
  ),
};
type Name = keyof typeof kinds;

/** Sort key of a value, computed independently: its class, then a text that sorts like the small numbers used here. */
const rankOf = (value: unknown): readonly [string, string] => {
  if (value instanceof Date) return ['date', rankOf(value.getTime())[1]];
  if (value instanceof Uint8Array) return ['bytes', Buffer.from(value).toString('latin1')];
  if (typeof value === 'number') return ['number', String(value + 5)];
  if (Array.isArray(value)) return ['array', JSON.stringify(value)]; // By its text, as in `sort`.
  return [value === null ? 'null' : typeof value, typeof value === 'string' ? value : JSON.stringify(value)];
};
const same = (a: unknown, b: unknown): boolean => rankOf(a).join(':') === rankOf(b).join(':');
const inOrder = (a: unknown, b: unknown): boolean => rankOf(a)[0] === rankOf(b)[0];

const oracle: Readonly<Record<string, (value: unknown, wanted: unknown) => boolean>> = {
  $eq: same,
  $ne: (a, b) => !same(a, b),
  $gt: (a, b) => inOrder(a, b) && rankOf(a)[1] > rankOf(b)[1],
  $gte: (a, b) => inOrder(a, b) && rankOf(a)[1] >= rankOf(b)[1],
  $lt: (a, b) => inOrder(a, b) && rankOf(a)[1] < rankOf(b)[1],
  $lte: (a, b) => inOrder(a, b) && rankOf(a)[1] <= rankOf(b)[1],
};

const scene = fc.constantFrom(...(Object.keys(kinds) as Name[])).chain((name) =>
  fc.record({
    name: fc.constant(name),
    value: kinds[name] as fc.Arbitrary<unknown>,
    wanted: fc.array(kinds[name] as fc.Arbitrary<unknown>, { minLength: 1, maxLength: 3 }),
  }),
);

const matches = (condition: object, view: object): boolean => {
  if (!shape) throw new Error('it is there');
  return createFilterPredicate(shape, condition)(view as never);
};

describe('a filter, compared with plain code', () => {
  it('compares values of every type as plain code does', () => {
    fc.assert(
      fc.property(scene, fc.constantFrom(...Object.keys(oracle)), ({ name, value, wanted }, operator) => {
        const view = Object.freeze({ id: 'a', [name]: value });
        const meant = oracle[operator]?.(value, wanted[0]) ?? false;
        expect(matches({ [name]: { [operator]: wanted[0] } }, view)).toBe(meant);
        expect(matches({ [name]: { $not: { [operator]: wanted[0] } } }, view)).toBe(!meant);
        expect(matches({ $nor: [{ [name]: { [operator]: wanted[0] } }] }, view)).toBe(!meant);
        const isOne = wanted.some((one) => same(one, value));
        expect(matches({ [name]: { $in: wanted } }, view)).toBe(isOne);
        expect(matches({ [name]: { $nin: wanted } }, view)).toBe(!isOne);
      }),
      runOptions(1_000),
    );
  });

  it('treats an array in a mixed property as one value, also as the element of a list', () => {
    fc.assert(
      fc.property(fc.array(kinds.mixed, { maxLength: 3 }), kinds.mixed, kinds.mixed, (anys, wanted, other) => {
        const view = Object.freeze({ id: 'a', anys: Object.freeze(anys) });
        const any = (test: (one: unknown) => boolean): boolean => anys.some(test);
        const isEither = (one: unknown): boolean => same(one, wanted) || same(one, other);
        for (const operator of ['$eq', '$gt', '$gte', '$lt', '$lte'])
          expect(matches({ anys: { [operator]: wanted } }, view)).toBe(any((one) => oracle[operator]!(one, wanted)));
        expect(matches({ anys: { $ne: wanted } }, view)).toBe(!any((one) => same(one, wanted)));
        expect(matches({ anys: { $in: [wanted, other] } }, view)).toBe(any(isEither));
        expect(matches({ anys: { $nin: [wanted, other] } }, view)).toBe(!any(isEither));
        expect(matches({ anys: { $all: [wanted, other] } }, view)).toBe(
          any((one) => same(one, wanted)) && any((one) => same(one, other)),
        );
        expect(matches({ anys: { $elemMatch: { $eq: wanted } } }, view)).toBe(any((one) => same(one, wanted)));
        expect(matches({ anys: { $elemMatch: { $in: [wanted, other] } } }, view)).toBe(any(isEither));
        expect(matches({ anys: [wanted, other] }, view)).toBe(
          anys.length === 2 && same(anys[0], wanted) && same(anys[1], other),
        );
      }),
      runOptions(1_000),
    );
  });

  it('finds the elements of a set', () => {
    fc.assert(
      fc.property(fc.uniqueArray(few), fc.array(few, { minLength: 1, maxLength: 3 }), few, (tags, wanted, bound) => {
        const view = Object.freeze({ id: 'a', tags: Object.freeze(tags) });
        const any = (test: (tag: number) => boolean): boolean => tags.some(test);
        expect(matches({ tags: bound }, view)).toBe(any((tag) => tag === bound));
        expect(matches({ tags: { $ne: bound } }, view)).toBe(!any((tag) => tag === bound));
        expect(matches({ tags: { $gt: bound } }, view)).toBe(any((tag) => tag > bound));
        expect(matches({ tags: { $not: { $gt: bound } } }, view)).toBe(!any((tag) => tag > bound));
        expect(matches({ tags: { $in: wanted } }, view)).toBe(any((tag) => wanted.includes(tag)));
        expect(matches({ tags: { $nin: wanted } }, view)).toBe(!any((tag) => wanted.includes(tag)));
        expect(matches({ tags: { $all: wanted } }, view)).toBe(wanted.every((one) => tags.includes(one)));
        expect(matches({ tags: { $size: wanted.length } }, view)).toBe(tags.length === wanted.length);
        expect(matches({ tags: { $elemMatch: { $gt: bound, $lt: bound + 3 } } }, view)).toBe(
          any((tag) => tag > bound && tag < bound + 3),
        );
      }),
      runOptions(1_000),
    );
  });
});
