import type { Observable } from 'rxjs';
import { forgetTombstones, latestTombstoneTimeOf } from '../../merge/object-state.js';
import { encodeState } from '../../merge/state-codec.js';
import { parseSortableText, sortableDigits, sortableTextOf } from '../../model/sortable-number.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import type { LargeObjects } from './large-objects.js';
import type { ProjectionCursor } from './record-codec.js';
import {
  changeObjects,
  objectPrefix,
  rowBytesOf,
  type CursorMover,
  type KnownStates,
  type ObjectChanges,
} from './stored-objects.js';

/**
 * Index of objects with tombstones of their own or of elements or entries, by the time when these can be removed:
 * `dead/<time>/<object>`. An entry whose object has nothing to remove by then is skipped.
 */
export const tombstonePrefix = 'dead/';
export const tombstoneKey = (time: number, text: string): string => `${tombstonePrefix}${sortableTextOf(time)}/${text}`;
export const tombstoneTimeOf = (key: string): number =>
  parseSortableText(key.slice(tombstonePrefix.length, tombstonePrefix.length + sortableDigits), key);
const tombstoneTextOf = (key: string): string => key.slice(tombstonePrefix.length + sortableDigits + 1);

/** Reads entries of the index before a time. */
export const readTombstones = (storage: Storage, before: number, limit: number, reverse = false) =>
  storage.range({ from: tombstonePrefix, to: tombstoneKey(before, ''), limit, bytesMax: Infinity, reverse });

/**
 * Removes deleted objects, and tombstones of elements and entries of others. Objects with later tombstones stay in the
 * index.
 */
export const sweepTombstones = (
  storage: Storage,
  mover: CursorMover,
  before: number,
  keys: readonly string[],
  large: LargeObjects,
): Observable<never> => {
  const sweepObjects = (
    known: KnownStates,
    { objects: objectsBefore, bytes: bytesBefore }: ProjectionCursor,
  ): ObjectChanges => {
    const changes: StorageChange[] = [];
    let [objects, bytes] = [objectsBefore, bytesBefore];
    for (const [text, { state, bytes: size }] of known) {
      const left = forgetTombstones(state, ({ time }) => time < before);
      const at = left && latestTombstoneTimeOf(left);
      if (at !== null && at >= before)
        changes.push({ type: 'put', key: tombstoneKey(at, text), value: new Uint8Array(0) });
      if (left === state) continue;
      const value = left && encodeState(left);
      changes.push(
        value ? { type: 'put', key: objectPrefix + text, value } : { type: 'del', key: objectPrefix + text },
      );
      objects -= value ? 0 : 1;
      bytes += (value ? rowBytesOf(value) : 0) - size;
    }
    return { changes, objects, bytes };
  };
  return changeObjects(storage, mover, {
    texts: new Set(keys.map(tombstoneTextOf)),
    isLarge: (text) => large.has(text),
    changesOf: sweepObjects,
    // Last: objects that are not in the index are not visited again.
    more: keys.map((key): StorageChange => ({ type: 'del', key })),
    last: (at) => at,
  });
};
