import fc from 'fast-check';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { isLeft } from '../../lib/model/result.js';
import { anyKindOfOperation } from './arbitrary-kinds.js';
import { anyDamagedBytes, runOptions } from './arbitrary-operations.js';

const deep = Array.from({ length: 33 }).reduce<unknown>((inner) => [inner], 1);
/** Removes differences that do not count: the class that holds the bytes, and the sign of zero. */
const plain = (given: unknown): unknown => {
  if (given instanceof Uint8Array) return [...given];
  if (Array.isArray(given)) return given.map(plain);
  if (typeof given === 'object' && given !== null) {
    return Object.fromEntries(Object.entries(given).map(([property, each]) => [property, plain(each)]));
  }
  return Object.is(given, -0) ? 0 : given;
};

describe('operations', () => {
  it('are decoded from their bytes unchanged', () => {
    fc.assert(
      fc.property(fc.array(anyKindOfOperation, { minLength: 1, maxLength: 6 }), (operations) => {
        const read = decodeOperations(encodeOperations(operations));
        expect(isLeft(read) ? read.left : plain(read.right)).toEqual(plain(operations));
      }),
      runOptions(3_000),
    );
  });

  it.each([
    ['no array', 7, 'operations must be an array that is not empty, received 7'],
    ['an empty array', [], 'operations must be an array that is not empty, received an array of 0'],
    ['no operation', [7], 'operation 0: operation must be an array, received 7'],
    ['an unknown kind', [[12, 'T', 'k']], 'operation 0: kind must be 1 to 11, received 12'],
    ['no type', [[3, '', 'k']], 'operation 0: type must be a type name, received ""'],
    ['a type with a slash', [[3, 'a/b', 'k']], 'operation 0: type must be a type name, received "a/b"'],
    [
      'a fraction as key',
      [[3, 'T', 0.5]],
      'operation 0: key must be a string of 1 to 200 characters or a whole number, received 0.5',
    ],
    [
      'an empty key',
      [[3, 'T', '']],
      'operation 0: key must be a string of 1 to 200 characters or a whole number, received ""',
    ],
    [
      'a key that is too long',
      [[3, 'T', 'k'.repeat(201)]],
      'operation 0: key must be a string of 1 to 200 characters or a whole number, received a string of 201 characters',
    ],
    [
      'null as key',
      [[3, 'T', null]],
      'operation 0: key must be a string of 1 to 200 characters or a whole number, received null',
    ],
    ['a name that begins with a digit', [[3, '7T', 'k']], 'operation 0: type must be a type name, received "7T"'],
    [
      'a name that is too long',
      [[3, 'T'.repeat(65), 'k']],
      'operation 0: type must be a type name, received a string of 65 characters',
    ],
    [
      'the name of the prototype',
      [[1, 'T', 'k', JSON.parse('{"__proto__":1}')]],
      'operation 0: values must be a property name, received "__proto__"',
    ],
    [
      'a delete with too many fields',
      [[3, 'T', 'k', {}]],
      'operation 0: operation must be an array of 3, received an array of 4',
    ],
    [
      'an invalid second operation',
      [
        [3, 'T', 'k'],
        ['T', 'k'],
      ],
      'operation 1: kind must be 1 to 11, received "T"',
    ],
    ['no values', [[1, 'T', 'k']], 'operation 0: values must be a map, received undefined'],
    [
      'an invalid property name',
      [[1, 'T', 'k', { 'a b': 1 }]],
      'operation 0: values must be a property name, received "a b"',
    ],
    [
      'a value that is nested too deeply',
      [[2, 'T', 'k', { a: deep }]],
      'operation 0: values.a must be null, a boolean, a number, a string, bytes, or arrays and records of them, received an array of 1',
    ],
    [
      'no run',
      [[4, 'T', 'k', 'list', [], ['a0'], [1]]],
      'operation 0: run must be 1 to 64 pairs of a key and a replica, received an array of 0',
    ],
    [
      'half a run',
      [[4, 'T', 'k', 'list', ['a0'], ['a0'], [1]]],
      'operation 0: run must be 1 to 64 pairs of a key and a replica, received an array of 1',
    ],
    [
      'an invalid position',
      [[4, 'T', 'k', 'list', ['a0', 'r'], ['a00'], [1]]],
      'operation 0: keys must be a fractional index of at most 4096 characters, received "a00"',
    ],
    [
      'fewer values than keys',
      [[4, 'T', 'k', 'list', ['a0', 'r'], ['a0', 'a1'], [1]]],
      'operation 0: values must be 2 values, received an array of 1',
    ],
    [
      'an element without an index',
      [[7, 'T', 'k', 'list', [[1, 0, 'r']]]],
      'operation 0: elements.index must be a whole number, received undefined',
    ],
    ['no element', [[7, 'T', 'k', 'list', []]], 'operation 0: elements must be at least one, received an array of 0'],
    [
      'an increment by half',
      [[11, 'T', 'k', 'n', [1, 0, 'r'], null, 0.5]],
      'operation 0: by must be a whole number, received 0.5',
    ],
    [
      'an entry without a key',
      [[8, 'T', 'k', 'd', [[7, 1]]]],
      'operation 0: entries must be a string of at most 4096 characters, received 7',
    ],
  ])('are rejected with %s, naming the expected value', (_, given, text) => {
    expect(decodeOperations(encodeValue(given))).toMatchObject({ left: text });
  });

  it('never throw when they are decoded, whatever their bytes', () => {
    const bodies = fc.array(anyKindOfOperation, { minLength: 1, maxLength: 3 }).map(encodeOperations);
    fc.assert(
      fc.property(anyDamagedBytes(bodies), (bytes) => {
        decodeOperations(bytes);
      }),
      runOptions(20_000),
    );
  });

  it('hold copies of their bytes: the frame in which they arrived can be freed', () => {
    const body = encodeOperations([{ kind: 'update', type: 'T', key: 1, values: { photo: new Uint8Array([1, 2]) } }]);
    const frame = new Uint8Array([...body, ...new Uint8Array(1_000)]);
    const read = decodeOperations(frame.subarray(0, body.length));
    const [first] = isLeft(read) ? [] : read.right;
    const photo = first?.kind === 'update' ? first.values['photo'] : null;
    expect(photo).toEqual(new Uint8Array([1, 2]));
    expect((photo as Uint8Array).buffer.byteLength).toBe(2);
  });

  it('may set a property with the name of a property of every JavaScript object', () => {
    const values = { constructor: 1, toString: 'x', hasOwnProperty: null };
    const read = decodeOperations(encodeOperations([{ kind: 'create', type: 'T', key: 1, values }]));
    expect(read).toEqual({ _tag: 'Right', right: [{ kind: 'create', type: 'T', key: 1, values }] });
  });
});
