import { bufferCount, concatMap, defer, from, ignoreElements, of } from 'rxjs';
import { runAction } from '../model/operators.js';
import { checkChanges, createClosedError } from './check-changes.js';
import { findFirstIndex } from '../model/sorted-search.js';
import { createSortedMap, type SortedMap } from './sorted-map.js';
import type { Storage, StorageEntry, StorageRange } from './storage.js';

const readRange = (
  entries: SortedMap<Uint8Array>,
  { from, to, limit, bytesMax, reverse }: StorageRange,
): StorageEntry[] => {
  const keys = entries.keys();
  const first = findFirstIndex(keys, (key) => key >= from);
  const last = findFirstIndex(keys, (key) => key >= to) - 1;
  const found: StorageEntry[] = [];
  let bytes = 0;
  for (let at = 0; at <= last - first && found.length < limit; at += 1) {
    const key = keys[reverse === true ? last - at : first + at] ?? '';
    const value = entries.get(key);
    if (value === undefined) continue;
    found.push([key, value]);
    bytes += value.byteLength;
    if (bytes >= bytesMax) break;
  }
  return found;
};

const fullRange: StorageRange = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity };
/** Entries in one page of a copy. */
const pageEntries = 1_000;

/**
 * Creates a storage in memory: for tests, simulations, and realms that end with the process.
 *
 * It cannot be opened again: its data is gone when its realm is closed. To open a realm again in one process, use a
 * persistent storage, or keep another handle open.
 *
 * All calls run synchronously on subscription. Values are stored without a copy.
 *
 * @returns A storage, for the option `storage` of `openRealm`.
 *
 * @example
 * ```ts
 * const realm = await openRealm({ schema, storage: memoryStorage() });
 * ```
 */
export const memoryStorage = (): Storage => {
  const entries = createSortedMap<Uint8Array>();
  let closed = false;

  const checkOpen = (): void => {
    if (closed) throw createClosedError();
  };

  return {
    range: (range) =>
      defer(() => {
        checkOpen();
        return of(readRange(entries, range));
      }),
    batch: (changes) =>
      runAction(() => {
        checkOpen();
        for (const change of checkChanges(changes)) {
          if (change.type === 'put') entries.set(change.key, change.value);
          else entries.delete(change.key);
        }
      }),
    copy: (sink) =>
      defer(() => {
        checkOpen();
        return from(readRange(entries, fullRange)).pipe(bufferCount(pageEntries), concatMap(sink), ignoreElements());
      }),
    close: () =>
      runAction(() => {
        closed = true;
      }),
  };
};
