import { defer, from, map, mergeMap, reduce, type Observable } from 'rxjs';
import { keyRangeOf, type Storage } from './storage.js';

/** Concurrent reads of a storage that reads one key at a time. */
const readsAtOnce = 32;

/**
 * Reads the values of some keys, also of a storage without `readMany`. Cold; emits them once, in the order of the keys,
 * and completes; errors with a `StorageError`.
 */
export const readManyOf = (
  storage: Pick<Storage, 'range' | 'readMany'>,
  keys: readonly string[],
): Observable<readonly (Uint8Array | undefined)[]> => {
  if (storage.readMany !== undefined) return storage.readMany(keys);
  const readOne = (key: string, at: number) =>
    storage.range(keyRangeOf(key)).pipe(map(([found]) => [at, found?.[1]] as const));
  return defer(() =>
    from(keys).pipe(
      mergeMap(readOne, readsAtOnce),
      reduce((values, [at, value]) => {
        values[at] = value;
        return values;
      }, new Array<Uint8Array | undefined>(keys.length).fill(undefined)),
    ),
  );
};

/** Returns the part of a wrapped storage that reads many keys. A wrapper that replaces `range` must not have it. */
export const readManyPartOf = (storage: Storage): Pick<Storage, 'readMany'> =>
  storage.readMany === undefined ? {} : { readMany: (keys) => readManyOf(storage, keys) };
