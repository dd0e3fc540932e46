import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { type Blocks, toObjectDelete } from './blocks.js';
import { cachedViewOf, isLiveRow, isVisible, type LazyObject, placedObjectOf } from './lazy-object.js';
import type { BlockRow, EncodedObject, ObjectBlock } from './object-block.js';
import type { StagedObjects } from './staged-objects.js';

/** The objects whose rows are moved. */
export interface MovePorts {
  readonly blocks: Blocks;
  readonly staged: StagedObjects;
  readonly tables: ReadonlyMap<string, Map<Key, LazyObject>>;
}

/** A batch that moves the valid rows of a block to another one. */
export interface RowMove {
  readonly changes: readonly StorageChange[];
  /** Called when it is stored. */
  readonly settle: () => void;
}

/**
 * Creates the batch that moves the valid rows of a block. Objects with a pending state keep none: that state has a
 * record of its own, which is stored before this batch. Also deletes the marks of objects that no block has any more.
 */
export const createRowMove =
  ({ blocks, staged, tables }: MovePorts) =>
  (block: ObjectBlock, rows: readonly BlockRow[]): RowMove => {
    const moved: EncodedObject[] = [];
    for (const { type, key } of rows) {
      const entry = tables.get(type)?.get(key);
      if (entry?.block !== block || !isLiveRow(entry) || staged.has(type, key)) continue;
      moved.push({ type, key, bytes: block.states.subarray(entry.from, entry.to) });
    }
    const gone = blocks
      .listGone()
      .filter((one) => (!one.block || one.block.isDropped || one.block === block) && !staged.has(one.type, one.key));
    const packed = blocks.create(moved);
    return {
      changes: [
        { type: 'del', key: block.key },
        ...packed.puts,
        ...gone.map(({ type, key }) => toObjectDelete(type, key)),
      ],
      settle: () => {
        blocks.drop([block]);
        blocks.forgetGone(gone);
        packed.stored();
        packed.places.forEach((place, at) => {
          const { type, key } = moved[at] as unknown as EncodedObject;
          const table = tables.get(type);
          const entry = table?.get(key);
          if (entry) table?.set(key, placedObjectOf(place, isVisible(entry) ? cachedViewOf(entry) : null));
        });
      },
    };
  };
