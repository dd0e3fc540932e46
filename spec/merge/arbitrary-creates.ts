import fc from 'fast-check';
import type { Operation } from '../../lib/merge/operation.js';
import type { Key, Value } from '../../lib/model/value.js';
import { anyKey, textOf } from '../model/arbitrary-values.js';

/** A schema with a property of each kind, and a type that must have a link. */
export const itemSchema = {
  Item: {
    primaryKey: 'id',
    properties: {
      ...{ id: 'string', title: 'string', done: 'bool', n: 'int?', size: 'double', at: 'date?', data: 'data?' },
      ...{
        ref: 'uuid',
        any: 'mixed',
        tags: 'string<>',
        list: 'int[]',
        map: 'int{}',
        likes: 'counter',
        friend: 'Item?',
      },
    },
  },
  Linked: { primaryKey: 'id', properties: { id: 'int', owner: 'Item', n: 'int' } },
} as const;

export const itemUuid = '01234567-89ab-cdef-0123-456789abcdef';
const exact = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(0, -0, 2 ** 32, -(2 ** 31) - 1));
const finite = fc.oneof(exact, fc.double({ noNaN: true, noDefaultInfinity: true }));
const nothing = fc.constant(null);
const time = fc.integer({ min: -8.64e15, max: 8.64e15 });
const values: Readonly<Record<string, fc.Arbitrary<Value>>> = {
  title: textOf(0, 60),
  done: fc.boolean(),
  n: fc.oneof(nothing, exact),
  size: finite,
  at: fc.oneof(nothing, time),
  data: nothing,
  ref: fc.constant(itemUuid),
  any: fc.oneof(nothing, fc.boolean(), finite, textOf(0, 60)),
  tags: nothing,
  list: nothing,
  map: nothing,
  likes: exact,
  friend: fc.oneof(nothing, textOf(1, 30)),
};
const anyOrder = <T>(record: Readonly<Record<string, T>>): fc.Arbitrary<Readonly<Record<string, T>>> =>
  fc.oneof(
    fc.constant(record),
    fc.shuffledSubarray(Object.entries(record)).map((entries) => Object.fromEntries(entries)),
  );

const anyTextKey = anyKey.filter((key): key is string => typeof key === 'string');
const anyNumberKey = anyKey.filter((key): key is number => typeof key === 'number');

const itemOf = (key: fc.Arbitrary<Key>): fc.Arbitrary<Operation> =>
  fc.tuple(key, fc.record(values, { requiredKeys: [] }).chain(anyOrder)).map(([id, given]): Operation => ({
    kind: 'create',
    type: 'Item',
    key: id,
    values: given as Record<string, Value>,
  }));
const linkedOf = (key: fc.Arbitrary<Key>): fc.Arbitrary<Operation> =>
  fc
    .tuple(key, textOf(1, 30), exact)
    .map(([id, owner, n]): Operation => ({ kind: 'create', type: 'Linked', key: id, values: { owner, n } }));

/** Creates that fit the schema, and have neither bytes nor nested values. */
export const fittingCreateOf = (textKey: fc.Arbitrary<Key>, numberKey: fc.Arbitrary<Key>): fc.Arbitrary<Operation> =>
  fc.oneof({ weight: 3, arbitrary: itemOf(textKey) }, linkedOf(numberKey));
export const fittingCreate = fittingCreateOf(anyTextKey, anyNumberKey);

const odd: fc.Arbitrary<Value> = fc.oneof(
  ...[nothing, fc.boolean(), fc.double(), textOf(0, 10), fc.uint8Array({ maxLength: 5 })],
  fc.array(fc.integer(), { maxLength: 2 }),
  fc.constant({ a: 1 }),
);
/** Creates with values of any kind, and with properties that the schema does not have. */
export const otherCreateOf = (key: fc.Arbitrary<Key>): fc.Arbitrary<Operation> =>
  fc
    .tuple(
      fc.constantFrom('Item', 'Linked', 'Other'),
      key,
      fc.dictionary(fc.constantFrom(...Object.keys(values), 'id', 'owner', 'later'), odd, {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    )
    .map(([type, id, given]): Operation => ({ kind: 'create', type, key: id, values: given }));
export const otherCreate = otherCreateOf(anyKey);
