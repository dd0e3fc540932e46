import { type Counter, lastIncrementOf } from '../../merge/counter.js';
import { applyOperation, isAlive, type ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { laterInstantOf, type Stamp, operationStampOf } from '../../merge/timestamp.js';
import { createBatchOwnership, type BatchOwnership } from '../../merge/batch-ownership.js';
import { type Instant, nameTextOf, type SetAsideObject } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { TypeShape } from '../../model/schema.js';
import type { Objects, ObjectWithState } from '../objects/objects.js';
import { createTransactionViews } from './transaction-views.js';
import type { View } from '../objects/object-view.js';

/** The objects as a transaction sees them, and what it has done. */
export interface Overlay {
  readonly replica: string;
  readonly operations: Operation[];
  /** What it has made: its states change in place until it is done. */
  readonly ownership: BatchOwnership;
  readonly latestState: (type: string, key: Key) => ObjectState | undefined;
  /** The object that readers would see. */
  readonly visibleState: (type: string, key: Key) => ObjectState | undefined;
  /** What readers would see of it; `undefined`: nothing. */
  readonly view: (shape: TypeShape, key: Key) => View | undefined;
  /** Where an object that is there does not fit the schema, so that readers do not see it; `null`: nowhere. */
  readonly misfit: (type: string, key: Key) => SetAsideObject | null;
  /** What the next operation will be stamped with. */
  readonly nextStamp: () => Stamp;
  readonly perform: (operation: Operation) => void;
  /** What an increment of this replica says that it follows, under a create; `null`: it is the first. */
  readonly previousIncrement: (counter: Counter, born: Stamp) => Instant | null;
  readonly changedObjects: () => readonly ObjectWithState[];
  /** The keys of a type, of objects that are there or were touched. */
  readonly keysOf: (type: string) => readonly Key[];
}

/**
 * Creates an overlay on the objects of a realm. Its operations are stamped from an instant on.
 *
 * @param ownUpTo - An instant up to which increments of this replica may be missing in the objects; `null`: none is
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
    changed.has(nameTextOf({ type, key })) ? null : objects.misfit(type, key); // What it has changed itself fits.
  const stamp = (): Stamp => operationStampOf(instant, replica, operations.length);
  const living = (type: string, key: Key): ObjectState | undefined => {
    const state = latest(type, key);
    return state && isAlive(state) && misfit(type, key) === null ? state : undefined;
  };
  return {
    replica,
    operations,
    ownership: work,
    latestState: latest,
    visibleState: living,
    view: (shape, key) => {
      const state = living(shape.name, key);
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
