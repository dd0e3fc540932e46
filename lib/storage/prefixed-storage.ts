import { defer, EMPTY, map, type Observable } from 'rxjs';
import type { StorageError } from '../model/errors.js';
import { createClosedError } from './check-changes.js';
import { readManyOf } from './read-many.js';
import type { Storage, StorageChange, StorageEntry, StorageRange } from './storage.js';

/** A class, because a server has one for each of ten thousand open realms. */
class PrefixedStorage implements Storage {
  readonly lost$?: Observable<StorageError>;
  private closed = false;

  constructor(
    private readonly storage: Storage,
    private readonly prefix: string,
  ) {
    if (storage.lost$) this.lost$ = storage.lost$;
  }

  range(range: StorageRange): Observable<readonly StorageEntry[]> {
    const { storage, prefix } = this;
    return defer(() => {
      this.checkOpen();
      return storage.range({ ...range, from: prefix + range.from, to: prefix + range.to });
    }).pipe(map((entries) => entries.map(([key, value]): StorageEntry => [key.slice(prefix.length), value])));
  }

  readMany(keys: readonly string[]): Observable<readonly (Uint8Array | undefined)[]> {
    const { storage, prefix } = this;
    return defer(() => {
      this.checkOpen();
      return readManyOf(
        storage,
        keys.map((key) => prefix + key),
      );
    });
  }

  batch(changes: readonly StorageChange[], options: { readonly durable: boolean }): Observable<never> {
    const { storage, prefix } = this;
    // An empty key stays invalid. Without a spread, which takes several times as long (measured).
    const outside = (change: StorageChange): StorageChange => {
      const key = change.key && prefix + change.key;
      return change.type === 'put' ? { type: 'put', key, value: change.value } : { type: 'del', key };
    };
    return defer(() => {
      this.checkOpen();
      return storage.batch(changes.map(outside), options);
    });
  }

  close(): Observable<never> {
    return defer(() => {
      if (this.closed) return EMPTY;
      this.closed = true;
      return this.storage.batch([], { durable: false }); // Batches run in order: after this one, all batches of the view are done.
    });
  }

  private checkOpen(): void {
    if (this.closed) throw createClosedError();
  }
}

/**
 * Creates a view of the entries of a storage whose keys start with a prefix. The keys of the view are without the
 * prefix. Other entries are neither read nor changed. Closing the view waits for its own batches and does not close the
 * storage.
 *
 * Prefix and key together must be a valid key. The prefix of one view must not be the start of another's.
 */
export const createPrefixedStorage = (storage: Storage, prefix: string): Storage =>
  new PrefixedStorage(storage, prefix);
