import fc from 'fast-check';
import type { Operation } from '../../lib/merge/operation.js';
import { anyDouble, anyEntryKey, anyInteger, anyKey, anyMixed, anyName, textOf } from '../model/arbitrary-values.js';

/* Operations of every kind, on any objects, with any values. */

const name = anyName;
const key = anyKey;
const value = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  anyDouble,
  anyInteger,
  textOf(0, 300),
  fc.uint8Array({ maxLength: 40 }),
);
const values = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true });
const version = fc.nat();
const replica = fc.constantFrom('a', 'replica', 'ж');
const stamp = fc.record({ time: version, count: version, replica });
const element = fc.record({ time: version, count: version, replica, index: version });
const positionKey = fc.constantFrom('a0', 'a1', 'a0V', 'Zz', 'b00', 'zzzzzzzzzzzzzzzzzzzzzzzzzzzV');
const run = fc.array(fc.tuple(positionKey, replica), { minLength: 1, maxLength: 3 }).map((pairs) => pairs.flat());
const nested = fc.oneof(
  value,
  anyMixed.filter((each) => JSON.stringify(each).length < 2_000),
  fc.array(value, { maxLength: 3 }),
  fc.dictionary(name, fc.array(value, { maxLength: 2 }), { noNullPrototype: true }),
);
const some = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 4 });
const entryKey = anyEntryKey;
const target = { type: name, key, property: name };
const partOperation: fc.Arbitrary<Operation> = fc.oneof(
  some(fc.tuple(positionKey, nested)).chain((pairs) =>
    fc.record({
      kind: fc.constant('insert' as const),
      ...target,
      run,
      keys: fc.constant(pairs.map(([each]) => each)),
      values: fc.constant(pairs.map(([, each]) => each)),
    }),
  ),
  fc.record({ kind: fc.constant('move' as const), ...target, element, position: fc.record({ run, key: positionKey }) }),
  fc.record({ kind: fc.constant('replace' as const), ...target, element, value: nested }),
  fc.record({ kind: fc.constant('remove' as const), ...target, elements: some(element) }),
  fc.record({ kind: fc.constant('put' as const), ...target, entries: some(fc.tuple(entryKey, nested)) }),
  fc.record({ kind: fc.constant('drop' as const), ...target, keys: some(entryKey) }),
  fc.record({ kind: fc.constant('clear' as const), ...target }),
  fc.record({
    kind: fc.constant('increment' as const),
    ...target,
    born: stamp,
    after: fc.option(fc.record({ time: version, count: version })),
    by: fc.maxSafeInteger(),
  }),
);

/** Any valid operation. */
export const anyKindOfOperation: fc.Arbitrary<Operation> = fc.oneof(
  partOperation,
  fc.record({ kind: fc.constantFrom('create' as const, 'update' as const), type: name, key, values }),
  fc.record({ kind: fc.constant('delete' as const), type: name, key }),
);
