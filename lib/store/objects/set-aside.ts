import { BehaviorSubject, map, type Observable } from 'rxjs';
import type { ObjectState } from '../../merge/object-state.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { Shapes } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import { findStateMismatch } from '../../merge/check-schema-fit.js';

/**
 * The objects whose merged state this schema cannot show. Merging does not depend on the schema, so these objects are
 * stored and merged like all others. Readers do not see them until they fit.
 */
export interface SetAside {
  /** Checks an optimistic or newly read state. The result is cached per state. */
  readonly check: (type: string, key: Key, state: ObjectState) => SetAsideObject | null;
  /** Where a checked state does not fit; `null` if it fits. */
  readonly misfitOf: (state: ObjectState) => SetAsideObject | null;
  /** The stored object that is set aside under a key, or `null`. */
  readonly find: (type: string, key: Key) => SetAsideObject | null;
  /** Called when an object was stored or read. */
  readonly settle: (type: string, key: Key, misfit: SetAsideObject | null) => void;
  readonly all: () => readonly SetAsideObject[];
  readonly count: (type: string) => number;
  readonly isEmpty: () => boolean;
  /** Emits the current list, then each change. Never errors; completes with the realm. */
  readonly all$: Observable<readonly SetAsideObject[]>;
  /** Emits if anything has changed since the last call. */
  readonly flush: () => void;
  readonly close: () => void;
}

export const createSetAside = (shapes: Shapes): SetAside => {
  const misfits = new WeakMap<ObjectState, SetAsideObject>();
  const tables = new Map<string, Map<Key, SetAsideObject>>();
  const changes = new BehaviorSubject<null>(null);
  let hasChanged = false;
  const all = (): readonly SetAsideObject[] => [...tables.values()].flatMap((table) => [...table.values()]);
  return {
    check: (type, key, state) => {
      const shape = shapes.get(type);
      const misfit = shape ? findStateMismatch(shape, key, state) : null;
      if (misfit === null) return null;
      const object = Object.freeze({ type, key, ...misfit });
      misfits.set(state, object);
      return object;
    },
    misfitOf: (state) => misfits.get(state) ?? null,
    find: (type, key) => tables.get(type)?.get(key) ?? null,
    settle: (type, key, misfit) => {
      const table = tables.get(type);
      if (misfit === null) {
        if (table?.delete(key)) hasChanged = true;
        return;
      }
      if (table) table.set(key, misfit);
      else tables.set(type, new Map([[key, misfit]]));
      hasChanged = true;
    },
    all,
    isEmpty: () => [...tables.values()].every(({ size }) => size === 0),
    count: (type) => tables.get(type)?.size ?? 0,
    all$: changes.pipe(map(() => Object.freeze(all()))),
    flush: () => {
      if (!hasChanged) return;
      hasChanged = false;
      changes.next(null);
    },
    close: () => changes.complete(),
  };
};
