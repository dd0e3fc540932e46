import fc from 'fast-check';
import { createBoundaryBody } from '../../fuzz/boundary-frames.js';
import { findSkimmingFault } from '../../fuzz/check-skimming.js';
import { mutateBytes, mutateFrameValue } from '../../fuzz/mutate-frames.js';
import { createSeededRandom } from '../../fuzz/seeded-random.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { skimOperations } from '../../lib/merge/operation-skimmer.js';
import type { Operation } from '../../lib/merge/operation.js';
import { limits } from '../../lib/model/limits.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { encodeWithHoles, hole } from '../model/array-holes.js';
import { anyKindOfOperation } from './arbitrary-kinds.js';
import { anyDamagedBytes, runOptions } from './arbitrary-operations.js';

const { operationsMax, valuesMax } = limits;
const skim = (bytes: Uint8Array) => skimOperations(bytes, operationsMax, valuesMax);

const bodies = fc
  .array(anyKindOfOperation, { minLength: 1, maxLength: 6 })
  .map((operations) => encodeOperations(operations));
/** Bodies at the bounds, and damaged in the ways of the fuzzer. */
const fuzzed = fc.tuple(fc.nat(), bodies, bodies, fc.constantFrom(0, 1, 2)).map(([seed, body, other, how]) => {
  const chance = createSeededRandom(seed);
  const given = chance.isLikely(0.3) ? createBoundaryBody(chance) : body;
  return how === 0 ? given : how === 1 ? mutateBytes(chance, given, other) : mutateFrameValue(chance, given);
});

const nestLists = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

const element = [1, 0, 'r', 0];
/** Values at the limits of each field, for each kind of operation. */
const atBounds: readonly unknown[] = [
  ...['k'.repeat(200), 'k'.repeat(201), 'é'.repeat(200), 'é'.repeat(201), '😀'.repeat(100), '😀'.repeat(101)],
  ...['', '\ufeff', '\ufeffk', 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1.5, 5.0, -0, NaN, null, true, [], {}, [1]],
].map((key) => [[3, 'T', key]]);
const names = ['T'.repeat(64), 'T'.repeat(65), '', '1T', '_T', 'T-', 'Té', 'T_1', '__proto__', null, 1];
const values = [
  ...[NaN, Infinity, -Infinity, -0, 2 ** 53, null, 'x', new Uint8Array(3), [NaN], { a: [Infinity] }],
  ...[31, 32, 33, 34].map(nestLists),
  ...[JSON.parse('{"__proto__":1}') as unknown, { constructor: 1 }, [{}], {}],
];
const positions = ['a0', 'a00', 'A', 'Zz', '', 'a', `a0${'V'.repeat(4_094)}`, `a0${'V'.repeat(4_095)}`, 7];
const replicas = ['', 'r'.repeat(256), 'r'.repeat(257), null];
const counts = [-1, 0, 1.5, 2 ** 53 - 1, 2 ** 53, null, NaN];
const withTypes = names.flatMap((name) => [
  ...[[[3, name, 1]], [[1, 'T', 1, { [String(name)]: 1 }]], [[10, 'T', 1, name]]],
]);
const withValues = values.flatMap((value) => [
  ...[[[1, 'T', 1, value]], [[1, 'T', 1, { p: value }]], [[2, 'T', 1, { p: value, q: 1 }]]],
  ...[[[4, 'T', 1, 'p', ['a0', 'r'], ['a0'], [value]]], [[6, 'T', 1, 'p', element, value]]],
  ...[[[8, 'T', 1, 'p', [['e', value]]]], [[8, 'T', 1, 'p', [['e', 1, value]]]], [[3, 'T', 1, value]]],
]);
const withLists = [
  ...positions.flatMap((key) => [
    ...[[[4, 'T', 1, 'p', ['a0', 'r'], [key], [1]]], [[4, 'T', 1, 'p', [key, 'r'], ['a0'], [1]]]],
    [[5, 'T', 1, 'p', element, ['a0', 'r'], key]],
  ]),
  ...replicas.flatMap((replica) => [
    ...[[[4, 'T', 1, 'p', ['a0', replica], ['a0'], [1]]], [[7, 'T', 1, 'p', [[1, 0, replica, 0]]]]],
    [[11, 'T', 1, 'p', [1, 0, replica], null, 1]],
  ]),
  ...counts.flatMap((count) => [
    ...[[[7, 'T', 1, 'p', [[count, 0, 'r', 0]]]], [[7, 'T', 1, 'p', [[1, 0, 'r', count]]]]],
    ...[[[11, 'T', 1, 'p', [1, count, 'r'], [1, 0], 1]], [[11, 'T', 1, 'p', [1, 0, 'r'], [count, 0], 1]]],
    ...[[[11, 'T', 1, 'p', [1, 0, 'r'], null, count]], [[4, 'T', 1, 'p', ['a0', 'r'], ['a0'], [1], [count], 0]]],
    [[4, 'T', 1, 'p', ['a0', 'r'], ['a0'], [1], null, count]],
  ]),
  ...[[], ['a0'], new Array(128).fill('a0'), new Array(130).fill('a0')].map((run) => [
    [4, 'T', 1, 'p', run, ['a0'], [1]],
  ]),
  ...[[], [1], [1, 2]].map((given) => [[4, 'T', 1, 'p', ['a0', 'r'], ['a0', 'a1'], given]]),
  ...[
    [2, 1],
    [1, 2, 3],
    [1, 1],
  ].map((given) => [[4, 'T', 1, 'p', ['a0', 'r'], ['a0', 'a1'], [1, 1], given]]),
  ...['e'.repeat(4_096), 'e'.repeat(4_097), '', 1].flatMap((key) => [
    ...[[[8, 'T', 1, 'p', [[key, 1]]]], [[9, 'T', 1, 'p', [key]]]],
  ]),
  ...[[[8, 'T', 1, 'p', []]], [[9, 'T', 1, 'p', []]], [[7, 'T', 1, 'p', []]], [[4, 'T', 1, 'p', ['a0', 'r'], [], []]]],
];
/** Operations with a field too few or too many, and with other numbers. */
const withFields = Array.from({ length: 14 }, (_, kind) => kind).flatMap((kind) =>
  Array.from({ length: 11 }, (_, length) => [[kind, 'T', 1, ...new Array<unknown>(length).fill('p')].slice(0, length)]),
);
const roots = [[], {}, null, 1, 'x', [[]], [null], [{}], [[[]]], [[1.0, 'T', 1, {}]], [[-1, 'T', 1, {}]]];

describe('skimming a body', () => {
  it('accepts what decoding accepts, rejects what decoding rejects, and finds the same objects', () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 2, arbitrary: fuzzed }, bodies, anyDamagedBytes(bodies)), (body) => {
        expect(findSkimmingFault(body)).toBeNull();
      }),
      runOptions(6_000),
    );
  });

  it('counts operations and values as decoding does', () => {
    const bounds = fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 60 }));
    fc.assert(
      fc.property(fc.oneof(bodies, fuzzed), bounds, (body, [operations, all]) => {
        expect(findSkimmingFault(body, operations, all)).toBeNull();
      }),
      runOptions(3_000),
    );
  });

  it.each([
    ['keys', atBounds],
    ['names', withTypes],
    ['values', withValues],
    ['lists and dictionaries', withLists],
    ['numbers of fields', withFields],
    ['roots', roots],
  ])('agrees with decoding at the bounds of %s', (_, all) => {
    for (const given of all) {
      const body = encodeValue(given);
      expect([given, findSkimmingFault(body)]).toEqual([given, null]);
    }
  });

  it('agrees with decoding about bytes that our writer does not write', () => {
    const tails = [
      '8000',
      '00a15401',
      '00a154018000',
      '54',
      'a15401',
      '03a15401',
      'c1',
      'd40100',
      'a2c3a901',
      'cb7ff8000000000000',
      '',
    ];
    const heads = [
      '91',
      '9190',
      '919300',
      '9193cc03',
      '9193ca40400000',
      'dc0001',
      'dd00000001',
      '919303',
      '91dc000303',
    ];
    const others = [
      '9193d90154',
      '919303d9015401',
      '919303da00015401',
      '919303a154d20000000f',
      '919303a154cf0000000000000001',
    ];
    for (const text of [...heads.flatMap((head) => tails.map((tail) => head + tail)), ...others])
      expect([text, findSkimmingFault(Uint8Array.from(Buffer.from(text, 'hex')))]).toEqual([text, null]);
    expect(findSkimmingFault(encodeWithHoles([[1, 'T', 'a', { n: [1, hole] }]]))).toBeNull();
  });

  it('leaves a name that a record has twice to the decoder, of which only the last value counts', () => {
    const body = Uint8Array.from(Buffer.from('919401a154' + '01' + '82a161ca7fc00000a16101', 'hex'));
    expect(skim(body)).toBeNull();
    expect(findSkimmingFault(body)).toBeNull();
  });

  it('is not given up for what apps write', () => {
    const operations: readonly Operation[] = [
      { kind: 'create', type: 'Task', key: 'a-1', values: { title: 'Milk', done: false, tags: [1, { a: null }] } },
      { kind: 'update', type: 'Task', key: -5, values: { title: '', at: 1.5, more: new Uint8Array(3) } },
      { kind: 'delete', type: 'Task', key: 'é' },
      { kind: 'put', type: 'Task', key: 'a-1', property: 'labels', entries: [['k', 1]] },
    ];
    expect(skim(encodeOperations(operations))).toMatchObject({ operations: 4, addsElements: true });
    expect(skim(encodeOperations(operations.slice(0, 3)))).toMatchObject({ operations: 3, addsElements: false });
  });
});
