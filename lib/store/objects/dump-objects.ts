import { encodeState } from '../../merge/state-codec.js';
import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { objectKeyOf } from '../storage-keys.js';
import { type Blocks, toBlockPut } from './blocks.js';
import { isLiveRow, isPending, type LazyObject, stateOf } from './lazy-object.js';
import { goneMark } from './stored-object.js';

/**
 * Returns the changes that store all durable objects in an empty storage, in the records that their storage has: also
 * the rows of blocks that are not valid any more, and the marks of objects of which nothing is left.
 */
export const dumpObjects = (
  tables: ReadonlyMap<string, ReadonlyMap<Key, LazyObject>>,
  blocks: Pick<Blocks, 'listStored' | 'listGone'>,
): readonly StorageChange[] => {
  const changes: StorageChange[] = blocks.listStored().map(toBlockPut);
  for (const [type, table] of tables) {
    for (const [key, entry] of table) {
      if (isPending(entry) || isLiveRow(entry)) continue;
      changes.push({ type: 'put', key: objectKeyOf(type, key), value: encodeState(stateOf(entry)) });
    }
  }
  for (const { type, key } of blocks.listGone())
    changes.push({ type: 'put', key: objectKeyOf(type, key), value: goneMark });
  return changes;
};
