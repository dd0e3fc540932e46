import { completionOf, resultOf, storeName, whileConnected } from './indexeddb-io.js';
import { toStorageError } from './storage-failure.js';
import { StorageTakenOverError } from '../model/taken-over-error.js';

/**
 * Excludes earlier leaders from a database. A page that was frozen does not know that its lock was stolen, and may
 * begin a batch at any later moment.
 *
 * Each batch adds the next number as a key. The next leader adds that number first, in its own transaction: the batch
 * of an earlier leader then fails as a whole, without a message to its page and back. Keys that are numbers are in no
 * range of strings, so no other code sees them.
 */
export interface WriteFence {
  /** Excludes all earlier leaders. Rejects with a `StorageTakenOverError` if another tab has done this since. */
  readonly raise: (db: IDBDatabase, location: string) => Promise<void>;
  /** Makes the request that fails if another tab has raised its fence, in the transaction of a batch. */
  readonly guard: (store: IDBObjectStore) => void;
  /** Is to be called when a batch is stored. */
  readonly advance: () => void;
}

/** The distance between the first numbers of two leaders, and so the largest number of batches of one. */
const termSize = 2 ** 32;
/** Earlier leaders that may still be frozen. */
const termsMax = 64;
/** Batches between two that remove the numbers of those before. */
const cleaningInterval = 64;

/** The first number of the leader that added a number. */
const termOf = (number: number): number => number - (number % termSize);

/** Waits for a request. The transaction of a page that is frozen meanwhile would block all other tabs. */
const abortWhenFrozen = async <A>(transaction: IDBTransaction, result: Promise<A>): Promise<A> => {
  const abort = (): void => transaction.abort();
  globalThis.addEventListener('freeze', abort, true);
  try {
    return await result;
  } finally {
    globalThis.removeEventListener('freeze', abort, true);
  }
};

export const createWriteFence = (): WriteFence => {
  /** The number of the last batch. */
  let last = 0;

  const raise = async (db: IDBDatabase, location: string): Promise<void> => {
    // Not durable, because all frozen pages are gone after a power cut.
    const transaction = db.transaction(storeName, 'readwrite');
    const store = transaction.objectStore(storeName);
    const numbers = resultOf(store.openKeyCursor(IDBKeyRange.upperBound(Infinity), 'prev'));
    const cursor = await abortWhenFrozen(transaction, numbers);
    const found = Number(cursor?.key ?? 0);
    const term = termOf(found);
    // Without any number the database was deleted.
    if (last > 0 && found > 0 && term !== termOf(last))
      throw new StorageTakenOverError(`${location} cannot be opened again: another tab has taken it over.`);
    store.delete(IDBKeyRange.upperBound(term - termsMax * termSize));
    store.delete(IDBKeyRange.bound(term, found));
    store.put(0, found + 1);
    store.put(0, term + termSize);
    transaction.commit();
    await completionOf(transaction);
    last = term + termSize;
  };

  return {
    raise: (db, location) =>
      whileConnected(db, raise(db, location)).catch((thrown: unknown) => {
        db.close();
        throw toStorageError(`${location} cannot be opened`, thrown);
      }),
    guard: (store) => {
      store.add(0, last + 1);
      if (last % cleaningInterval === 0) store.delete(IDBKeyRange.bound(termOf(last), last));
    },
    advance: () => {
      last += 1;
    },
  };
};
