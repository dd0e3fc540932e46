import { limits } from '../../model/limits.js';
import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { objectKeyOf } from '../storage-keys.js';
import { isLiveRow, type LazyObject, type Place } from './lazy-object.js';
import { blockKeyOf, encodeBlock, type EncodedBlock, type EncodedObject, type ObjectBlock } from './object-block.js';

/**
 * The form in which a change is stored: a row of a block, a mark that nothing is left of the object although a block
 * may have a row of it, or (`null`) a record of its own, which is put or deleted.
 */
export type Placement = Place | 'marked' | null;

export const isPlace = (placement: Placement): placement is Place => placement !== null && placement !== 'marked';

/** An object of which nothing is left, although a block may have a row of it. */
interface GoneObject {
  readonly type: string;
  readonly key: Key;
  /** `null`: no block has a row of it any more. */
  readonly block: ObjectBlock | null;
}

export const createBlockAt = (key: string, { record, states }: EncodedBlock, rows: number): ObjectBlock => ({
  ...{ key, record, states, rows, live: rows, isDropped: false, isMoving: false },
});

/** The objects with a mark in the storage. Nearly always none. */
const createGoneObjects = () => {
  const tables = new Map<string, Map<Key, ObjectBlock | null>>();
  return {
    /** The block that may have a row of an object; `undefined`: the object has no mark. */
    find: (type: string, key: Key): ObjectBlock | null | undefined => tables.get(type)?.get(key),
    set: (type: string, key: Key, block: ObjectBlock | null): void => {
      const table = tables.get(type);
      if (table) table.set(key, block);
      else tables.set(type, new Map([[key, block]]));
    },
    remove: (type: string, key: Key): void => {
      tables.get(type)?.delete(key);
    },
    list: (): readonly GoneObject[] =>
      [...tables].flatMap(([type, table]) => [...table].map(([key, block]) => ({ type, key, block }))),
  };
};

export const toBlockPut = ({ key, record }: ObjectBlock): StorageChange => ({ type: 'put', key, value: record });

/** Divides objects into runs of about the size of a block. */
const divideObjects = (objects: readonly EncodedObject[]): readonly (readonly EncodedObject[])[] => {
  const all: (readonly EncodedObject[])[] = [];
  for (let from = 0; from < objects.length;) {
    let bytes = 0;
    let to = from;
    while (to < objects.length && bytes < limits.blockBytesMax) bytes += objects[to++]?.bytes.byteLength ?? 0;
    all.push(objects.slice(from, to));
    from = to;
  }
  return all;
};

const placesOf = (block: ObjectBlock, objects: readonly EncodedObject[]): readonly Place[] => {
  let from = 0;
  return objects.map(({ bytes }) => ({ block, from, to: (from += bytes.byteLength) }));
};

/** The blocks of which less than half is valid. */
const createSparseBlocks = () => {
  const sparse = new Set<ObjectBlock>();
  return {
    /** Counts a row that became invalid. */
    loseRow: (block: ObjectBlock): void => {
      block.live -= 1;
      if (2 * block.live < block.rows && !block.isDropped && !block.isMoving) sparse.add(block);
    },
    remove: (block: ObjectBlock): void => void sparse.delete(block),
    /** Takes a block, to move its rows. */
    take: (): ObjectBlock | undefined => {
      const [block] = sparse;
      if (block) {
        sparse.delete(block);
        block.isMoving = true;
      }
      return block;
    },
    /** Called when the rows of these blocks were not moved. */
    giveBack: (blocks: Iterable<ObjectBlock>): void => {
      for (const block of blocks) {
        if (block.isMoving) sparse.add(block);
        block.isMoving = false;
      }
    },
  };
};

/** A block that is to be stored. */
export interface CreatedBlock {
  readonly block: ObjectBlock;
  readonly put: StorageChange;
}

/** The blocks of a realm's storage, stored and pending ones. */
export const createBlocks = () => {
  let lastId = 0;
  const all = new Set<ObjectBlock>();
  const pending = new Set<ObjectBlock>();
  const sparse = createSparseBlocks();
  const gone = createGoneObjects();

  const addEncoded = (encoded: EncodedBlock, rows: number): CreatedBlock => {
    lastId += 1;
    const block = createBlockAt(blockKeyOf(lastId), encoded, rows);
    all.add(block);
    pending.add(block);
    return { block, put: toBlockPut(block) };
  };

  return {
    listGone: gone.list,
    isGone: (type: string, key: Key): boolean => gone.find(type, key) !== undefined,
    list: (): readonly ObjectBlock[] => [...all],
    listStored: (): readonly ObjectBlock[] => [...all].filter((block) => !pending.has(block)),
    /** Adds a block that is stored. */
    load: (block: ObjectBlock, id: number): void => {
      all.add(block);
      lastId = Math.max(lastId, id);
    },
    /** Adds a block that is to be stored. */
    addEncoded,
    /** Called when a block is stored. */
    stored: (block: ObjectBlock): void => void pending.delete(block),
    /** Packs objects into new blocks. Returns the blocks' records, and the place of each object. */
    create: (objects: readonly EncodedObject[]) => {
      const created = divideObjects(objects).map((some) => ({ ...addEncoded(encodeBlock(some), some.length), some }));
      return {
        puts: created.map(({ put }) => put),
        places: created.flatMap(({ block, some }) => placesOf(block, some)),
        /** Called when the records are stored. */
        stored: () => created.forEach(({ block }) => pending.delete(block)),
      };
    },
    /**
     * Called when a new state of an object is stored, or nothing is left of it. Returns the block that still has an
     * earlier row of it.
     */
    settle: (type: string, key: Key, before: LazyObject | undefined, placement: Placement): ObjectBlock | null => {
      const found = before ? before.block : (gone.find(type, key) ?? null);
      if (before && found && isLiveRow(before)) sparse.loseRow(found);
      const block = found?.isDropped === false ? found : null;
      gone.remove(type, key);
      if (placement === 'marked') gone.set(type, key, block);
      return block;
    },
    /** Called when blocks were removed from the storage. */
    drop: (dropped: readonly ObjectBlock[]): void => {
      for (const block of dropped) {
        block.isDropped = true;
        all.delete(block);
        pending.delete(block);
        sparse.remove(block);
      }
    },
    forgetGone: (some: readonly GoneObject[]): void => {
      for (const { type, key } of some) gone.remove(type, key);
    },
    takeSparse: sparse.take,
    /** Called after a batch failed: nothing that was pending is stored. */
    unstage: (): void => {
      for (const block of pending) all.delete(block);
      pending.clear();
      sparse.giveBack(all);
    },
  };
};

export type Blocks = ReturnType<typeof createBlocks>;

/** Deletes the record of one object. */
export const toObjectDelete = (type: string, key: Key): StorageChange => ({ type: 'del', key: objectKeyOf(type, key) });
