import { isAlive, type ObjectState } from '../../merge/object-state.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { TypeShape, Shapes } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { type Blocks, createBlocks, isPlace, type Placement } from './blocks.js';
import { createChangeNotes } from './change-notes.js';
import type { ChangesByType, ObjectChange, ObjectWithState } from './object-change.js';
import { dumpObjects } from './dump-objects.js';
import {
  cachedViewOf,
  createPacker,
  isPending,
  isVisible,
  type LazyObject,
  lazyObjectOf,
  type Packer,
  placedObjectOf,
  stateOf,
} from './lazy-object.js';
import { loadBlock } from './load-block.js';
import { createMirror, type MirrorPorts } from './mirror.js';
import type { PageParts } from './new-rows.js';
import { createRowMove, type RowMove } from './move-rows.js';
import type { BlockRow, ObjectBlock } from './object-block.js';
import { createSetAside, type SetAside } from './set-aside.js';
import { createStage, type StagedChanges, type StageOptions } from './stage-changes.js';
import { createStagedObjects } from './staged-objects.js';
import { isSameView, type View, viewOf } from './object-view.js';

/**
 * The objects of a realm in memory: the durable states, which readers see, and the optimistic states, which writers
 * also see.
 */
export interface Objects {
  /**
   * Adds a stored object, with the bytes that its state was decoded from. Used while opening, after all blocks.
   * `isChecked`: the state is known to fit the schema.
   */
  readonly load: (touched: ObjectWithState, bytes: Uint8Array, isChecked: boolean) => void;
  /** Adds the objects of a block. Throws a `StorageError` for an unreadable state. Used while opening. */
  readonly loadBlock: (storageKey: string, record: Uint8Array, isChecked: boolean) => void;
  /** Removes an object of a block of which nothing is left. Used while opening, after all blocks. */
  readonly loadGone: (type: string, key: Key) => void;
  /** The state that the next write builds on. */
  readonly latestState: (type: string, key: Key) => ObjectState | undefined;
  /** Where the state that the next write builds on does not fit the schema. `null` if it fits or there is no object. */
  readonly misfit: (type: string, key: Key) => SetAsideObject | null;
  /** Adds optimistic states. */
  readonly stage: (changed: readonly ObjectChange[], options?: StageOptions) => StagedChanges;
  /** Adds an optimistic state that another tab will store. */
  readonly stageOnly: (change: ObjectChange) => void;
  /** The parts with which `NewRows` adds the objects that a page creates. */
  readonly pageParts: PageParts;
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
  readonly isEmpty: () => boolean;
  /** The stored objects that do not fit the schema. */
  readonly setAside: SetAside;
  /** Whether all stored and optimistic states fit the schema. */
  readonly fits: () => boolean;
  /**
   * The stored objects, and pending ones that a page has created. To be read synchronously: entries are replaced, never
   * modified, except for their views.
   */
  readonly tables: () => ReadonlyMap<string, ReadonlyMap<Key, LazyObject>>;
  /** Takes a block of which less than half is valid, to move its rows. */
  readonly takeSparseBlock: () => ObjectBlock | undefined;
  /** Creates the batch that moves the valid rows of a block to another one. */
  readonly toRowMove: (block: ObjectBlock, rows: readonly BlockRow[]) => RowMove;
  /**
   * Returns the changes that store all durable objects in an empty storage, in the records that their storage has.
   * Another tab mirrors all objects with them.
   */
  readonly dump: () => readonly StorageChange[];
  /**
   * Applies one batch that the store of another tab, with the same schema, has stored. Ignores all records but those of
   * objects. Call it when nothing is staged. Throws a `StorageError` for an invalid record; then nothing has changed.
   * `isChecked`: new rows of blocks are known to fit the schema, as all are that a store writes; `true` by default.
   */
  readonly mirror: (changes: readonly StorageChange[], isChecked?: boolean) => void;
  /**
   * Replaces everything by the objects of a whole storage: the puts of all its records in any order, and after them the
   * batches that were stored meanwhile, if any. Otherwise like `mirror`. `isChecked`: all objects fit the schema.
   */
  readonly mirrorAll: (records: readonly StorageChange[], isChecked: boolean) => void;
}

type Tables<T> = ReadonlyMap<string, ReadonlyMap<Key, T>>;

const tableOf = <T>(tables: Map<string, Map<Key, T>>, type: string): Map<Key, T> => {
  const found = tables.get(type);
  if (found) return found;
  const made = new Map<Key, T>();
  tables.set(type, made);
  return made;
};

/** A removal for each known object. */
const removalsOf = (settled: Tables<LazyObject>, staged: Tables<ObjectChange>): ObjectChange[] => {
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
    [...table].flatMap(([key, entry]): readonly ObjectWithState[] =>
      isPending(entry) ? [] : [{ type, key, state: stateOf(entry) }],
    ),
  );

/** The stored states. */
const createSettledObjects = (shapes: Shapes, setAside: SetAside, blocks: Blocks) => {
  const tables = new Map<string, Map<Key, LazyObject>>();
  const notes = createChangeNotes(setAside);
  const noteState: MirrorPorts['noteState'] = (change, before, misfit) => {
    const { type, key, state } = change;
    const shape = shapes.get(type);
    setAside.settle(type, key, misfit);
    const was = before && isVisible(before) ? stateOf(before) : null;
    const is = state !== null && misfit === null && isAlive(state) ? state : null;
    const same = !shape || isSameView(shape, was, is);
    if (!same) notes.note(change, cachedViewOf(before), was !== null, is !== null);
    return is && (same ? cachedViewOf(before) : undefined);
  };
  return {
    tables,
    notes,
    noteState,
    settle: (change: ObjectChange, placement: Placement): void => {
      const { type, key, state } = change;
      const table = tableOf(tables, type);
      const before = table.get(key);
      const view = noteState(change, before, state && setAside.misfitOf(state));
      const block = blocks.settle(type, key, before, placement);
      if (state === null) table.delete(key);
      else table.set(key, isPlace(placement) ? placedObjectOf(placement, view) : lazyObjectOf(state, view, block));
    },
  };
};

interface LoadParts {
  readonly pack: Packer;
  readonly tables: Map<string, Map<Key, LazyObject>>;
  readonly setAside: SetAside;
  readonly blocks: Blocks;
}

/** Fills the tables while a realm opens. */
const createLoader = ({
  pack,
  tables,
  setAside,
  blocks,
}: LoadParts): Pick<Objects, 'load' | 'loadBlock' | 'loadGone'> => {
  return {
    load: ({ type, key, state }, bytes, isChecked) => {
      const table = tableOf(tables, type);
      const misfit = isChecked ? null : setAside.check(type, key, state);
      if (!isChecked) setAside.settle(type, key, misfit); // An earlier state of it, in a block, may not have fitted.
      const block = blocks.settle(type, key, table.get(key), null);
      table.set(key, pack(bytes, misfit === null && isAlive(state), block));
    },
    loadBlock: (storageKey, record, isChecked) => {
      loadBlock({ blocks, setAside, tableOf: (type) => tableOf(tables, type) }, storageKey, record, isChecked);
    },
    loadGone: (type, key) => {
      const table = tableOf(tables, type);
      setAside.settle(type, key, null);
      blocks.settle(type, key, table.get(key), 'marked');
      table.delete(key);
    },
  };
};

export const createObjects = (shapes: Shapes): Objects => {
  const setAside = createSetAside(shapes);
  const staged = createStagedObjects(setAside);
  const blocks = createBlocks();
  const pack = createPacker();
  const { tables, notes, noteState, settle } = createSettledObjects(shapes, setAside, blocks);
  const entryAt = (type: string, key: Key): LazyObject | undefined => tables.get(type)?.get(key);
  const pageParts: PageParts = {
    ...{ shapes, copier: null, blocks, staged, notes },
    tableOf: (type) => tableOf(tables, type),
    pendingPages: new Set(),
  };
  const settleOne = (change: ObjectChange, placement: Placement): void => {
    staged.settled(change);
    settle(change, placement);
  };

  const visibleViewOf = (shape: TypeShape, key: Key, entry: LazyObject): View | undefined =>
    isVisible(entry) ? (cachedViewOf(entry) ?? (entry.view = viewOf(shape, stateOf(entry), key))) : undefined;

  const latest = (type: string, key: Key): ObjectState | undefined => {
    const next = staged.tables.get(type)?.get(key);
    if (next !== undefined) return next.state ?? undefined;
    const entry = entryAt(type, key);
    return entry && stateOf(entry);
  };

  return {
    ...createLoader({ pack, tables, setAside, blocks }),
    latestState: latest,
    misfit: staged.misfitAt,
    stage: createStage({ blocks, staged, setAside, entryAt, settleOne }),
    stageOnly: (change) => void staged.stage(change),
    pageParts,
    takeChanges: notes.taken,
    unstage: () => {
      for (const page of pageParts.pendingPages) page.abandon();
      staged.clear();
      blocks.unstage();
    },
    view: (type, key) => {
      const [shape, entry] = [shapes.get(type), entryAt(type, key)];
      return shape && entry && visibleViewOf(shape, key, entry);
    },
    views: (type) => {
      const shape = shapes.get(type);
      if (!shape) return [];
      return [...(tables.get(type) ?? [])].flatMap(
        ([key, entry]): View | readonly View[] => visibleViewOf(shape, key, entry) ?? [],
      );
    },
    listStored: () => storedObjectsOf(tables),
    listAllAsRemoved: () => removalsOf(tables, staged.tables),
    isEmpty: () => [...tables.values()].every((table) => [...table.values()].every(isPending)),
    setAside,
    fits: () => staged.fits() && setAside.isEmpty(),
    tables: () => tables,
    takeSparseBlock: blocks.takeSparse,
    toRowMove: createRowMove({ blocks, staged, tables }),
    dump: () => dumpObjects(tables, blocks),
    ...createMirror({ ...pageParts, pack, tables, setAside, noteState }),
  };
};
