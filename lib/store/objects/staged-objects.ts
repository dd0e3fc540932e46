import type { ObjectState } from '../../merge/object-state.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { ObjectChange } from './object-change.js';
import type { SetAside } from './set-aside.js';

/** The optimistic states, with those that do not fit the schema. */
export const createStagedObjects = (setAside: SetAside) => {
  const tables = new Map<string, Map<Key, ObjectState | null>>(); // `null`: the object is to be removed.
  const misfits = new Set<ObjectState>();

  const misfitAt = (type: string, key: Key): SetAsideObject | null => {
    const next = tables.get(type)?.get(key);
    if (next === undefined) return setAside.find(type, key);
    return next && setAside.misfitOf(next);
  };

  return {
    tables,
    misfitAt,
    has: (type: string, key: Key): boolean => tables.get(type)?.has(key) === true,
    /** Adds a state. Returns where it does not fit the schema although the state before it did. */
    stage: ({ type, key, state }: ObjectChange): SetAsideObject | null => {
      const before = misfitAt(type, key);
      const misfit = state && setAside.check(type, key, state);
      const table = tables.get(type);
      if (table) table.set(key, state);
      else tables.set(type, new Map([[key, state]]));
      if (state === null || misfit === null) return null;
      misfits.add(state);
      return before === null ? misfit : null;
    },
    /** Called when the state is stored. A later write of the same object may still be pending. */
    settled: ({ type, key, state }: ObjectChange): void => {
      const table = tables.get(type);
      if (table?.get(key) === state) table.delete(key);
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
