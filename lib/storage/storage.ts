import { EMPTY, expand, map, type Observable } from 'rxjs';
import type { StorageError } from '../model/errors.js';

/** One stored key and its value. */
export type StorageEntry = readonly [key: string, value: Uint8Array];

/** One change of a batch: put or delete an entry. */
export type StorageChange = StoragePut | { readonly type: 'del'; readonly key: string };

/** Stores a value under a key. */
export interface StoragePut {
  readonly type: 'put';
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * A range of keys, with a limit of entries and bytes.
 *
 * @see {@link Storage}
 */
export interface StorageRange {
  /** The first key, inclusive. */
  readonly from: string;
  /** The end of the range: the range has only keys before this one. */
  readonly to: string;
  /** Whether to read backwards from the end of the range; `limit` and `bytesMax` count from there. */
  readonly reverse?: boolean;
  /** The largest number of entries. */
  readonly limit: number;
  /**
   * The largest size of a page. The page ends after the entry at which the sum of its values reaches this many bytes,
   * so that it has at least one entry if any exists.
   */
  readonly bytesMax: number;
}

/** The range of a single key. */
export const keyRangeOf = (key: string): StorageRange => ({ from: key, to: `${key} `, limit: 1, bytesMax: Infinity });

/** Whether a range contains only its first key: engines read one value faster than a range. */
export const isOneKey = ({ from, to }: StorageRange): boolean => to.length === from.length + 1 && to === `${from} `;

/**
 * Reads the value of one key, or emits `missing` without one. Cold; emits once and completes; errors with a
 * `StorageError`, also when `decode` throws one.
 */
export const readRecord = <A, M>(
  storage: Pick<Storage, 'range'>,
  key: string,
  decode: (key: string, value: Uint8Array) => A,
  missing: M,
): Observable<A | M> => storage.range(keyRangeOf(key)).pipe(map(([found]) => (found ? decode(...found) : missing)));

/**
 * Reads a range of a storage page by page. Requests the next page after the subscriber has processed the current one;
 * the last page is empty. Cold; completes; errors with a `StorageError`.
 */
export const readStoragePages = (
  storage: Pick<Storage, 'range'>,
  whole: StorageRange,
): Observable<readonly StorageEntry[]> =>
  storage.range(whole).pipe(
    expand((entries) => {
      const end = entries.at(-1);
      return end ? storage.range({ ...whole, from: `${end[0]} ` }) : EMPTY; // A space: the first key after it.
    }),
  );

/**
 * The port that stores bytes: ordered keys, range reads, atomic batches. It knows neither objects nor logs.
 *
 * Keys are 1 to 2048 characters of printable ASCII (0x20–0x7e), ordered by code: every engine agrees on that order.
 * Bytes must not be changed after they were passed or returned, because adapters store and return the same arrays.
 *
 * All streams are cold and run once per subscription. Unsubscribing cancels the result, not the work. A stream that
 * errors with a `StorageError` has changed nothing. Test an adapter with `storageSuite` of `tidemark/testing`.
 *
 * @example
 * ```ts
 * const entries = await firstValueFrom(storage.range({ from: 'a', to: 'b', limit: 10, bytesMax: 1024 }));
 * ```
 */
export interface Storage {
  /**
   * Reads a range, which includes every batch that completed before. Cold. Emits the entries of the range once, in the
   * order of their keys, and completes. Errors with a `StorageError`.
   *
   * @param range - The keys, the order and the limits.
   * @returns A stream of one array of entries.
   */
  readonly range: (range: StorageRange) => Observable<readonly StorageEntry[]>;
  /**
   * Reads the values of some keys, as `range` does for each. Cold. Emits them once, in the order of the keys, with
   * `undefined` for a missing key, and completes. Errors with a `StorageError`.
   *
   * Optional: without this method each key is read by `range`, which takes a server several times as long.
   *
   * @param keys - The keys, in any order.
   * @returns A stream of one array of values.
   */
  readonly readMany?: (keys: readonly string[]) => Observable<readonly (Uint8Array | undefined)[]>;
  /**
   * Applies all changes in their order, or none. Batches take effect in the order of their subscriptions. Cold. Emits
   * nothing. Completes when the changes are applied; with `durable` when they and all earlier ones would survive a
   * power cut. A power cut may lose other batches, but none without all later ones. Errors with a `StorageError`.
   *
   * @param changes - The entries to put and to delete.
   * @param options - `durable`: whether the batch completes only when it would survive a power cut.
   * @returns A stream without values.
   */
  readonly batch: (changes: readonly StorageChange[], options: { readonly durable: boolean }) => Observable<never>;
  /**
   * Copies all present entries to `sink`, page by page in the order of their keys. Later batches run meanwhile and are
   * not copied. Cold. Emits nothing. Completes after the last page. Errors with the error of `sink` or a
   * `StorageError`.
   *
   * Optional: a storage without this method has no backup while it is in use.
   *
   * @param sink - Takes one page. The next page follows when the returned stream has completed.
   * @returns A stream without values.
   */
  readonly copy?: (sink: (entries: readonly StorageEntry[]) => Observable<unknown>) => Observable<never>;
  /**
   * Closes the storage. Later calls error, except for `close`. Cold. Emits nothing. Completes when all running calls
   * have ended and everything is released. Errors with a `StorageError`.
   *
   * @returns A stream without values.
   */
  readonly close: () => Observable<never>;
  /**
   * Observes the loss of the open storage: its data was evicted, deleted or taken over. Hot. Emits once, and replays
   * the value. Completes when the storage is closed. Never errors. The value is the error with which all later calls
   * but `close` error.
   *
   * Optional: only for storages that can be lost while they are open.
   */
  readonly lost$?: Observable<StorageError>;
  /**
   * Whether no batch completes synchronously. A realm then waits for the end of the event-loop turn before it writes a
   * batch, so that all writes of that turn are stored together. `false` by default.
   */
  readonly isAsynchronous?: boolean;
}

/**
 * A stream that opens a storage. Cold: opens on subscription. Emits one storage and completes. Errors with a
 * `StorageError`, for example when the storage is in use.
 *
 * @example
 * ```ts
 * const storage: OpenStorage = defer(() => of(memoryStorage()));
 * ```
 */
export type OpenStorage = Observable<Storage>;
