import fc from 'fast-check';
import type { ObjectState } from '../../lib/merge/object-state.js';
import { checkSchema } from '../../lib/model/schema.js';
import type { Key, Value } from '../../lib/model/value.js';

/** A type with a property of each kind that a subscription can select by. Some are newer than the objects. */
export const shape = checkSchema({
  Thing: {
    primaryKey: 'id',
    properties: {
      id: 'int',
      int: 'int',
      double: 'double?',
      text: { type: 'string', default: 'a' },
      flag: 'bool',
      date: 'date?',
      data: 'data?',
      uuid: 'uuid?',
      other: 'Thing?',
      mixed: 'mixed',
      tags: 'int<>',
      notes: 'string[]',
      marks: 'int{}',
      votes: 'counter',
    },
  },
}).get('Thing')!;

const few = fc.integer({ min: -2, max: 3 });
const uuids = ['00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000b'];

/** Values of each property as an app gives them. The first ones of each kind are rare elsewhere. */
export const appValues = {
  id: fc.integer({ min: 0, max: 2 }),
  int: few,
  double: fc.constantFrom(null, -0, 0, 0.5, 1, 2 ** 60, -1e300),
  text: fc.constantFrom('', 'a', 'b', '10', '9', 'é', 'e\u0301', '😀'),
  flag: fc.boolean(),
  date: fc.option(few.map((ms) => new Date(ms))),
  data: fc.option(fc.array(fc.constantFrom(0, 9, 255), { maxLength: 2 }).map((all) => Uint8Array.from(all))),
  uuid: fc.constantFrom(null, ...uuids),
  other: fc.option(few),
} satisfies Record<string, fc.Arbitrary<unknown>>;
export type Name = keyof typeof appValues;
export const names = Object.keys(appValues) as Name[];

/** A condition of an app on one property, and filters of such conditions. */
export type AppFilter = Readonly<Record<string, unknown>>;

const conditionOn = (name: Name): fc.Arbitrary<unknown> => {
  const value = appValues[name] as fc.Arbitrary<unknown>;
  const order = fc.constantFrom('$gt', '$gte', '$lt', '$lte', '$eq', '$ne');
  const simple: fc.Arbitrary<AppFilter> = fc.oneof(
    fc.tuple(order, value).map(([operator, wanted]) => ({ [operator]: wanted })),
    fc.array(value, { maxLength: 4 }).map((all) => ({ $in: all })),
    fc.array(value, { maxLength: 4 }).map((all) => ({ $nin: all })),
  );
  const both = fc.tuple(simple, simple).map(([a, b]): AppFilter => ({ ...a, ...b }));
  return fc.oneof(
    value,
    simple,
    both,
    both.map(($not) => ({ $not })),
  );
};

const anyCondition: fc.Arbitrary<AppFilter> = fc
  .constantFrom(...names)
  .chain((name) => conditionOn(name).map((condition) => ({ [name]: condition })));

/** Filters as apps write them: conditions on several properties, combined and negated. */
export const anyAppFilter: fc.Arbitrary<AppFilter> = fc.letrec<{ filter: AppFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    anyCondition,
    fc.tuple(anyCondition, anyCondition).map(([a, b]) => ({ ...a, ...b })),
    fc.constant({}),
    fc
      .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('filter'), { maxLength: 3 }))
      .map(([group, all]) => ({ [group]: all })),
  ),
})).filter;

/** Returns the stored form of a value, by plain code. */
const storedOf = (value: unknown): Value =>
  value instanceof Date ? value.getTime() : Object.is(value, -0) ? 0 : (value as Value);

/** An object as it is stored: some properties are missing, because they are newer. */
export const anyObject = fc
  .record(appValues, { requiredKeys: ['id'] })
  .map(({ id, ...values }): { readonly key: Key; readonly state: ObjectState } => ({
    key: id,
    state: {
      born: { time: 1, count: 0, replica: 'a' },
      died: null,
      values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, storedOf(value)])),
      laterStamps: null,
      collections: null,
    },
  }));
