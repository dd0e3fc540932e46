import fc from 'fast-check';
import { decodeState, encodeState } from '../../lib/merge/state.js';
import { toBytes } from '../../lib/model/bytes.js';
import { isLeft } from '../../lib/model/result.js';
import { after, at, create, damaged, history, remove, runs, update } from './arbitrary.js';

const states = history.map((all) => after(all) ?? after([remove(at(1))])!);

const read = (bytes: Uint8Array) => {
  const state = decodeState(bytes);
  if (isLeft(state)) throw new Error(state.left);
  return state.right;
};

describe('a stored state', () => {
  it('is read back as it was', () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(read(encodeState(state))).toEqual(state);
      }),
      runs(3_000),
    );
  });

  it('goes on as if it had never been stored', () => {
    fc.assert(
      fc.property(history, fc.nat(16), (all, cut) => {
        const before = after(all.slice(0, cut));
        if (before) expect(after(all.slice(cut), read(encodeState(before)))).toEqual(after(all));
      }),
      runs(3_000),
    );
  });

  it('has one stamp for what was written together', () => {
    const state = after([create({ x: 0, y: 0, z: 0 }, at(1)), update({ x: 1, y: 1 }, at(2))])!;
    const { later } = read(encodeState(state));
    expect(later?.['x']).toBe(later?.['y']);
    expect(later).not.toHaveProperty('z');
  });

  it.each([
    ['no array', 7, 'expected an array, got 7'],
    ['no stamp of a create', [1, null, {}], 'born: expected a stamp or null, got 1'],
    ['a time that is none', [null, [0.5, 0, 'a'], {}], 'died: expected a stamp or null, got an array of 3'],
    ['no values', [null, null], 'expected a map of values, got undefined'],
    ['no map of parts', [[1, 0, 'a'], null, {}, [], 7], 'parts: expected a map, got 7'],
    ['no part', [[1, 0, 'a'], null, {}, [], { x: 7 }], 'part: expected an array, got 7'],
    ['a list that is none', [[1, 0, 'a'], null, {}, [], { x: [null, 7] }], 'list: expected an array, got 7'],
    [
      'the name of the prototype',
      [[1, 0, 'a'], null, JSON.parse('{"__proto__":1}')],
      'expected a property name, got "__proto__"',
    ],
    ['no list of stamps', [[1, 0, 'a'], null, { x: 1 }, 7], 'expected a list of stamps, got 7'],
    ['no stamp in it', [[1, 0, 'a'], null, { x: 1 }, [7]], 'expected a stamp, got 7'],
    [
      'a stamp for a value that is not there',
      [[1, 0, 'a'], null, { x: 1 }, [[1, 0, 'a', 'y']]],
      'expected the name of a value without a stamp, got "y"',
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
      'expected the name of a value without a stamp, got "x"',
    ],
    [
      'a value without a stamp',
      [null, null, { x: 1 }],
      'expected a stamp for every value of an object that was never created',
    ],
  ])('refuses %s, and says what was expected', (_, given, text) => {
    expect(decodeState(toBytes(given))).toMatchObject({ left: text });
  });

  it('never throws when read, whatever its bytes', () => {
    fc.assert(
      fc.property(damaged(states.map(encodeState)), (bytes) => {
        decodeState(bytes);
      }),
      runs(20_000),
    );
  });
});
