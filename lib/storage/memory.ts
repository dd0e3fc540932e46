import { bufferCount, concatMap, defer, EMPTY, from, ignoreElements, of } from 'rxjs';
import { checkedChanges, closedError } from './keys.js';
import { placeOf, sorted, type Sorted } from './sorted.js';
import type { Storage, StorageEntry, StorageRange } from './storage.js';

const read = (entries: Sorted<Uint8Array>, { from, to, limit, bytesMax, reverse }: StorageRange): StorageEntry[] => {
  const keys = entries.keys();
  const first = placeOf(keys, from);
  const last = placeOf(keys, to) - 1;
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

const everything: StorageRange = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity };
/** Entries that a copy takes at once. */
const pageEntries = 1_000;

/**
 * A storage that forgets: for specs, simulations, and realms that need not outlive the process.
 *
 * It cannot be opened again: what it held is gone with its realm, when that is closed. A realm that is to be opened again
 * in one process needs a storage that keeps, or one more handle that stays open.
 *
 * Everything happens synchronously, on subscription. Values are kept as they are given, not copied.
 */
export const memoryStorage = (): Storage => {
  const entries = sorted<Uint8Array>();
  let closed = false;

  const whileOpen = (): void => {
    if (closed) throw closedError();
  };

  return {
    range: (range) =>
      defer(() => {
        whileOpen();
        return of(read(entries, range));
      }),
    batch: (changes) =>
      defer(() => {
        whileOpen();
        for (const change of checkedChanges(changes)) {
          if (change.type === 'put') entries.set(change.key, change.value);
          else entries.delete(change.key);
        }
        return EMPTY;
      }),
    copy: (sink) =>
      defer(() => {
        whileOpen();
        return from(read(entries, everything)).pipe(bufferCount(pageEntries), concatMap(sink), ignoreElements());
      }),
    close: () =>
      defer(() => {
        closed = true;
        return EMPTY;
      }),
  };
};
