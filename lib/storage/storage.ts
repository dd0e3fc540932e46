import type { Observable } from 'rxjs';
import type { StorageError } from '../model/errors.js';

/** One stored value under its key. */
export type StorageEntry = readonly [key: string, value: Uint8Array];

export type StorageChange = StoragePut | { readonly type: 'del'; readonly key: string };

export interface StoragePut {
  readonly type: 'put';
  readonly key: string;
  readonly value: Uint8Array;
}

export interface StorageRange {
  /** The first key that may be in it. */
  readonly from: string;
  /** The first key after `from` that is not in it. */
  readonly to: string;
  /** From the last key of the range backwards; `limit` and `bytesMax` count from there. */
  readonly reverse?: boolean;
  /** At most so many entries. */
  readonly limit: number;
  /** Ends after the entry with which the values reach so many bytes: a page has a size, and always one entry. */
  readonly bytesMax: number;
}

/** The range of one key and no other. */
export const keyRangeOf = (key: string): StorageRange => ({ from: key, to: `${key} `, limit: 1, bytesMax: Infinity });

/** Whether it can only be the entry of the key that it begins with: engines read one value quicker than a range. */
export const isOneKey = ({ from, to }: StorageRange): boolean => to.length === from.length + 1 && to === `${from} `;

/**
 * The port that keeps bytes: ordered keys, range read, atomic batch. It knows neither objects nor logs.
 *
 * Keys are 1 to 2048 characters of printable ASCII (0x20–0x7e), ordered by code: every engine agrees on that order.
 * Bytes are never changed once they were given or got, by nobody: adapters keep and hand out the very same arrays.
 *
 * All streams are cold and do their work once per subscription; unsubscribing cancels the news, not the work. They
 * error with a `StorageError`, and then nothing was changed. Adapters prove themselves with `storageSuite`
 * (`tidemark/testing`).
 */
export interface Storage {
  /** Emits the entries of the range in key order, once, and completes. Sees every batch that completed before. */
  readonly range: (range: StorageRange) => Observable<readonly StorageEntry[]>;
  /**
   * All changes or none, in the order given. Completes when done, without a value; with `durable` only after it would
   * survive a power cut. Batches take effect in the order of their subscriptions.
   */
  readonly batch: (changes: readonly StorageChange[], options: { readonly durable: boolean }) => Observable<never>;
  /**
   * Gives everything that is there on subscription, and nothing that comes later, to `sink`, page by page in key order:
   * the next page when that completes. Batches go on meanwhile. Cold; never emits; completes after the last page;
   * errors as `sink` does, or with a `StorageError`. Left out by a storage that cannot: there is no backup of it while
   * it is in use.
   */
  readonly copy?: (sink: (entries: readonly StorageEntry[]) => Observable<unknown>) => Observable<never>;
  /**
   * Completes when all that was under way is done and everything is released. Anything after it errors, but closing
   * again.
   */
  readonly close: () => Observable<never>;
  /**
   * Emits once when the storage turns out to be gone under way (evicted, deleted or taken over from elsewhere), also to
   * who comes later; everything asked of it from then on errors with the same error, but closing. Never errors;
   * completes when it is closed. Left out by a storage that cannot be gone while it is open.
   */
  readonly lost$?: Observable<StorageError>;
}

/**
 * Something that opens a storage: cold, emits one and completes; errors with a `StorageError`, also when it is in use
 * elsewhere.
 */
export type OpenStorage = Observable<Storage>;
