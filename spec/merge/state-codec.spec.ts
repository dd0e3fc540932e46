import fc from 'fast-check';
import { decodeState, encodeState } from '../../lib/merge/state-codec.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { isLeft } from '../../lib/model/result.js';
import {
  applyAll,
  createStamp,
  create,
  anyDamagedBytes,
  anyHistory,
  remove,
  runOptions,
  update,
} from './arbitrary-operations.js';

const states = anyHistory.map((all) => applyAll(all) ?? applyAll([remove(createStamp(1))])!);

const read = (bytes: Uint8Array) => {
  const state = decodeState(bytes);
  if (isLeft(state)) throw new Error(state.left);
  return state.right;
};

describe('a stored state', () => {
  it('is decoded unchanged', () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(read(encodeState(state))).toEqual(state);
      }),
      runOptions(3_000),
    );
  });

  it('continues as if it had never been stored', () => {
    fc.assert(
      fc.property(anyHistory, fc.nat(16), (all, cut) => {
        const before = applyAll(all.slice(0, cut));
        if (before) expect(applyAll(all.slice(cut), read(encodeState(before)))).toEqual(applyAll(all));
      }),
      runOptions(3_000),
    );
  });

  it('has one stamp for all values that were written together', () => {
    const state = applyAll([create({ x: 0, y: 0, z: 0 }, createStamp(1)), update({ x: 1, y: 1 }, createStamp(2))])!;
    const { laterStamps } = read(encodeState(state));
    expect(laterStamps?.['x']).toBe(laterStamps?.['y']);
    expect(laterStamps).not.toHaveProperty('z');
  });

  it.each([
    ['no array', 7, 'state must be an array, received 7'],
    ['an invalid stamp of the create', [1, null, {}], 'born must be a stamp or null, received 1'],
    ['an invalid time', [null, [0.5, 0, 'a'], {}], 'died must be a stamp or null, received an array of 3'],
    ['no values', [null, null], 'values must be a map, received undefined'],
    ['an invalid map of collections', [[1, 0, 'a'], null, {}, [], 7], 'collections must be a map, received 7'],
    ['no part', [[1, 0, 'a'], null, {}, [], { x: 7 }], 'collection must be an array, received 7'],
    ['an invalid list', [[1, 0, 'a'], null, {}, [], { x: [null, 7] }], 'list must be an array, received 7'],
    [
      'the name of the prototype',
      [[1, 0, 'a'], null, JSON.parse('{"__proto__":1}')],
      'values must have property names, received "__proto__"',
    ],
    ['an invalid list of stamps', [[1, 0, 'a'], null, { x: 1 }, 7], 'stamps must be a list, received 7'],
    ['an invalid stamp in the list', [[1, 0, 'a'], null, { x: 1 }, [7]], 'stamps must hold stamps, received 7'],
    [
      'a stamp for a missing value',
      [[1, 0, 'a'], null, { x: 1 }, [[1, 0, 'a', 'y']]],
      'stamps must name each value once, received "y"',
    ],
    [
      'two stamps for one value',
      [
        [1, 0, 'a'],
        null,
        { x: 1 },
        [
          [1, 0, 'a', 'x'],
          [2, 0, 'a', 'x'],
        ],
      ],
      'stamps must name each value once, received "x"',
    ],
    [
      'a value without a stamp',
      [null, null, { x: 1 }],
      'stamps must name every value of an object that was never created',
    ],
  ])('is rejected with %s, naming the expected value', (_, given, text) => {
    expect(decodeState(encodeValue(given))).toMatchObject({ left: text });
  });

  it('never throws when it is decoded, whatever its bytes', () => {
    fc.assert(
      fc.property(anyDamagedBytes(states.map(encodeState)), (bytes) => {
        decodeState(bytes);
      }),
      runOptions(20_000),
    );
  });
});
