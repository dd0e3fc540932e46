import type { Observable } from 'rxjs';
import type { StorageChange } from '../storage/storage.js';
import type { Version } from '../model/version.js';

/** Consecutive entries of a log. */
export interface LogPage<Entry> {
  readonly entries: readonly Entry[];
  /** The version of the last entry. */
  readonly upTo: Version;
}

/**
 * An append-only log on a storage. Outbox and history are logs.
 *
 * A log does not write by itself. It returns the changes that an append or a trim needs, so that its owner can write
 * them in one batch with other changes. The owner then confirms that the batch is durable. Only after that do readers
 * and followers see the change.
 */
export interface Log<Entry> {
  /** The version of the last durable entry; 0 before the first. */
  readonly head: Version;
  /** The version up to which entries have been trimmed; 0 when none has. */
  readonly floor: Version;
  /**
   * Emits `head` on subscription and whenever it grows. Hot. Never errors; completes with `close` and `confirmRestart`.
   */
  readonly head$: Observable<Version>;
  /** Returns the changes that store `entries` at the versions after `after`. Changes nothing itself. */
  readonly toAppendChanges: (after: Version, entries: readonly Entry[]) => StorageChange[];
  /** Confirms that the batch with `toAppendChanges(after, entries)` is durable. `after` must be `head`. */
  readonly confirmAppend: (after: Version, entries: readonly Entry[]) => void;
  /** Returns the changes that remove all entries up to a version and store the new `floor`. */
  readonly toTrimChanges: (upTo: Version) => StorageChange[];
  /** Confirms that the batch with `toTrimChanges(upTo)` is durable. */
  readonly confirmTrim: (upTo: Version) => void;
  /**
   * Returns the change after which an empty log continues after a version, as if entries up to there had been trimmed.
   * Changes nothing itself.
   */
  readonly toSkipChanges: (upTo: Version) => StorageChange[];
  /** Confirms that the batch with `toSkipChanges(upTo)` is durable. */
  readonly confirmSkip: (upTo: Version) => void;
  /**
   * Joins the entries that the changes of one batch append into blocks, and returns the changes to write instead. Other
   * changes stay, in their order. Called for each batch in the order in which they are written.
   */
  readonly pack: (changes: readonly StorageChange[]) => readonly StorageChange[];
  /** Called after a packed batch failed, before the next one is packed. */
  readonly discardPending: () => void;
  /** Returns the changes that delete entries which are pending. Changes nothing itself. */
  readonly toDeleteChanges: (entries: readonly Entry[]) => StorageChange[];
  /** Returns the changes that replace the entries of the same versions, stored or pending. */
  readonly toReplaceChanges: (entries: readonly Entry[]) => StorageChange[];
  /**
   * Confirms that the batch with `toReplaceChanges(entries)` is durable. Followers that have received the earlier
   * entries keep those.
   */
  readonly confirmReplace: (entries: readonly Entry[]) => void;
  /**
   * Returns the changes that replace all entries by `entries`, numbered from 1. `upTo` is the last pending version,
   * which is removed too.
   */
  readonly toRestartChanges: (upTo: Version, entries: readonly Entry[]) => StorageChange[];
  /**
   * Confirms that the batch with `toRestartChanges(…, entries)` is durable. The log counts from 1 again, and `head$`
   * completes for its current subscribers.
   */
  readonly confirmRestart: (entries: readonly Entry[]) => void;
  /**
   * Reads the next entries after a version: at most `limits.pageChangesetsMax`, ending with the entry that reaches
   * `limits.pageBytesMax`. From the storage it may end earlier, because the storage counts encoded bytes. Empty at the
   * head. Recent entries come from memory, others from the storage. Cold. Emits once and completes; errors with a
   * `StorageError` for corrupt, missing or trimmed entries.
   */
  readonly page: (after: Version) => Observable<LogPage<Entry>>;
  /** Returns the changes that store the whole log in an empty storage; `null` when not all entries are in memory. */
  readonly dump: () => StorageChange[] | null;
  readonly close: () => void;
}
