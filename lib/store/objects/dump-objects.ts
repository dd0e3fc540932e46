import { encodeState } from '../../merge/state-codec.js';
import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { objectKeyOf } from '../storage-keys.js';
import { isLiveRow, isPending, type LazyObject, stateOf } from './lazy-object.js';
import { encodeBlock, type EncodedObject, type ObjectBlock } from './object-block.js';

/**
 * Returns the changes that store all durable objects in an empty storage: the valid rows of each block, and the rest.
 */
export const dumpObjects = (tables: ReadonlyMap<string, ReadonlyMap<Key, LazyObject>>): readonly StorageChange[] => {
  const rows = new Map<ObjectBlock, EncodedObject[]>();
  const changes: StorageChange[] = [];
  for (const [type, table] of tables) {
    for (const [key, entry] of table) {
      if (isPending(entry)) continue;
      const { block, from, to } = entry;
      if (!block || !isLiveRow(entry)) {
        changes.push({ type: 'put', key: objectKeyOf(type, key), value: encodeState(stateOf(entry)) });
        continue;
      }
      const found = rows.get(block);
      const row = { type, key, bytes: block.states.subarray(from, to) };
      if (found) found.push(row);
      else rows.set(block, [row]);
    }
  }
  for (const [{ key }, objects] of rows) changes.push({ type: 'put', key, value: encodeBlock(objects).record });
  return changes;
};
