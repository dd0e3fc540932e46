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

/**
 * Resolves or rejects as some work, and rejects when the browser closes the connection: Chromium never ends a
 * transaction that has just begun then.
 */
export const whileConnected = async <A>(db: IDBDatabase, work: Promise<A>): Promise<A> => {
  let onClose = (): void => undefined;
  const closed = new Promise<never>((_, reject) => {
    onClose = () => reject(new DOMException('The connection was closed.', 'AbortError'));
  });
  db.addEventListener('close', onClose);
  try {
    return await Promise.race([work, closed]);
  } finally {
    db.removeEventListener('close', onClose);
  }
};

/**
 * Makes requests in a transaction of their own, which the browser ends without this page. A page that is frozen between
 * two requests of one transaction would block the writes of all other tabs.
 */
const requestOnce = <A>(db: IDBDatabase, request: (store: IDBObjectStore) => A): A => {
  const transaction = db.transaction(storeName);
  const requested = request(transaction.objectStore(storeName));
  transaction.commit();
  return requested;
};

const readForwards = async (db: IDBDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { found, isFull, take, next } = createRangeCollector(range);
  for (let after: string | undefined; !isFull(); after = found.at(-1)?.[0]) {
    const query = IDBKeyRange.bound(after ?? range.from, range.to, after !== undefined, true);
    const count = next();
    const [keys, values] = (await Promise.all(
      requestOnce(db, (store) => [resultOf(store.getAllKeys(query, count)), resultOf(store.getAll(query, count))]),
    )) as [string[], Uint8Array[]];
    for (const [at, value] of values.entries()) take(keys[at] ?? '', value);
    if (keys.length < count) break;
  }
  return found;
};

/** Reads one entry at a time, because only the newest browsers read several backwards, and such ranges are short. */
const readBackwards = async (db: IDBDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { found, isFull, take } = createRangeCollector(range);
  for (let { to } = range; !isFull() && range.from < to; to = found.at(-1)?.[0] ?? '') {
    const query = IDBKeyRange.bound(range.from, to, false, true);
    const cursor = await requestOnce(db, (store) => resultOf(store.openCursor(query, 'prev')));
    if (!cursor) break;
    take(cursor.primaryKey as string, cursor.value as Uint8Array);
  }
  return found;
};

/** Reads the entries of a range, in one or several transactions. */
export const readEntries = async (db: IDBDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  if (range.limit < 1 || range.from >= range.to) return [];
  return range.reverse === true ? readBackwards(db, range) : readForwards(db, range);
};

/** Copies a view, because IndexedDB would store the whole buffer of a view. */
export const detachBytes = (value: Uint8Array): Uint8Array =>
  value.byteLength === value.buffer.byteLength ? value : value.slice();

/** Resolves when a transaction has completed, or rejects with the error that aborted it. */
export const completionOf = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'));
  });

/**
 * Writes all changes or none. Uses plain requests, because a promise for each would cost as much as the write.
 *
 * @param guard - Makes the first requests of the transaction. When one of them fails, nothing is written.
 */
export const writeEntries = async (
  db: IDBDatabase,
  changes: readonly StorageChange[],
  durable: boolean,
  guard?: (store: IDBObjectStore) => void,
): Promise<void> => {
  const transaction = db.transaction(storeName, 'readwrite', { durability: durable ? 'strict' : 'relaxed' });
  const completion = completionOf(transaction);
  const store = transaction.objectStore(storeName);
  try {
    guard?.(store);
    // A batch is atomic, so only the last of several changes of a key is ever visible.
    for (const change of new Map(changes.map((change) => [change.key, change])).values()) {
      if (change.type === 'put') store.put(detachBytes(change.value), change.key);
      else store.delete(change.key);
    }
    transaction.commit();
  } catch (thrown) {
    completion.catch(() => undefined);
    transaction.abort(); // Otherwise the changes before would be written.
    throw thrown;
  }
  return completion;
};
