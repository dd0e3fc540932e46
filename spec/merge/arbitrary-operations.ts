import fc from 'fast-check';
import { applyOperation, isAlive, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import type { Stamp } from '../../lib/merge/timestamp.js';
import type { Value, Values } from '../../lib/model/value.js';

/**
 * Options with the number of runs of a property. A failure prints its seed; `SEED=… npm test -- spec/merge` repeats it.
 */
export const runOptions = (numRuns: number) =>
  process.env['SEED'] ? { numRuns, seed: Number(process.env['SEED']) } : { numRuns };

/** An operation on the one object that a spec is about, and its stamp. */
export interface Stamped {
  readonly operation: Operation;
  readonly stamp: Stamp;
}

export const createStamp = (time: number, replica = 'a', count = 0): Stamp => ({ time, count, replica });

const target = { type: 'T', key: 1 } as const;
export const create = (values: Values, stamp: Stamp): Stamped => ({
  operation: { kind: 'create', ...target, values },
  stamp,
});
export const update = (values: Values, stamp: Stamp): Stamped => ({
  operation: { kind: 'update', ...target, values },
  stamp,
});
export const remove = (stamp: Stamp): Stamped => ({ operation: { kind: 'delete', ...target }, stamp });

export const applyAll = (steps: readonly Stamped[], from?: ObjectState): ObjectState | undefined =>
  steps.reduce<ObjectState | undefined>((state, { operation, stamp }) => applyOperation(state, operation, stamp), from);

/** Returns the object that readers see: `null` when it does not exist. */
export const viewOf = (state: ObjectState | undefined): Record<string, Value> | null =>
  state && isAlive(state) ? { ...state.values } : null;

const properties = ['x', 'y', 'constructor'];

const anyValues = (keys: { requiredKeys?: [] } = {}) =>
  fc.record(
    Object.fromEntries(properties.map((name) => [name, fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(null))])),
    keys,
  ) as fc.Arbitrary<Values>;

const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  anyValues().map((given): Operation => ({ kind: 'create', ...target, values: given })),
  // An app whose schema is older does not know all properties.
  anyValues({ requiredKeys: [] }).map((given): Operation => ({ kind: 'create', ...target, values: given })),
  anyValues({ requiredKeys: [] }).map((given): Operation => ({ kind: 'update', ...target, values: given })),
  fc.constant<Operation>({ kind: 'delete', ...target }),
);

/**
 * Operations of up to 5 replicas on one object, in any order. They are close together, so that their stamps often
 * differ in one part only.
 */
export const anyHistory: fc.Arbitrary<Stamped[]> = fc.uniqueArray(
  fc.record({
    operation: anyOperation,
    stamp: fc.record({
      time: fc.integer({ min: 1, max: 6 }),
      count: fc.integer({ min: 0, max: 2 }),
      replica: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    }),
  }),
  { maxLength: 16, selector: ({ stamp }) => JSON.stringify([stamp.time, stamp.count, stamp.replica]) },
);

/** Random bytes, and valid ones with a few bytes changed or their end cut off. */
export const anyDamagedBytes = (bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> => {
  const changed = fc
    .tuple(bytes, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }))
    .map(([right, changes]) => {
      const wrong = Uint8Array.from(right);
      for (const [index, byte] of changes) wrong[index % wrong.length] = byte;
      return wrong;
    });
  const cut = fc.tuple(bytes, fc.nat()).map(([right, length]) => right.slice(0, length % right.length));
  return fc.oneof({ weight: 3, arbitrary: changed }, cut, fc.uint8Array({ maxLength: 60 }));
};
