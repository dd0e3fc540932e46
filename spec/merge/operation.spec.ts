import fc from 'fast-check';
import { decodeOperations, encodeOperations, type Operation } from '../../lib/merge/operation.js';
import { lastInstant, nextInstant, stampAt, compareStamps } from '../../lib/merge/stamp.js';
import { decodeState } from '../../lib/merge/state.js';
import { toBytes } from '../../lib/model/bytes.js';
import { isLeft } from '../../lib/model/result.js';

const runs = process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {};

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,10}$/);
const key = fc.oneof(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }), fc.maxSafeInteger());
const value = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double({ noNaN: true }),
  fc.maxSafeInteger(),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array({ maxLength: 40 }),
);
const values = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constantFrom('create' as const, 'update' as const), type: name, key, values }),
  fc.record({ kind: fc.constant('delete' as const), type: name, key }),
);
/** Without what is the same to us: which class holds the bytes, and the sign of zero. */
const plain = (given: unknown): unknown => {
  if (given instanceof Uint8Array) return [...given];
  if (Array.isArray(given)) return given.map(plain);
  if (typeof given === 'object' && given !== null) {
    return Object.fromEntries(Object.entries(given).map(([property, each]) => [property, plain(each)]));
  }
  return Object.is(given, -0) ? 0 : given;
};

describe('operations', () => {
  it('are read back from their bytes as they were', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 6 }), (operations) => {
        const read = decodeOperations(encodeOperations(operations));
        expect(isLeft(read) ? read.left : plain(read.right)).toEqual(plain(operations));
      }),
      { numRuns: 2_000, ...runs },
    );
  });

  it.each([
    ['no array', 7, 'expected an array of operations, got 7'],
    ['an empty array', [], 'expected an array of operations, got an array of 0'],
    ['no operation', [7], 'operation 0: operation: expected an array, got 7'],
    ['a kind nobody knows', [[4, 'T', 'k']], 'operation 0: kind: expected 1, 2 or 3, got 4'],
    ['no type', [[3, '', 'k']], 'operation 0: type: expected a type name, got ""'],
    ['a type with a slash', [[3, 'a/b', 'k']], 'operation 0: type: expected a type name, got "a/b"'],
    [
      'half a number as key',
      [[3, 'T', 0.5]],
      'operation 0: key: expected 1 to 200 characters or a whole number, got 0.5',
    ],
    ['no values', [[1, 'T', 'k']], 'operation 0: values: expected a map, got undefined'],
    ['a name that is none', [[1, 'T', 'k', { 'a b': 1 }]], 'operation 0: values: expected a property name, got "a b"'],
    [
      'a list as value',
      [[2, 'T', 'k', { a: [] }]],
      'operation 0: values.a: expected null, a boolean, a number, a string or bytes, got an array of 0',
    ],
  ])('refuse %s, and say what was expected', (_, given, text) => {
    expect(decodeOperations(toBytes(given))).toMatchObject({ left: text });
  });

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 1, maxLength: 3 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.uint8Array({ maxLength: 60 }),
        (operations, changes, junk) => {
          const bytes = Uint8Array.from(encodeOperations(operations));
          for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
          for (const each of [bytes, bytes.subarray(0, bytes.length >> 1), junk]) {
            decodeOperations(each);
            decodeState(each);
          }
        },
      ),
      { numRuns: 10_000, ...runs },
    );
  });
});

describe('stamps', () => {
  it('rise with every operation of a replica, however its clock jumps', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 4 })), { minLength: 1 }), (writes) => {
        let last = { time: 0, count: 0 };
        const stamps = writes.flatMap(([now, operations]) => {
          const start = nextInstant(last, now);
          last = lastInstant(start, operations);
          return Array.from({ length: operations }, (__, index) => stampAt(start, 'a', index));
        });
        const rising = stamps.slice(1).every((stamp, index) => compareStamps(stamp, stamps[index]!) > 0);
        expect(rising).toBe(true);
      }),
      { numRuns: 1_000, ...runs },
    );
  });
});
