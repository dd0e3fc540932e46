import { isAlive, type ObjectState } from '../../merge/object-state.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { TypeShape, Shapes } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import { createPacker, type LazyObject, lazyObjectOf, isVisible, stateOf } from './lazy-object.js';
import { createSetAside, type SetAside } from './set-aside.js';
import { isSameView, type View, viewOf } from './object-view.js';

/**
 * The keys of the objects of one type that a batch has inserted, modified or deleted.
 *
 * @example
 * ```ts
 * realm.changes$('Task').subscribe(({ inserted, deleted }) => {
 *   console.log(`${inserted.size} new tasks, ${deleted.size} deleted tasks`);
 * });
 * ```
 */
export interface TypeChanges {
  /** Keys of objects that did not exist before the batch. */
  readonly inserted: ReadonlySet<Key>;
  /** Keys of existing objects that the batch changed. */
  readonly modified: ReadonlySet<Key>;
  /** Keys of objects that do not exist after the batch. */
  readonly deleted: ReadonlySet<Key>;
}

/** The same, with the earlier views of those objects that a reader had read. */
export interface TypeChangesWithViews extends TypeChanges {
  readonly previousViews: ReadonlyMap<Key, View>;
}

export type ChangesByType = ReadonlyMap<string, TypeChangesWithViews>;

/** The new state of one changed object. */
export interface ObjectWithState {
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState;
}

/** The new state of one changed object; `null` removes the object without a tombstone. */
export interface ObjectChange {
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState | null;
}

/**
 * The objects of a realm in memory: the durable states, which readers see, and the optimistic states, which writers
 * also see.
 */
export interface Objects {
  /**
   * Adds a stored object, with the bytes that its state was decoded from. Used while opening. `isChecked`: the state is
   * known to fit the schema.
   */
  readonly load: (touched: ObjectWithState, bytes: Uint8Array, isChecked: boolean) => void;
  /** The state that the next write builds on. */
  readonly latestState: (type: string, key: Key) => ObjectState | undefined;
  /** Where the state that the next write builds on does not fit the schema. `null` if it fits or there is no object. */
  readonly misfit: (type: string, key: Key) => SetAsideObject | null;
  /** Adds optimistic states. Returns those that do not fit the schema although the states before them did. */
  readonly stage: (changed: readonly ObjectChange[]) => readonly SetAsideObject[];
  /** Makes stored states visible to readers. The changes are collected until `takeChanges`. */
  readonly settle: (changed: readonly ObjectChange[]) => void;
  /** Returns the changes since the last call. Also notifies the readers of set-aside objects. */
  readonly takeChanges: () => ChangesByType;
  /** Discards all optimistic states after a batch failed. */
  readonly unstage: () => void;
  readonly view: (type: string, key: Key) => View | undefined;
  /** All visible objects of a type. */
  readonly views: (type: string) => View[];
  /** All stored objects, including those that readers do not see. */
  readonly listStored: () => readonly ObjectWithState[];
  /** A removal for each stored or optimistic object. */
  readonly listAllAsRemoved: () => readonly ObjectChange[];
  readonly size: () => number;
  /** The stored objects that do not fit the schema. */
  readonly setAside: SetAside;
  /** Whether all stored and optimistic states fit the schema. */
  readonly fits: () => boolean;
  /** The stored objects. To be read synchronously: entries are replaced, never modified, except for their views. */
  readonly tables: () => ReadonlyMap<string, ReadonlyMap<Key, LazyObject>>;
}

type Tables<T> = ReadonlyMap<string, ReadonlyMap<Key, T>>;

const tableOf = <T>(tables: Map<string, Map<Key, T>>, type: string): Map<Key, T> => {
  const found = tables.get(type);
  if (found) return found;
  const made = new Map<Key, T>();
  tables.set(type, made);
  return made;
};

const createTypeChanges = () => ({
  inserted: new Set<Key>(),
  modified: new Set<Key>(),
  deleted: new Set<Key>(),
  previousViews: new Map<Key, View>(),
});

/**
 * Combines a change with the earlier ones. An object that was inserted and deleted between two emissions is in neither
 * set.
 */
const noteChange = (changes: ReturnType<typeof createTypeChanges>, key: Key, before: boolean, after: boolean): void => {
  const { inserted, modified, deleted } = changes;
  if (!before && after) (deleted.delete(key) ? modified : inserted).add(key);
  else if (before && !after) {
    modified.delete(key);
    if (!inserted.delete(key)) deleted.add(key);
  } else if (after && !inserted.has(key)) modified.add(key);
};

/** A removal for each known object. */
const removalsOf = (settled: Tables<LazyObject>, staged: Tables<ObjectState | null>): ObjectChange[] => {
  const removals: ObjectChange[] = [];
  for (const [type, table] of settled) for (const key of table.keys()) removals.push({ type, key, state: null });
  for (const [type, table] of staged) {
    for (const key of table.keys()) {
      if (settled.get(type)?.has(key) !== true) removals.push({ type, key, state: null });
    }
  }
  return removals;
};

const storedObjectsOf = (settled: Tables<LazyObject>): ObjectWithState[] =>
  [...settled].flatMap(([type, table]) =>
    [...table].map(([key, entry]): ObjectWithState => ({ type, key, state: stateOf(entry) })),
  );

/** The optimistic states, with those that do not fit the schema. */
const createStagedObjects = (setAside: SetAside) => {
  const tables = new Map<string, Map<Key, ObjectState | null>>(); // `null`: the object is to be removed.
  const misfits = new Set<ObjectState>();

  const misfitAt = (type: string, key: Key): SetAsideObject | null => {
    const next = tables.get(type)?.get(key);
    if (next === undefined) return setAside.find(type, key);
    return next && setAside.misfitOf(next);
  };
  const stageOne = ({ type, key, state }: ObjectChange): readonly SetAsideObject[] => {
    const before = misfitAt(type, key);
    const misfit = state && setAside.check(type, key, state);
    tableOf(tables, type).set(key, state);
    if (state === null || misfit === null) return [];
    misfits.add(state);
    return before === null ? [misfit] : [];
  };

  return {
    tables,
    misfitAt,
    stage: (changed: readonly ObjectChange[]): readonly SetAsideObject[] => changed.flatMap(stageOne),
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

/** Collects the changes of batches until they are taken. */
const createChangeNotes = (setAside: SetAside) => {
  let changes = new Map<string, ReturnType<typeof createTypeChanges>>();
  return {
    note: (type: string, key: Key, was: View | undefined | null, before: boolean, after: boolean): void => {
      let ofType = changes.get(type);
      if (!ofType) changes.set(type, (ofType = createTypeChanges()));
      if (was) ofType.previousViews.set(key, was);
      noteChange(ofType, key, before, after);
      if (ofType.inserted.size + ofType.modified.size + ofType.deleted.size === 0) changes.delete(type);
    },
    taken: (): ChangesByType => {
      setAside.flush();
      const taken = changes;
      changes = new Map();
      return taken;
    },
  };
};

export const createObjects = (shapes: Shapes): Objects => {
  const pack = createPacker();
  const settled = new Map<string, Map<Key, LazyObject>>();
  const setAside = createSetAside(shapes);
  const staged = createStagedObjects(setAside);
  const notes = createChangeNotes(setAside);

  const visibleViewOf = (shape: TypeShape, key: Key, entry: LazyObject): View | undefined =>
    entry.view === null ? undefined : (entry.view ??= viewOf(shape, stateOf(entry), key));

  const settleOne = (changed: ObjectChange): void => {
    const { type, key, state } = changed;
    const table = tableOf(settled, type);
    const before = table.get(key);
    staged.settled(changed);
    const shape = shapes.get(type);
    const misfit = state && setAside.misfitOf(state);
    setAside.settle(type, key, misfit);
    const was = before && isVisible(before) ? stateOf(before) : null;
    const is = state !== null && misfit === null && isAlive(state) ? state : null;
    const same = !shape || isSameView(shape, was, is);
    if (state === null) table.delete(key);
    else table.set(key, lazyObjectOf(state, is && (same ? (before?.view ?? undefined) : undefined)));
    if (!same) notes.note(type, key, before?.view, was !== null, is !== null);
  };

  const latest = (type: string, key: Key): ObjectState | undefined => {
    const next = staged.tables.get(type)?.get(key);
    if (next !== undefined) return next ?? undefined;
    const entry = settled.get(type)?.get(key);
    return entry && stateOf(entry);
  };

  return {
    load: ({ type, key, state }, bytes, isChecked) => {
      const misfit = isChecked ? null : setAside.check(type, key, state);
      if (misfit !== null) setAside.settle(type, key, misfit);
      tableOf(settled, type).set(key, pack(bytes, misfit === null && isAlive(state)));
    },
    latestState: latest,
    misfit: staged.misfitAt,
    stage: staged.stage,
    settle: (changed) => changed.forEach(settleOne),
    takeChanges: notes.taken,
    unstage: staged.clear,
    view: (type, key) => {
      const [shape, entry] = [shapes.get(type), settled.get(type)?.get(key)];
      return shape && entry && visibleViewOf(shape, key, entry);
    },
    views: (type) => {
      const shape = shapes.get(type);
      if (!shape) return [];
      return [...(settled.get(type) ?? [])].flatMap(
        ([key, entry]): View | readonly View[] => visibleViewOf(shape, key, entry) ?? [],
      );
    },
    listStored: () => storedObjectsOf(settled),
    listAllAsRemoved: () => removalsOf(settled, staged.tables),
    size: () => [...settled.values()].reduce((sum, table) => sum + table.size, 0),
    setAside,
    fits: () => staged.fits() && setAside.isEmpty(),
    tables: () => settled,
  };
};
