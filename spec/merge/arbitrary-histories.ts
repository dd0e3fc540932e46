import fc from 'fast-check';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import { anyStep, applyStep } from './random-edits.js';
import type { Stamped } from './arbitrary-operations.js';
import { deepFreeze, operationsOf, type World, worldOf } from './replica-world.js';

/** Steps of 2 to 5 devices that write and receive. */
export const anySteps = fc.record({
  count: fc.integer({ min: 2, max: 5 }),
  steps: fc.array(anyStep, { minLength: 1, maxLength: 40 }),
});

/** Returns the world after all steps. */
export const playSteps = ({
  count,
  steps,
}: {
  count: number;
  steps: readonly Parameters<typeof applyStep>[1][];
}): World => {
  const world = worldOf(count);
  for (const each of steps) applyStep(world, each);
  return world;
};

/** Returns the operations that were written to one object, as they were sent. */
export const writtenTo = ({ posted }: Pick<World, 'posted'>, key: number): readonly Stamped[] =>
  posted.flatMap(operationsOf).filter(({ operation }) => operation.key === key);

/** Returns the state after operations, in this order. */
export const stateOf = (all: readonly Stamped[], from?: ObjectState): ObjectState | undefined =>
  all.reduce<ObjectState | undefined>(
    (state, { operation, stamp }) => deepFreeze(applyOperation(state, operation, stamp)),
    from,
  );

export const shuffled = <T>(all: readonly T[], random: () => number): readonly T[] =>
  all
    .map((each) => ({ each, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ each }) => each);

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
 * Operations that no correct writer makes, with at most one increment of each replica. Two increments with the same
 * predecessor look like repeats, and no correct writer makes them.
 */
export const anyWildOperations = fc
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
