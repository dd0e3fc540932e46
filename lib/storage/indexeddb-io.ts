import type { IDBPDatabase, IDBPObjectStore } from 'idb';
import type { StorageChange, StorageEntry, StorageRange } from './storage.js';

/**
 * The one object store in an IndexedDB database of ours: strings for keys, bytes for values. What has others is
 * somebody else's.
 */
export const storeName = 'tidemark';

type Store = IDBPObjectStore<unknown, [typeof storeName], typeof storeName>;

/** Entries asked for at first, when nothing is known of their size. */
const firstEntries = 64;
/** Entries asked for in one go at most. */
const readEntriesMax = 4_000;
/** Bytes asked for in one go, as far as the entries before tell. */
const readBytesMax = 1024 * 1024;

/** Takes entries until the range is full. */
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
    /** How many entries to ask for next: what is missing, if the rest are like those before. */
    next: (): number => {
      if (found.length === 0) return Math.min(limit, firstEntries);
      const wanted = Math.ceil((Math.min(bytesMax - bytes, readBytesMax) * found.length) / Math.max(bytes, 1));
      return Math.max(1, Math.min(limit - found.length, wanted, readEntriesMax));
    },
  };
};

const readForwards = async (store: Store, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { found, isFull, take, next } = createRangeCollector(range);
  for (let after: string | undefined; !isFull(); after = found.at(-1)?.[0]) {
    const query = IDBKeyRange.bound(after ?? range.from, range.to, after !== undefined, true);
    const count = next();
    const [keys, values] = (await Promise.all([store.getAllKeys(query, count), store.getAll(query, count)])) as [
      string[],
      Uint8Array[],
    ];
    for (const [at, value] of values.entries()) take(keys[at] ?? '', value);
    if (keys.length < count) break;
  }
  return found;
};

/** One by one, because only the newest browsers read many backwards; and nobody reads more than a few so. */
const readBackwards = async (store: Store, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { found, isFull, take } = createRangeCollector(range);
  let cursor = await store.openCursor(IDBKeyRange.bound(range.from, range.to, false, true), 'prev');
  while (cursor) {
    take(cursor.primaryKey as string, cursor.value as Uint8Array);
    if (isFull()) break;
    cursor = await cursor.continue();
  }
  return found;
};

/** The entries of a range, as they are at one moment. */
export const readEntries = async (db: IDBPDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  if (range.limit < 1 || range.from >= range.to) return [];
  const { store, done } = db.transaction(storeName);
  done.catch(() => undefined); // Its requests fail with it, and they are heard.
  return range.reverse === true ? readBackwards(store, range) : readForwards(store, range);
};

/** A view of a larger buffer would be stored with all of it. */
const detachBytes = (value: Uint8Array): Uint8Array =>
  value.byteLength === value.buffer.byteLength ? value : value.slice();

/**
 * All changes or none. Plain requests without idb: a promise for each would cost as much as the write, and its `done`
 * does not say why a transaction was aborted.
 */
export const writeEntries = (db: IDBDatabase, changes: readonly StorageChange[], durable: boolean): Promise<void> =>
  new Promise((done, refused) => {
    const transaction = db.transaction(storeName, 'readwrite', { durability: durable ? 'strict' : 'relaxed' });
    transaction.oncomplete = () => done();
    transaction.onabort = () => refused(transaction.error ?? new DOMException('it was aborted', 'AbortError'));
    const store = transaction.objectStore(storeName);
    try {
      // A batch is atomic, so of several changes to a key only the last can ever be seen.
      for (const change of new Map(changes.map((change) => [change.key, change])).values()) {
        if (change.type === 'put') store.put(detachBytes(change.value), change.key);
        else store.delete(change.key);
      }
      transaction.commit();
    } catch (thrown) {
      transaction.abort(); // Or what came before would be written.
      throw thrown;
    }
  });
