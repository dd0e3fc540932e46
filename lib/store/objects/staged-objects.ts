import type { ObjectState } from '../../merge/object-state.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { ObjectChange } from './object-change.js';
import type { SetAside } from './set-aside.js';

/** The optimistic states, with those that do not fit the schema. */
export const createStagedObjects = (setAside: SetAside) => {
  /** The changes themselves, because two removals of one object have the same state: `null`. */
  const tables = new Map<string, Map<Key, ObjectChange>>();
  const misfits = new Set<ObjectState>();

  const misfitAt = (type: string, key: Key): SetAsideObject | null => {
    const next = tables.get(type)?.get(key);
    if (next === undefined) return setAside.find(type, key);
    return next.state && setAside.misfitOf(next.state);
  };

  return {
    tables,
    misfitAt,
    hasAny: (type: string): boolean => (tables.get(type)?.size ?? 0) > 0,
    has: (type: string, key: Key): boolean => tables.get(type)?.has(key) === true,
    /** Adds a state. Returns where it does not fit the schema although the state before it did. */
    stage: (change: ObjectChange): SetAsideObject | null => {
      const { type, key, state } = change;
      const before = misfitAt(type, key);
      const misfit = state && setAside.check(type, key, state);
      const table = tables.get(type);
      if (table) table.set(key, change);
      else tables.set(type, new Map([[key, change]]));
      if (state === null || misfit === null) return null;
      misfits.add(state);
      return before === null ? misfit : null;
    },
    /** Called when the change is stored. A later change of the same object may still be pending. */
    settled: (change: ObjectChange): void => {
      const { type, key, state } = change;
      const table = tables.get(type);
      if (table?.get(key) === change) table.delete(key);
      if (state !== null) misfits.delete(state);
    },
    fits: () => misfits.size === 0,
    clear: () => {
      tables.clear();
      misfits.clear();
    },
  };
};

export type StagedObjects = ReturnType<typeof createStagedObjects>;
