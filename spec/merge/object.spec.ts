import fc from 'fast-check';
import { applyOperation, isAlive, type ObjectState, valueIn } from '../../lib/merge/object.js';
import type { Operation } from '../../lib/merge/operation.js';
import { compareStamps, type Stamp } from '../../lib/merge/stamp.js';
import { decodeState, encodeState } from '../../lib/merge/state.js';
import type { Value, Values } from '../../lib/model/value.js';

const runs = { numRuns: 3_000, ...(process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {}) };

interface Stamped {
  readonly operation: Operation;
  readonly stamp: Stamp;
}

const at = (time: number, replica = 'a', count = 0): Stamp => ({ time, count, replica });
const create = (values: Values, stamp: Stamp): Stamped => ({
  operation: { kind: 'create', type: 'T', key: 1, values },
  stamp,
});
const update = (values: Values, stamp: Stamp): Stamped => ({
  operation: { kind: 'update', type: 'T', key: 1, values },
  stamp,
});
const remove = (stamp: Stamp): Stamped => ({ operation: { kind: 'delete', type: 'T', key: 1 }, stamp });

const after = (steps: readonly Stamped[], from?: ObjectState): ObjectState | undefined =>
  steps.reduce<ObjectState | undefined>((state, { operation, stamp }) => applyOperation(state, operation, stamp), from);

/** What readers see: `null` for a dead object. */
const seen = (state: ObjectState | undefined): Record<string, Value> | null =>
  state && isAlive(state) ? { ...state.values } : null;

const properties = ['x', 'y', 'constructor'];

const values = (all: boolean) =>
  fc.record(
    Object.fromEntries(properties.map((name) => [name, fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(null))])),
    all ? {} : { requiredKeys: [] },
  ) as fc.Arbitrary<Values>;

/** Operations of 2 to 5 replicas on one object, each with a stamp of its own, as their clocks would give them. */
const history: fc.Arbitrary<Stamped[]> = fc.uniqueArray(
  fc.record({
    operation: fc.oneof(
      values(true).map((given): Operation => ({ kind: 'create', type: 'T', key: 1, values: given })),
      values(false).map((given): Operation => ({ kind: 'update', type: 'T', key: 1, values: given })),
      fc.constant<Operation>({ kind: 'delete', type: 'T', key: 1 }),
    ),
    stamp: fc.record({
      time: fc.integer({ min: 1, max: 6 }),
      count: fc.integer({ min: 0, max: 2 }),
      replica: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    }),
  }),
  { maxLength: 14, selector: ({ stamp }) => JSON.stringify([stamp.time, stamp.count, stamp.replica]) },
);

/** The oracle: keeps everything that ever happened, and answers from all of it, in the words of the conflict table. */
const oracle = (all: readonly Stamped[]): Record<string, Value> | null => {
  const sorted = [...all].sort((a, b) => compareStamps(a.stamp, b.stamp));
  const lastDelete = sorted.findLastIndex(({ operation }) => operation.kind === 'delete');
  const life = sorted.slice(lastDelete + 1);
  if (!life.some(({ operation }) => operation.kind === 'create')) return null;
  return Object.assign(
    {},
    ...life.map(({ operation }) => (operation.kind === 'delete' ? {} : operation.values)),
  ) as Record<string, Value>;
};

describe('an object', () => {
  it('has the value of the later write, whichever came first', () => {
    const writes = [create({ x: 0 }, at(1)), update({ x: 1 }, at(2)), update({ x: 2 }, at(3))];
    expect(seen(after(writes))).toEqual({ x: 2 });
    expect(seen(after(writes.toReversed()))).toEqual({ x: 2 });
  });

  it('lets the replica with the greater id win a tie', () => {
    const writes = [create({ x: 0 }, at(1)), update({ x: 'b' }, at(2, 'b')), update({ x: 'a' }, at(2, 'a'))];
    expect(seen(after(writes))).toEqual({ x: 'b' });
  });

  it('stays deleted when somebody updates it who has not heard of it, later or not', () => {
    expect(seen(after([create({ x: 0 }, at(1)), remove(at(2)), update({ x: 1 }, at(3, 'b'))]))).toBeNull();
  });

  it('comes back with fresh properties when it is created later', () => {
    const steps = [create({ x: 0, y: 1 }, at(1)), remove(at(2)), create({ x: 5, y: null }, at(3))];
    expect(seen(after(steps))).toEqual({ x: 5, y: null });
  });

  it('is one object when two create it, merged property by property', () => {
    const steps = [
      create({ x: 1, y: 1 }, at(1, 'a')),
      create({ x: 2, y: 2 }, at(2, 'b')),
      update({ x: 3 }, at(3, 'a')),
    ];
    expect(seen(after(steps))).toEqual({ x: 3, y: 2 });
  });

  it('is the very same when nothing changed', () => {
    const state = after([create({ x: 0 }, at(5))]);
    for (const { operation, stamp } of [update({ x: 1 }, at(4)), create({ x: 0 }, at(5)), update({}, at(9))]) {
      expect(applyOperation(state, operation, stamp)).toBe(state);
    }
  });

  it('may have properties that are called like those of every JavaScript object', () => {
    const state = after([update({ constructor: 1 }, at(1))]);
    expect(state && valueIn(state, 'toString')).toBeUndefined();
    expect(state && valueIn(state, 'constructor')).toBe(1);
  });

  it('is the same whatever the order and however often each operation comes, and what the oracle says', () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat()), (all, chance) => {
        const next = (most: number): number => (chance.next().value as number) % most;
        const shuffled = [...all, ...all.filter(() => next(2) === 0)]
          .map((step) => ({ step, place: next(1_000) }))
          .sort((a, b) => a.place - b.place)
          .map(({ step }) => step);
        expect(seen(after(shuffled))).toEqual(oracle(all));
        expect(seen(after(all))).toEqual(oracle(all));
      }),
      runs,
    );
  });

  it('merges whole histories: in parts, in either order, and again (associative, commutative, idempotent)', () => {
    fc.assert(
      fc.property(history, fc.nat(), (all, at_) => {
        const cut = all.length === 0 ? 0 : at_ % all.length;
        const [one, other] = [all.slice(0, cut), all.slice(cut)];
        const whole = after(all);
        expect(after([...other, ...one])).toEqual(whole);
        expect(after(all, whole)).toBe(whole);
      }),
      runs,
    );
  });

  it('is read back from its bytes as it was', () => {
    fc.assert(
      fc.property(history, (all) => {
        const state = after(all);
        if (state) expect(decodeState(encodeState(state))).toMatchObject({ _tag: 'Right', right: state });
      }),
      runs,
    );
  });
});
