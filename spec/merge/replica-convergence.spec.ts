import fc from 'fast-check';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import { anyStep, applyStep } from './random-edits.js';
import { runOptions, type Stamped } from './arbitrary-operations.js';
import { oracleViewOf } from './merge-oracle.js';
import {
  anySeed,
  type Device,
  deepFreeze,
  exchangeAll,
  operationsOf,
  restartDevice,
  restoreState,
  expectEqual,
  deviceViewOf,
  expectedViewOf,
  type World,
  worldOf,
} from './replica-world.js';

const history = fc.record({
  count: fc.integer({ min: 2, max: 5 }),
  steps: fc.array(anyStep, { minLength: 1, maxLength: 40 }),
});

const played = ({ count, steps }: { count: number; steps: readonly Parameters<typeof applyStep>[1][] }): World => {
  const world = worldOf(count);
  for (const each of steps) applyStep(world, each);
  return world;
};

/** Returns the operations that were written to one object, as they were sent. */
const writtenTo = ({ posted }: Pick<World, 'posted'>, key: number): readonly Stamped[] =>
  posted.flatMap(operationsOf).filter(({ operation }) => operation.key === key);

const stateOf = (all: readonly Stamped[], from?: ObjectState): ObjectState | undefined =>
  all.reduce<ObjectState | undefined>(
    (state, { operation, stamp }) => deepFreeze(applyOperation(state, operation, stamp)),
    from,
  );

const shuffled = <T>(all: readonly T[], random: () => number): readonly T[] =>
  all
    .map((each) => ({ each, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ each }) => each);

describe('replicas that write all kinds of operations and receive them in any order', () => {
  it('reach one state and one view, which is that of the oracle', () => {
    fc.assert(
      fc.property(history, anySeed, (given, random) => {
        const world = played(given);
        exchangeAll(world, random);
        const [first, ...others] = world.devices as readonly [Device, ...Device[]];
        for (const key of [1, 2]) {
          const expected = expectedViewOf(oracleViewOf(writtenTo(world, key)), key);
          expectEqual(deviceViewOf(first, key), expected);
          for (const device of others) {
            expectEqual(device.objects.latestState('T', key), first.objects.latestState('T', key));
            expectEqual(deviceViewOf(device, key), expected);
          }
        }
      }),
      runOptions(2_000),
    );
  });

  it('show at every step the view of the oracle for the operations received so far', () => {
    fc.assert(
      fc.property(history, (given) => {
        const world = played(given);
        for (const device of world.devices) {
          const arrived = { posted: world.posted.filter((posted) => device.received.has(posted)) };
          for (const key of [1, 2])
            expectEqual(deviceViewOf(device, key), expectedViewOf(oracleViewOf(writtenTo(arrived, key)), key));
        }
      }),
      runOptions(2_000),
    );
  });

  it('may merge two states in any order, split anywhere (associative), from bytes or from memory', () => {
    fc.assert(
      fc.property(history, anySeed, (given, random) => {
        const all = shuffled(writtenTo(played(given), 1), random);
        if (all.length === 0) return;
        const whole = stateOf(all);
        const cut = random() % (all.length + 1);
        const [head, tail] = [all.slice(0, cut), all.slice(cut)];
        for (const [one, two] of [
          [head, tail],
          [tail, head],
        ] as const) {
          const between = stateOf(one);
          expectEqual(stateOf(two, between && restoreState(between)), whole);
        }
        for (const { operation, stamp } of all) expect(applyOperation(whole, operation, stamp)).toBe(whole);
      }),
      runOptions(1_500),
    );
  });

  it('continue after a restart as if there had been none', () => {
    fc.assert(
      fc.property(history, anySeed, (given, random) => {
        const world = played(given);
        world.devices.forEach(restartDevice);
        exchangeAll(world, random);
        for (const device of world.devices) {
          expectEqual(deviceViewOf(device), expectedViewOf(oracleViewOf(writtenTo(world, 1)), 1));
          restartDevice(device);
        }
      }),
      runOptions(1_000),
    );
  });
});

const stampOf = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.nat(1), fc.constantFrom('a', 'b', 'c'))
  .map(([time, count, replica]) => ({ time, count, replica }));
const nameOf = fc.tuple(stampOf, fc.nat(1)).map(([stamp, index]) => ({ ...stamp, index }));
const runOf = fc.constantFrom(['a0', 'a'], ['a0', 'b'], ['a1', 'a'], ['a0', 'a', 'a0V', 'b']);
const keyOf = fc.constantFrom('a0', 'a1', 'a2', 'Zz', 'a0V');
const target = { type: 'T', key: 1, property: 'p' } as const;

/** Operations that a correct writer may never make: moves before their inserts, and the like. */
const wild: fc.Arbitrary<Operation> = fc.oneof(
  fc.constant<Operation>({ kind: 'create', type: 'T', key: 1, values: { p: 1 } }),
  fc.constant<Operation>({ kind: 'delete', type: 'T', key: 1 }),
  fc.constant<Operation>({ kind: 'clear', ...target }),
  fc
    .tuple(runOf, fc.tuple(keyOf, keyOf), fc.tuple(fc.nat(3), fc.nat(3)))
    .map(([run, keys, values]): Operation => ({ kind: 'insert', ...target, run, keys, values })),
  fc
    .tuple(nameOf, runOf, keyOf)
    .map(([element, run, key]): Operation => ({ kind: 'move', ...target, element, position: { run, key } })),
  fc.tuple(nameOf, fc.nat(3)).map(([element, value]): Operation => ({ kind: 'replace', ...target, element, value })),
  fc
    .array(nameOf, { minLength: 1, maxLength: 2 })
    .map((elements): Operation => ({ kind: 'remove', ...target, elements })),
  fc
    .tuple(fc.constantFrom('k', 'l'), fc.nat(3))
    .map((entry): Operation => ({ kind: 'put', ...target, entries: [entry] })),
  fc.constantFrom('k', 'l').map((key): Operation => ({ kind: 'drop', ...target, keys: [key] })),
  // The increment has no predecessor, because replicas cannot detect a chain that was broken on purpose.
  stampOf.map((born): Operation => ({ kind: 'increment', ...target, born, after: { time: 0, count: 0 }, by: 1 })),
);

/**
 * At most one increment of each replica. Two increments with the same predecessor look like repeats, and no
 * correct writer makes them.
 */
const wilds = fc
  .uniqueArray(fc.record({ operation: wild, stamp: stampOf }), {
    maxLength: 14,
    selector: ({ stamp }) => JSON.stringify([stamp.time, stamp.count, stamp.replica]),
  })
  .map((all) =>
    all.filter(
      ({ operation, stamp }, index) =>
        operation.kind !== 'increment' ||
        all.findIndex((one) => one.operation.kind === 'increment' && one.stamp.replica === stamp.replica) === index,
    ),
  );

describe('operations that no correct writer makes', () => {
  it('reach one state in any order, too', () => {
    fc.assert(
      fc.property(wilds, anySeed, (all, random) => {
        const whole = stateOf(all);
        expectEqual(stateOf(shuffled([...all, ...all], random)), whole);
        if (whole) expectEqual(restoreState(whole), whole);
      }),
      runOptions(2_500),
    );
  });
});
