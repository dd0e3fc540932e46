import type { Observable } from 'rxjs';
import type { StorageChange } from '../storage/storage.js';
import type { Version } from '../model/version.js';

/** A run of a log: entries in order, without a gap. */
export interface LogPage<Entry> {
  readonly entries: readonly Entry[];
  /** The version of the last one. */
  readonly upTo: Version;
}

/**
 * An append-only log on a storage. Outbox and history are both one of these.
 *
 * A log never writes by itself: it says which changes an append or a trim takes, so that its owner can put them into
 * one batch with what belongs to them, and is told when that batch is durable. Only then do readers and followers see
 * it.
 */
export interface Log<Entry> {
  /** The version of the last entry that is durable; 0 before the first. */
  readonly head: Version;
  /** Entries up to this version have been trimmed; 0 when none has. */
  readonly floor: Version;
  /** `head` now, then whenever it grows. Hot, never errors, completes with `close` and with `restarted`. */
  readonly head$: Observable<Version>;
  /** The changes that put `entries` at the versions after `after`. Changes nothing itself. */
  readonly toAppendChanges: (after: Version, entries: readonly Entry[]) => StorageChange[];
  /** Tells the log that the batch with `puts(after, entries)` is durable. `after` must be `head`. */
  readonly confirmAppend: (after: Version, entries: readonly Entry[]) => void;
  /** The changes that take all entries up to a version away, the memory of `floor` included. */
  readonly toTrimChanges: (upTo: Version) => StorageChange[];
  /** Tells the log that the batch with `trims(upTo)` is durable. */
  readonly confirmTrim: (upTo: Version) => void;
  /**
   * The change that has a log which is empty go on after a version: entries up to there were trimmed before they were.
   * Changes nothing itself.
   */
  readonly toSkipChanges: (upTo: Version) => StorageChange[];
  /** Tells the log that the batch with `skips(upTo)` is durable. */
  readonly confirmSkip: (upTo: Version) => void;
  /**
   * The changes that put `entries` in the place of those that have their versions, stored or about to be. Changes
   * nothing itself.
   */
  readonly toReplaceChanges: (entries: readonly Entry[]) => StorageChange[];
  /**
   * Tells the log that the batch with `replaces(entries)` is durable. Who follows it and was given the others keeps
   * those.
   */
  readonly confirmReplace: (entries: readonly Entry[]) => void;
  /**
   * The changes that put `entries`, numbered from 1, in the place of all that is here, and of what is about to be up to
   * a version.
   */
  readonly toRestartChanges: (upTo: Version, entries: readonly Entry[]) => StorageChange[];
  /**
   * Tells the log that the batch with `restarts(…, entries)` is durable: it counts from 1 again, and who followed it is
   * let go.
   */
  readonly confirmRestart: (entries: readonly Entry[]) => void;
  /**
   * The next entries after a version: at most `limits.pageChangesetsMax`, ending with the one that reaches
   * `limits.pageBytesMax` (from the storage also earlier, when an entry's bytes are more than it counts for); empty at
   * the head. From memory if it is recent, else from the storage. Cold; emits once, completes; errors with a
   * `StorageError` for what is torn, missing or trimmed.
   */
  readonly page: (after: Version) => Observable<LogPage<Entry>>;
  /**
   * Tells the log entries that it has, the newest included, so that they need not be read again: as many as fit its
   * memory.
   */
  readonly remember: (entries: readonly Entry[]) => void;
  /** The changes that put all of it into an empty storage; `null` when not all of it is in memory. */
  readonly dump: () => StorageChange[] | null;
  readonly close: () => void;
}
