import { bufferCount, concatMap, defer, EMPTY, from, ignoreElements, of } from 'rxjs';
import { checkChanges, createClosedError } from './check-changes.js';
import { firstIndexOf, createSortedMap, type SortedMap } from './sorted-map.js';
import type { Storage, StorageEntry, StorageRange } from './storage.js';

const readRange = (
  entries: SortedMap<Uint8Array>,
  { from, to, limit, bytesMax, reverse }: StorageRange,
): StorageEntry[] => {
  const keys = entries.keys();
  const first = firstIndexOf(keys, from);
  const last = firstIndexOf(keys, to) - 1;
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
/** Entries that a copy takes at once. */
const pageEntries = 1_000;

/**
 * A storage that forgets: for specs, simulations, and realms that need not outlive the process.
 *
 * It cannot be opened again: what it held is gone with its realm, when that is closed. A realm that is to be opened
 * again in one process needs a storage that keeps, or one more handle that stays open.
 *
 * Everything happens synchronously, on subscription. Values are kept as they are given, not copied.
 */
export const memoryStorage = (): Storage => {
  const entries = createSortedMap<Uint8Array>();
  let closed = false;

  const whileOpen = (): void => {
    if (closed) throw createClosedError();
  };

  return {
    range: (range) =>
      defer(() => {
        whileOpen();
        return of(readRange(entries, range));
      }),
    batch: (changes) =>
      defer(() => {
        whileOpen();
        for (const change of checkChanges(changes)) {
          if (change.type === 'put') entries.set(change.key, change.value);
          else entries.delete(change.key);
        }
        return EMPTY;
      }),
    copy: (sink) =>
      defer(() => {
        whileOpen();
        return from(readRange(entries, fullRange)).pipe(bufferCount(pageEntries), concatMap(sink), ignoreElements());
      }),
    close: () =>
      defer(() => {
        closed = true;
        return EMPTY;
      }),
  };
};
