import { decodeOperations, decodeOperationsLeniently, encodeOperations } from '../../lib/merge/operation-codec.js';
import { decodeState } from '../../lib/merge/state-codec.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { isLeft } from '../../lib/model/result.js';
import type { Operation } from '../../lib/merge/operation.js';
import { hole, encodeWithHoles } from '../model/array-holes.js';
import type { Value } from '../../lib/model/value.js';

const target = { type: 'Task', key: 'a' };
const stamp = { time: 1, count: 0, replica: 'r' };
const element = { ...stamp, index: 0 };
const all = (value: Value): readonly Operation[] => [
  { ...target, kind: 'create', values: { n: value } },
  { ...target, kind: 'update', values: { n: value } },
  { ...target, kind: 'insert', property: 'n', run: ['a0', 'r'], keys: ['a0'], values: [value] },
  { ...target, kind: 'replace', property: 'n', element, value },
  { ...target, kind: 'put', property: 'n', entries: [['k', value]] },
];

describe('field report E-4: a body with values that no schema accepts', () => {
  it.each([[NaN], [Infinity], [-Infinity], [[1, NaN]], [{ a: { b: [Infinity] } }]] as const)(
    '%p is rejected',
    (value) => {
      for (const operation of all(value)) {
        const body = encodeOperations([{ ...target, kind: 'delete' }, operation]);
        const read = decodeOperations(body);
        expect(isLeft(read) && read.left).toMatch(/^operation 1 must have finite numbers/);
        expect(isLeft(decodeOperationsLeniently(body))).toBe(false); // A history that contains such a body already stays readable.
      }
    },
  );

  it.each([[0], [-0], [Number.MAX_VALUE], [Number.MIN_VALUE], [[1, { a: null }]], [null], ['NaN']])(
    '%p is accepted',
    (value) => {
      for (const operation of all(value)) expect(isLeft(decodeOperations(encodeOperations([operation])))).toBe(false);
    },
  );

  it('increments only by whole numbers', () => {
    for (const by of [NaN, 0.5, 2 ** 53]) {
      const add = encodeValue([[11, 'Task', 'a', 'n', [1, 0, 'r'], null, by]]);
      expect(isLeft(decodeOperations(add))).toBe(true);
    }
  });

  it('has no extensions, which only mark the holes of arrays that earlier versions stored', () => {
    const body = encodeWithHoles([[1, 'Task', 'a', { n: [1, hole] }]]);
    expect(isLeft(decodeOperations(body))).toBe(true);
    expect(decodeOperationsLeniently(body)).toMatchObject({ right: [{ values: { n: [1, null] } }] });
    expect(decodeState(encodeWithHoles([[1, 0, 'r'], null, { n: [hole] }]))).toMatchObject({
      right: { values: { n: [null] } },
    });
    expect(isLeft(decodeState(Uint8Array.of(0x93, 0xc0, 0xc0, 0x81, 0xa1, 0x6e, 0xd4, 0x01, 0x00)))).toBe(true);
  });
});
