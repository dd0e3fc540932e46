import { decodeState } from '../../merge/state-codec.js';
import { requireStored } from '../../model/stored-data.js';
import type { Key } from '../../model/value.js';
import { type Blocks, createBlockAt } from './blocks.js';
import { type LazyObject, placedObjectOf } from './lazy-object.js';
import { decodeBlock, parseBlockKey } from './object-block.js';
import type { SetAside } from './set-aside.js';

interface LoadPorts {
  readonly blocks: Blocks;
  readonly setAside: SetAside;
  readonly tableOf: (type: string) => Map<Key, LazyObject>;
}

/**
 * Adds the objects of a stored block. Their states are decoded only if they may not fit the schema: all were visible
 * when the block was written, and its checksum finds damage.
 */
export const loadBlock = (
  { blocks, setAside, tableOf }: LoadPorts,
  storageKey: string,
  record: Uint8Array,
  isChecked: boolean,
): void => {
  const { states, rows } = decodeBlock(storageKey, record);
  const block = createBlockAt(storageKey, { record, states }, rows.length);
  blocks.load(block, parseBlockKey(storageKey));
  for (const { type, key, from, to } of rows) {
    let view: null | undefined;
    if (!isChecked) {
      const misfit = setAside.check(type, key, requireStored(decodeState(states.subarray(from, to)), type, key));
      setAside.settle(type, key, misfit);
      if (misfit) view = null;
    }
    tableOf(type).set(key, placedObjectOf({ block, from, to }, view));
  }
};
