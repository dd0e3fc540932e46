import fc from 'fast-check';
import { applyOperation, propertyValueOf } from '../../lib/merge/object-state.js';
import { isWrite } from '../../lib/merge/operation.js';
import type { Value } from '../../lib/model/value.js';
import {
  applyAll,
  createStamp,
  create,
  anyHistory,
  remove,
  runOptions,
  viewOf,
  type Stamped,
  update,
} from './arbitrary-operations.js';

const beats = ({ stamp: a }: Stamped, { stamp: b }: Stamped): boolean => {
  if (a.time !== b.time) return a.time > b.time;
  if (a.count !== b.count) return a.count > b.count;
  return a.replica > b.replica;
};

/**
 * The oracle: keeps all operations, and answers from all of them by the conflict table. A property has the value of the
 * latest write among those that no delete covers.
 */
const oracle = (all: readonly Stamped[]): Record<string, Value> | null => {
  const deletes = all.filter(({ operation }) => operation.kind === 'delete');
  const uncovered = all.filter((each) => !deletes.some((one) => one === each || beats(one, each)));
  if (!uncovered.some(({ operation }) => operation.kind === 'create')) return null;
  const writes = uncovered.flatMap((each) =>
    !isWrite(each.operation)
      ? []
      : Object.entries(each.operation.values).map(([name, value]) => ({ each, name, value })),
  );
  const winners = writes.filter((one) => !writes.some(({ each, name }) => name === one.name && beats(each, one.each)));
  return Object.fromEntries(winners.map(({ name, value }) => [name, value]));
};

/** Returns the same steps in another order, some of them more than once. */
const shuffled = (all: readonly Stamped[], chance: Iterator<number>): readonly Stamped[] => {
  const next = (): number => (chance.next().value as number) % 1_000;
  return [...all, ...all.filter(() => next() % 2 === 0)]
    .map((step) => ({ step, rank: next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ step }) => step);
};

/** Returns every order of the steps, because a rule holds in whichever order they arrive. */
const everyOrder = (steps: readonly Stamped[]): readonly (readonly Stamped[])[] =>
  steps.length < 2
    ? [steps]
    : steps.flatMap((step, index) => everyOrder(steps.toSpliced(index, 1)).map((rest) => [step, ...rest]));

const expectMerged = (steps: readonly Stamped[], expected: Record<string, Value> | null): void => {
  for (const order of everyOrder(steps)) expect(viewOf(applyAll(order))).toEqual(expected);
};

describe('an object', () => {
  it('has, in each property, the value of the later write', () => {
    expectMerged(
      [create({ x: 0, y: 0 }, createStamp(1)), update({ x: 1 }, createStamp(2)), update({ x: 2 }, createStamp(3, 'b'))],
      { x: 2, y: 0 },
    );
  });

  it('keeps both of two writes at the same time to two properties', () => {
    expectMerged(
      [create({ x: 0, y: 0 }, createStamp(1)), update({ x: 1 }, createStamp(2)), update({ y: 2 }, createStamp(2, 'b'))],
      { x: 1, y: 2 },
    );
  });

  it('has the value of the write with the greater count in the same millisecond', () => {
    expectMerged(
      [
        create({ x: 0 }, createStamp(1)),
        update({ x: 1 }, createStamp(2, 'b', 0)),
        update({ x: 2 }, createStamp(2, 'a', 1)),
      ],
      { x: 2 },
    );
  });

  it('lets the replica with the greater id win a tie', () => {
    expectMerged(
      [
        create({ x: 0 }, createStamp(1)),
        update({ x: 'b' }, createStamp(2, 'b')),
        update({ x: 'a' }, createStamp(2, 'a')),
      ],
      { x: 'b' },
    );
  });

  it('stays deleted when a replica that has not received the delete updates it, later or not', () => {
    expectMerged(
      [create({ x: 0 }, createStamp(1)), remove(createStamp(3)), update({ x: 1 }, createStamp(2, 'b'))],
      null,
    );
    expectMerged(
      [create({ x: 0 }, createStamp(1)), remove(createStamp(2)), update({ x: 1 }, createStamp(3, 'b'))],
      null,
    );
  });

  it('exists again with fresh properties when it is created later, whatever was written before its delete', () => {
    const before = [
      create({ x: 0, y: 1 }, createStamp(1)),
      update({ y: 9 }, createStamp(2, 'b')),
      remove(createStamp(3)),
    ];
    expectMerged([...before, create({ x: 5, y: null }, createStamp(4))], { x: 5, y: null });
  });

  it('does not exist again by a create that is earlier than the delete', () => {
    expectMerged(
      [create({ x: 0 }, createStamp(1)), remove(createStamp(3)), create({ x: 5 }, createStamp(2, 'b'))],
      null,
    );
  });

  it('shows an update that arrived before its create', () => {
    expectMerged(
      [remove(createStamp(1)), create({ x: 0, y: 0 }, createStamp(2)), update({ x: 1 }, createStamp(3, 'b'))],
      { x: 1, y: 0 },
    );
  });

  it('is one object when two create it, merged property by property', () => {
    const both = [create({ x: 1, y: 1 }, createStamp(1, 'a')), create({ x: 2, y: 2 }, createStamp(2, 'b'))];
    expectMerged(both, { x: 2, y: 2 });
    expectMerged([...both, update({ x: 3 }, createStamp(3, 'a'))], { x: 3, y: 2 });
  });

  it('keeps a property that only one of two creates has', () => {
    expectMerged([create({ x: 1, y: 1 }, createStamp(1, 'a')), create({ x: 2 }, createStamp(2, 'b'))], { x: 2, y: 1 });
  });

  it('is the same JavaScript object when nothing changed', () => {
    const state = applyAll([create({ x: 0 }, createStamp(5)), update({ y: 1 }, createStamp(7))]);
    const nothing = [
      update({ x: 1 }, createStamp(4)),
      create({ x: 0 }, createStamp(5)),
      create({ x: 9, y: 9 }, createStamp(4)),
      update({ y: 1 }, createStamp(7)),
      update({}, createStamp(9)),
    ];
    for (const { operation, stamp } of nothing) expect(applyOperation(state, operation, stamp)).toBe(state);
    const dead = applyAll([remove(createStamp(5))], state);
    for (const { operation, stamp } of [
      create({ x: 0 }, createStamp(4)),
      remove(createStamp(5)),
      remove(createStamp(3)),
    ]) {
      expect(applyOperation(dead, operation, stamp)).toBe(dead);
    }
  });

  it('takes its values from the operation of a create, without a copy', () => {
    const { operation, stamp } = create({ x: 0 }, createStamp(5));
    expect(applyOperation(undefined, operation, stamp).values).toBe('values' in operation && operation.values);
  });

  it('may have properties with the names of properties of every JavaScript object', () => {
    const state = applyAll([update({ constructor: 1 }, createStamp(1))]);
    expect(state && propertyValueOf(state, 'toString')).toBeUndefined();
    expect(state && propertyValueOf(state, 'constructor')).toBe(1);
    expectMerged([create({ x: 0 }, createStamp(1)), update({ toString: 1 }, createStamp(2))], { x: 0, toString: 1 });
  });
});

describe('operations on an object', () => {
  it('reach the state of the oracle, in whatever order and however often each arrives', () => {
    fc.assert(
      fc.property(anyHistory, fc.infiniteStream(fc.nat()), (all, chance) => {
        const expected = oracle(all);
        expect(viewOf(applyAll(all))).toEqual(expected);
        expect(viewOf(applyAll(shuffled(all, chance)))).toEqual(expected);
      }),
      runOptions(5_000),
    );
  });

  it('leave the same state in any order, including the parts that no reader sees (commutative)', () => {
    fc.assert(
      fc.property(anyHistory, fc.infiniteStream(fc.nat()), (all, chance) => {
        expect(applyAll(shuffled(all, chance))).toEqual(applyAll(all));
      }),
      runOptions(5_000),
    );
  });

  it('may be split anywhere: merging the operations of two replicas gives the same state, either one first (associative)', () => {
    fc.assert(
      fc.property(anyHistory, (all) => {
        const own = all.filter(({ stamp }) => stamp.replica < 'c');
        const others = all.filter(({ stamp }) => stamp.replica >= 'c');
        const whole = applyAll(all);
        expect(applyAll(others, applyAll(own))).toEqual(whole);
        expect(applyAll(own, applyAll(others))).toEqual(whole);
      }),
      runOptions(3_000),
    );
  });

  it('change nothing when they are received again, one by one or all of them (idempotent)', () => {
    fc.assert(
      fc.property(anyHistory, (all) => {
        const whole = applyAll(all);
        expect(applyAll(all, whole)).toBe(whole);
      }),
      runOptions(3_000),
    );
  });

  it('never change a state or an operation that other code may hold', () => {
    const frozen = <T>(given: T): T => {
      if (typeof given === 'object' && given !== null) Object.values(Object.freeze(given)).forEach(frozen);
      return given;
    };
    fc.assert(
      fc.property(anyHistory, (all) => {
        all
          .map(frozen)
          .reduce(
            (state, { operation, stamp }) => frozen(applyOperation(state, operation, stamp)),
            frozen(applyAll([remove(createStamp(0))])),
          );
      }),
      runOptions(1_000),
    );
  });
});
