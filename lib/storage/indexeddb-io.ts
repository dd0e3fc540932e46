import type { StorageChange, StorageEntry, StorageRange } from './storage.js';

/**
 * The only object store in a database of this library: strings as keys, bytes as values. Databases with other stores
 * belong to other apps.
 */
export const storeName = 'tidemark';

const errorOf = ({ error }: IDBRequest): DOMException =>
  error ?? new DOMException('The request failed.', 'UnknownError');

/** Resolves with the result of a request, or rejects with its error. */
export const resultOf = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(errorOf(request));
  });

/** Entries in the first request, when their size is unknown. */
const firstEntries = 64;
/** Entries in one request at most. */
const readEntriesMax = 4_000;
/** Bytes in one request, estimated from the entries before. */
const readBytesMax = 1024 * 1024;

/** Collects entries until the range is full. */
const createRangeCollector = ({ limit, bytesMax }: StorageRange) => {
  const found: StorageEntry[] = [];
  let bytes = 0;
  const isFull = (): boolean => found.length >= limit || (found.length > 0 && bytes >= bytesMax);
  return {
    found,
    isFull,
    take: (key: string, value: Uint8Array): void => {
      if (isFull()) return;
      found.push([key, value]);
      bytes += value.byteLength;
    },
    /** The number of entries to request next, if the missing ones are as large as those before. */
    next: (): number => {
      if (found.length === 0) return Math.min(limit, firstEntries);
      const wanted = Math.ceil((Math.min(bytesMax - bytes, readBytesMax) * found.length) / Math.max(bytes, 1));
      return Math.max(1, Math.min(limit - found.length, wanted, readEntriesMax));
    },
  };
};

const readForwards = async (store: IDBObjectStore, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { found, isFull, take, next } = createRangeCollector(range);
  for (let after: string | undefined; !isFull(); after = found.at(-1)?.[0]) {
    const query = IDBKeyRange.bound(after ?? range.from, range.to, after !== undefined, true);
    const count = next();
    const [keys, values] = (await Promise.all([
      resultOf(store.getAllKeys(query, count)),
      resultOf(store.getAll(query, count)),
    ])) as [string[], Uint8Array[]];
    for (const [at, value] of values.entries()) take(keys[at] ?? '', value);
    if (keys.length < count) break;
  }
  return found;
};

/** Reads one entry at a time, because only the newest browsers read several backwards, and such ranges are short. */
const readBackwards = (store: IDBObjectStore, range: StorageRange): Promise<readonly StorageEntry[]> =>
  new Promise((resolve, reject) => {
    const { found, isFull, take } = createRangeCollector(range);
    const request = store.openCursor(IDBKeyRange.bound(range.from, range.to, false, true), 'prev');
    request.onerror = () => reject(errorOf(request));
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor) take(cursor.primaryKey as string, cursor.value as Uint8Array);
      if (!cursor || isFull()) resolve(found);
      else cursor.continue();
    };
  });

/** Reads the entries of a range at one moment. */
export const readEntries = async (db: IDBDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  if (range.limit < 1 || range.from >= range.to) return [];
  const store = db.transaction(storeName).objectStore(storeName);
  return range.reverse === true ? readBackwards(store, range) : readForwards(store, range);
};

/** Copies a view, because IndexedDB would store the whole buffer of a view. */
const detachBytes = (value: Uint8Array): Uint8Array =>
  value.byteLength === value.buffer.byteLength ? value : value.slice();

/** Writes all changes or none. Uses plain requests, because a promise for each would cost as much as the write. */
export const writeEntries = (db: IDBDatabase, changes: readonly StorageChange[], durable: boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    const transaction = db.transaction(storeName, 'readwrite', { durability: durable ? 'strict' : 'relaxed' });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'));
    const store = transaction.objectStore(storeName);
    try {
      // A batch is atomic, so only the last of several changes of a key is ever visible.
      for (const change of new Map(changes.map((change) => [change.key, change])).values()) {
        if (change.type === 'put') store.put(detachBytes(change.value), change.key);
        else store.delete(change.key);
      }
      transaction.commit();
    } catch (thrown) {
      transaction.abort(); // Otherwise the changes before would be written.
      throw thrown;
    }
  });
