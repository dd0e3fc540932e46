import { type Counter, lastIncrementOf } from '../../merge/counter.js';
import { applyOperation, isAlive, type ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { laterInstantOf, type Stamp, operationStampOf } from '../../merge/timestamp.js';
import { createBatchOwnership, type BatchOwnership } from '../../merge/batch-ownership.js';
import { type Instant, nameTextOf, type SetAsideObject } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { TypeShape } from '../../model/schema.js';
import type { Objects } from '../objects/objects.js';
import type { ObjectWithState } from '../objects/object-change.js';
import { createTransactionViews } from './transaction-views.js';
import type { View } from '../objects/object-view.js';

/** The objects as a transaction sees them, and the operations of the transaction. */
export interface Overlay {
  readonly replica: string;
  readonly operations: Operation[];
  /** The states that the transaction has created. They are modified in place until it ends. */
  readonly ownership: BatchOwnership;
  readonly latestState: (type: string, key: Key) => ObjectState | undefined;
  /** The state of an object, if readers would see it. */
  readonly visibleState: (type: string, key: Key) => ObjectState | undefined;
  /** The view of an object; `undefined` if readers would not see it. */
  readonly view: (shape: TypeShape, key: Key) => View | undefined;
  /** Where an existing object does not fit the schema, so that readers do not see it. `null` if it fits. */
  readonly misfit: (type: string, key: Key) => SetAsideObject | null;
  /** The stamp of the next operation. */
  readonly nextStamp: () => Stamp;
  readonly perform: (operation: Operation) => void;
  /**
   * The previous increment of this replica after a create, which the next increment names; `null` for the first one.
   */
  readonly previousIncrement: (counter: Counter, born: Stamp) => Instant | null;
  readonly changedObjects: () => readonly ObjectWithState[];
  /** The keys of a type, over all objects of the realm and the transaction. */
  readonly keysOf: (type: string) => readonly Key[];
}

/**
 * Creates an overlay on the objects of a realm. Its operations are stamped from an instant on.
 *
 * @param ownUpTo - The instant up to which increments of this replica may be missing in the objects; `null` if none is
 * missing.
 */
export const createOverlay = (
  objects: Objects,
  instant: Instant,
  replica: string,
  ownUpTo: Instant | null = null,
): Overlay => {
  const operations: Operation[] = [];
  const work = createBatchOwnership();
  const views = createTransactionViews();
  const changed = new Map<string, ObjectWithState>();
  const latest = (type: string, key: Key): ObjectState | undefined =>
    changed.get(nameTextOf({ type, key }))?.state ?? objects.latestState(type, key);
  const misfit = (type: string, key: Key): SetAsideObject | null =>
    // An object that the transaction has changed fits.
    changed.has(nameTextOf({ type, key })) ? null : objects.misfit(type, key);
  const stamp = (): Stamp => operationStampOf(instant, replica, operations.length);
  const visibleState = (type: string, key: Key): ObjectState | undefined => {
    const state = latest(type, key);
    return state && isAlive(state) && misfit(type, key) === null ? state : undefined;
  };
  return {
    replica,
    operations,
    ownership: work,
    latestState: latest,
    visibleState,
    view: (shape, key) => {
      const state = visibleState(shape.name, key);
      return state && views.viewOf(shape, key, state);
    },
    misfit,
    nextStamp: stamp,
    perform: (operation) => {
      const { type, key } = operation;
      views.noteOperation(operation);
      changed.set(nameTextOf({ type, key }), {
        type,
        key,
        state: applyOperation(latest(type, key), operation, stamp(), work),
      });
      operations.push(operation);
    },
    previousIncrement: (counter, born) => {
      const last = lastIncrementOf(counter, born, replica);
      return ownUpTo === null ? last : laterInstantOf(last ?? ownUpTo, ownUpTo);
    },
    changedObjects: () => [...changed.values()],
    keysOf: (type) => {
      const keys = new Set<Key>();
      for (const all of [objects.listAllAsRemoved(), changed.values()])
        for (const each of all) if (each.type === type) keys.add(each.key);
      return [...keys];
    },
  };
};
