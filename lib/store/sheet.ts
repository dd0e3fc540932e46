import { applyOperation, isAlive, type ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { type Stamp, stampAt } from '../merge/stamp.js';
import { createWorking, type Working } from '../merge/working.js';
import { type Instant, nameText, type SetAsideObject } from '../model/changeset.js';
import type { Key } from '../model/value.js';
import type { TypeShape } from '../model/schema.js';
import type { Objects, Touched } from './objects.js';
import { createOwnViews } from './own-views.js';
import type { View } from './views.js';

/** The objects as a transaction sees them, and what it has done. */
export interface Sheet {
  readonly replica: string;
  readonly operations: Operation[];
  /** What it has made: its states change in place until it is done. */
  readonly work: Working;
  readonly latest: (type: string, key: Key) => ObjectState | undefined;
  /** The object that readers would see. */
  readonly living: (type: string, key: Key) => ObjectState | undefined;
  /** What readers would see of it; `undefined`: nothing. */
  readonly view: (shape: TypeShape, key: Key) => View | undefined;
  /** Where an object that is there does not fit the schema, so that readers do not see it; `null`: nowhere. */
  readonly misfit: (type: string, key: Key) => SetAsideObject | null;
  /** What the next operation will be stamped with. */
  readonly stamp: () => Stamp;
  readonly perform: (operation: Operation) => void;
  readonly touched: () => readonly Touched[];
  /** The keys of a type, of objects that are there or were touched. */
  readonly keysOf: (type: string) => readonly Key[];
}

/** A sheet on what is there: its operations are stamped from an instant on. */
export const createSheet = (objects: Objects, instant: Instant, replica: string): Sheet => {
  const operations: Operation[] = [];
  const work = createWorking();
  const views = createOwnViews();
  const changed = new Map<string, Touched>();
  const latest = (type: string, key: Key): ObjectState | undefined =>
    changed.get(nameText({ type, key }))?.state ?? objects.latest(type, key);
  const misfit = (type: string, key: Key): SetAsideObject | null =>
    changed.has(nameText({ type, key })) ? null : objects.misfit(type, key); // What it has changed itself fits.
  const stamp = (): Stamp => stampAt(instant, replica, operations.length);
  const living = (type: string, key: Key): ObjectState | undefined => {
    const state = latest(type, key);
    return state && isAlive(state) && misfit(type, key) === null ? state : undefined;
  };
  return {
    replica,
    operations,
    work,
    latest,
    living,
    view: (shape, key) => {
      const state = living(shape.name, key);
      return state && views.of(shape, key, state);
    },
    misfit,
    stamp,
    perform: (operation) => {
      const { type, key } = operation;
      views.note(operation);
      changed.set(nameText({ type, key }), {
        type,
        key,
        state: applyOperation(latest(type, key), operation, stamp(), work),
      });
      operations.push(operation);
    },
    touched: () => [...changed.values()],
    keysOf: (type) => {
      const keys = new Set<Key>();
      for (const all of [objects.all(), changed.values()])
        for (const each of all) if (each.type === type) keys.add(each.key);
      return [...keys];
    },
  };
};
