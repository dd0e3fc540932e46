import fc from 'fast-check';
import { decodeOperations, encodeOperations, type Operation } from '../../lib/merge/operation.js';
import { toBytes } from '../../lib/model/bytes.js';
import { isLeft } from '../../lib/model/result.js';
import { damaged, runs } from './arbitrary.js';

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
      runs(3_000),
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
    ['an empty key', [[3, 'T', '']], 'operation 0: key: expected 1 to 200 characters or a whole number, got ""'],
    [
      'a key that is too long',
      [[3, 'T', 'k'.repeat(201)]],
      'operation 0: key: expected 1 to 200 characters or a whole number, got a string of 201 characters',
    ],
    ['nothing as key', [[3, 'T', null]], 'operation 0: key: expected 1 to 200 characters or a whole number, got null'],
    ['a name that begins with a digit', [[3, '7T', 'k']], 'operation 0: type: expected a type name, got "7T"'],
    [
      'a name that is too long',
      [[3, 'T'.repeat(65), 'k']],
      'operation 0: type: expected a type name, got a string of 65 characters',
    ],
    [
      'the name of the prototype',
      [[1, 'T', 'k', JSON.parse('{"__proto__":1}')]],
      'operation 0: values: expected a property name, got "__proto__"',
    ],
    [
      'more than a delete has',
      [[3, 'T', 'k', {}]],
      'operation 0: operation: expected an array of 3, got an array of 4',
    ],
    [
      'a second operation that is none',
      [
        [3, 'T', 'k'],
        [9, 'T', 'k'],
      ],
      'operation 1: kind: expected 1, 2 or 3, got 9',
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

  it('never throw when read, whatever their bytes', () => {
    const bodies = fc.array(operation, { minLength: 1, maxLength: 3 }).map(encodeOperations);
    fc.assert(
      fc.property(damaged(bodies), (bytes) => {
        decodeOperations(bytes);
      }),
      runs(20_000),
    );
  });

  it('hold bytes of their own: the frame that they came in may go', () => {
    const body = encodeOperations([{ kind: 'update', type: 'T', key: 1, values: { photo: new Uint8Array([1, 2]) } }]);
    const frame = new Uint8Array([...body, ...new Uint8Array(1_000)]);
    const read = decodeOperations(frame.subarray(0, body.length));
    const [first] = isLeft(read) ? [] : read.right;
    const photo = first && 'values' in first ? first.values['photo'] : null;
    expect(photo).toEqual(new Uint8Array([1, 2]));
    expect((photo as Uint8Array).buffer.byteLength).toBe(2);
  });

  it('may set a property that is called like one of every JavaScript object', () => {
    const values = { constructor: 1, toString: 'x', hasOwnProperty: null };
    const read = decodeOperations(encodeOperations([{ kind: 'create', type: 'T', key: 1, values }]));
    expect(read).toEqual({ _tag: 'Right', right: [{ kind: 'create', type: 'T', key: 1, values }] });
  });
});
