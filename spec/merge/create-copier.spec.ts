import fc from 'fast-check';
import { mutateBytes } from '../../fuzz/mutate-frames.js';
import { createSeededRandom } from '../../fuzz/seeded-random.js';
import { findStateMismatch } from '../../lib/merge/check-schema-fit.js';
import { CreateCopier, stateBytesMore } from '../../lib/merge/create-copier.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import { decodeOperationsLeniently, encodeOperations } from '../../lib/merge/operation-codec.js';
import type { Operation } from '../../lib/merge/operation.js';
import { decodeState, encodeState } from '../../lib/merge/state-codec.js';
import { operationStampOf } from '../../lib/merge/timestamp.js';
import { limits } from '../../lib/model/limits.js';
import { isLeft } from '../../lib/model/result.js';
import { checkSchema } from '../../lib/model/schema.js';
import type { Value } from '../../lib/model/value.js';
import { anyKindOfOperation } from './arbitrary-kinds.js';
import { runOptions } from './arbitrary-operations.js';
import { fittingCreate, itemSchema, otherCreate } from './arbitrary-creates.js';

const shapes = checkSchema(itemSchema);

interface Given {
  readonly body: Uint8Array;
  readonly time: number;
  readonly count: number;
  readonly origin: string;
}

/** The state that the copier writes for each body of a page; `null` where it does not accept the body. */
const copyStates = (page: readonly Given[]): readonly (Uint8Array | null)[] => {
  const copier = new CreateCopier(shapes);
  copier.beginPage(page);
  return page.map(({ body, time, count, origin }, index) => {
    if (!copier.accept(body, index)) return null;
    const target = new Uint8Array(7 + body.byteLength + stateBytesMore).fill(0xaa);
    const end = copier.write(target, 7, time, count, origin);
    expect([...target.subarray(0, 7)]).toEqual(new Array(7).fill(0xaa));
    return target.slice(7, end);
  });
};

/** Decodes and merges a body. Returns its one create and the state, or `null` if it must not be accepted. */
const mergeBody = ({ body, time, count, origin }: Given) => {
  const operations = decodeOperationsLeniently(body);
  if (isLeft(operations) || operations.right.length !== 1) return null;
  const operation = operations.right[0] as unknown as Operation;
  const shape = shapes.get(operation.type);
  if (operation.kind !== 'create' || !shape) return null;
  const state = applyOperation(undefined, operation, operationStampOf({ time, count }, origin, 0));
  return findStateMismatch(shape, operation.key, state) === null ? { operation, state } : null;
};

const anyTime = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2 ** 32 - 2, max: 2 ** 42 }));
const anyStamp = {
  time: anyTime,
  count: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.nat(2 ** 40)),
  origin: fc.constantFrom('a', 'replica-of-22-characters', 'é'.repeat(100), 'before~s~copy', 'x'.repeat(256)),
};
const damage = (seed: number, body: Uint8Array): Uint8Array => {
  const chance = createSeededRandom(seed);
  return chance.isLikely(0.5) ? mutateBytes(chance, body, body) : body;
};
const anyBody = fc
  .tuple(fc.nat(), fc.oneof({ weight: 4, arbitrary: fittingCreate }, otherCreate, anyKindOfOperation))
  .map(([seed, operation]) => damage(seed, encodeOperations([operation])));
const pageOf = (body: fc.Arbitrary<Uint8Array>) =>
  fc.array(fc.record({ body, ...anyStamp }), { minLength: 1, maxLength: 8 });

describe('copying the state of a created object', () => {
  it('accepts nothing that decoding rejects, or whose state does not fit, and copies the merged state', () => {
    let accepted = 0;
    fc.assert(
      fc.property(pageOf(anyBody), (page) => {
        copyStates(page).forEach((copied, index) => {
          if (copied === null) return;
          accepted += 1;
          const merged = mergeBody(page[index] as Given);
          expect(merged).not.toBeNull();
          expect(decodeState(copied)).toEqual({ _tag: 'Right', right: merged?.state });
        });
      }),
      runOptions(3_000),
    );
    if (!process.env['SEED']) expect(accepted).toBeGreaterThan(1_500);
  });

  it('accepts every create of one object that fits, and writes the bytes that encoding writes', () => {
    fc.assert(
      fc.property(pageOf(fittingCreate.map((operation) => encodeOperations([operation]))), (page) => {
        const expected = page.map((given) => encodeState(mergeBody(given)?.state as unknown as ObjectState));
        expect(copyStates(page)).toEqual(expected);
      }),
      runOptions(1_000),
    );
  });

  const create = (values: Readonly<Record<string, Value>>, key: string | number = 'k', type = 'Item') =>
    encodeOperations([{ kind: 'create', type, key, values }]);
  const isAccepted = (body: Uint8Array): boolean =>
    copyStates([{ body, time: 2 ** 40, count: 0, origin: 'a' }])[0] !== null;

  it.each<[string, Uint8Array]>([
    ['an unknown type', create({}, 'k', 'Other')],
    ['an unknown property', create({ title: 'a', unknown: 1 })],
    ['a value of another kind', create({ title: 1 })],
    ['null where it is not allowed', create({ title: null })],
    ['a collection with a value', create({ tags: 1 })],
    ['bytes', create({ data: new Uint8Array(1) })],
    ['nested values', create({ any: [1] })],
    ['a number that is not finite', create({ any: NaN })],
    ['a key of another kind', create({}, 1)],
    ['an empty key', create({}, '')],
    ['a key that is too long', create({}, 'k'.repeat(limits.keyCharsMax + 1))],
    ['a missing link', create({ n: 1 }, 1, 'Linked')],
    [
      'two operations',
      encodeOperations([1, 2].map((key) => ({ kind: 'create', type: 'Linked', key, values: { n: 1 } }))),
    ],
    ['an update', encodeOperations([{ kind: 'update', type: 'Item', key: 'k', values: {} }])],
    ['no bytes', new Uint8Array(0)],
    ['a byte after the end', Uint8Array.from([...create({ title: 'a' }), 0])],
    ['a name twice', Uint8Array.from(Buffer.from('919401a44974656da16b82a16e01a16e01', 'hex'))],
    ['a missing end', create({ title: 'a' }).slice(0, -1)],
  ])('does not accept %s', (_, body) => {
    expect(isAccepted(body)).toBe(false);
  });

  it('accepts values in any order, and a subset of them', () => {
    const values = { n: 5, title: 'a', at: 2 ** 40, any: 'x' };
    expect(isAccepted(create({}))).toBe(true);
    expect(isAccepted(create(values))).toBe(true);
    expect(isAccepted(create(Object.fromEntries(Object.entries(values).reverse())))).toBe(true);
    expect(isAccepted(create({ owner: 'k', n: 1 }, 1, 'Linked'))).toBe(true);
  });
});
