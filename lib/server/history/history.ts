import type { Observable } from 'rxjs';
import type { Instant, RejectedWrite } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Log } from '../../log/log.js';
import type { Projection } from './projection.js';
import type { HistoryRecord } from './history-record.js';
import type { ReplicaCursor } from './record-codec.js';
import type { ScopeRecord } from '../scope/scope-records.js';
import type { WatchedTypes } from './watched-properties.js';

/** A run of a replica whose changesets were accepted. It ends where the next one begins. */
export interface AcceptedRun {
  readonly id: string;
  /** The first accepted client version of the run. */
  readonly from: Version;
  /** Number of the run among the runs of its replica, from 1. */
  readonly number: number;
}

/**
 * The stored record of a replica.
 *
 * @see {@link History.readReplica}
 */
export interface ReplicaRecord {
  /** The user that the replica's first bind tied it to. */
  readonly user: string;
  /** The client version up to which the replica's changesets are decided: in the history, or rejected. */
  readonly accepted: Version;
  /** Whether rejected changesets of the replica may be stored. */
  readonly hasRejected: boolean;
  /** Stamp of the changeset `accepted`; `null` if it is not known. */
  readonly stamp: Instant | null;
  /** Run of the changeset `accepted`, or `null` if it is not known. */
  readonly run: AcceptedRun | null;
}

/**
 * A rejected changeset of a replica, with its reasons.
 *
 * @see {@link History.readRejected}
 */
export interface RejectionRecord {
  /** The id of the replica. */
  readonly replica: string;
  /** The client version of the changeset. */
  readonly version: Version;
  /** The rejected objects, each with the reason. */
  readonly writes: readonly RejectedWrite[];
  /** The reason as a code: `not-permitted`, `permission-denied`, `too-large`, `schema` and others. */
  readonly code: string;
}

/**
 * Changesets to append, with the new records of the replicas that wrote them.
 *
 * @see {@link History.append}
 */
export interface Addition {
  /** The head that the writer knows. Nothing is appended if the history has another head. */
  readonly after: Version;
  /** The changesets, with consecutive versions after `after`. */
  readonly changesets: readonly HistoryRecord[];
  /** The new records, by ids of replicas. */
  readonly replicas: ReadonlyMap<string, ReplicaRecord>;
  /** The rejected changesets to store with the accepted ones. */
  readonly rejected: readonly RejectionRecord[];
  /** The runs that begin with these changesets, in order. The latest `runsMax` runs of each replica are kept. */
  readonly runs: readonly RunStart[];
}

/** The first changeset of a run. */
export interface RunStart {
  readonly replica: string;
  readonly run: AcceptedRun;
}

/**
 * The port of a realm's history, which is the only source of truth about the realm. `storage-history.ts` keeps it on
 * the server's own storage. A database or a replicated stream engine that several servers share can implement it as
 * well.
 *
 * All streams are cold, act once per subscription, and error with a `StorageError` without any change.
 *
 * @see `historySuite` of `tidemark/testing`, which every implementation must pass.
 */
export interface History {
  /** Drawn when the history is created. A replica that knows another id needs a client reset. */
  readonly id: string;
  /**
   * Reads the history. `head$` is only a hint that may be late or repeat; `page` emits the facts. Both show only
   * durable changesets.
   */
  readonly log: Pick<Log<HistoryRecord>, 'head' | 'floor' | 'head$' | 'page'>;
  /** The `total` of the last durable changeset; 0 before the first. */
  readonly bytes: number;
  /**
   * Reads the record of a replica. Cold. Emits the record, or `null` for an unknown replica, once and completes. Errors
   * with a `StorageError`.
   *
   * @param id - The id of the replica.
   * @returns A stream of the record or `null`.
   */
  readonly readReplica: (id: string) => Observable<ReplicaRecord | null>;
  /**
   * Reads the stored runs of a replica. Cold. Emits all runs once, in order, and completes. Errors with a
   * `StorageError`.
   *
   * @param id - The id of the replica.
   * @returns A stream of one array.
   */
  readonly readRuns: (id: string) => Observable<readonly AcceptedRun[]>;
  /**
   * Stores a replica without changesets. Cold. Emits nothing. Completes when done; not yet durable. Errors with a
   * `StorageError`.
   *
   * @param id - The id of the replica.
   * @param user - The id of the user.
   * @returns A stream without values.
   */
  readonly createReplica: (id: string, user: string) => Observable<never>;
  /**
   * Reads the stored rejections of a replica. Cold. Emits all of them once, in the order of versions, and completes.
   * Errors with a `StorageError`.
   *
   * @param id - The id of the replica.
   * @returns A stream of one array.
   */
  readonly readRejected: (id: string) => Observable<readonly RejectionRecord[]>;
  /**
   * Deletes rejections of a replica. Cold. Emits nothing. Completes when done; not yet durable. Errors with a
   * `StorageError`.
   *
   * @param id - The id of the replica.
   * @param versions - The client versions of the rejected changesets.
   * @returns A stream without values.
   */
  readonly forgetRejected: (id: string, versions: readonly Version[]) => Observable<never>;
  /**
   * Stores replica cursors. Cold. Emits nothing. Completes when done; not yet durable. Errors with a `StorageError`.
   *
   * @param cursors - The cursors by ids of replicas.
   * @returns A stream without values.
   */
  readonly writeCursors: (cursors: ReadonlyMap<string, ReplicaCursor>) => Observable<never>;
  /**
   * Reads all stored replica cursors. Cold. Emits them page by page. Completes after the last page. Errors with a
   * `StorageError`. Each value is a list of ids of replicas and their cursors.
   */
  readonly cursors$: Observable<readonly (readonly [replica: string, ReplicaCursor])[]>;
  /**
   * Deletes replica cursors, not the replicas. Cold. Emits nothing. Completes when done; not yet durable. Errors with a
   * `StorageError`.
   *
   * @param ids - The ids of the replicas.
   * @returns A stream without values.
   */
  readonly forgetCursors: (ids: readonly string[]) => Observable<never>;
  /**
   * The properties that filters of the realm name. Stored with the history. The server adds the values of these
   * properties to the changesets that it appends, as `touches`.
   */
  readonly watchedProperties: WatchedTypes;
  /**
   * Reads the scopes that a user has or had, the present one first. Cold. Emits them once and completes; none for an
   * unknown user. Errors with a `StorageError`.
   *
   * @param user - The id of the user.
   * @returns A stream of one list.
   */
  readonly readScopes: (user: string) => Observable<readonly ScopeRecord[]>;
  /**
   * Replaces the scopes of a user. Cold. Emits nothing. Completes when done; not yet durable. Errors with a
   * `StorageError`.
   *
   * @param user - The id of the user.
   * @param scopes - The scopes, the present one first.
   * @returns A stream without values.
   */
  readonly writeScopes: (user: string, scopes: readonly ScopeRecord[]) => Observable<never>;
  /** The objects of the history, at a version at or before its head. */
  readonly projection: Projection;
  /**
   * Removes all changesets up to a version, which must not be after that of `projection`. Cold. Emits nothing.
   * Completes when durable. Errors with a `StorageError`.
   *
   * @param upTo - The server version of the last removed changeset.
   * @returns A stream without values.
   */
  readonly trim: (upTo: Version) => Observable<never>;
  /**
   * Time of the latest stamp in the history, rounded up by at most an hour; 0 for an empty history. Stored with the
   * history.
   */
  readonly latestStampTime: number;
  /**
   * Changesets that were stamped before this time, in milliseconds since the epoch, are not accepted any more, because
   * the tombstones that they might lose to are removed.
   */
  readonly retentionCutoff: number;
  /** All changesets after this server version are stamped at or after `retentionCutoff`. */
  readonly retentionCutoffFrom: Version;
  /**
   * Raises the retention cutoff, which holds from the call on. Cold. Emits nothing. Completes when durable. Errors with
   * a `StorageError`.
   *
   * @param cutoff - The time before which no changeset is accepted any more, in milliseconds since the epoch.
   * @returns A stream without values.
   */
  readonly raiseRetentionCutoff: (cutoff: number) => Observable<never>;
  /**
   * Appends everything or nothing. Readers and followers see the addition when it is durable, not before. Cold. Emits
   * nothing. Completes when durable. Errors with a `StorageError`.
   *
   * @param addition - The changesets, records, rejections and runs.
   * @returns A stream without values.
   */
  readonly append: (addition: Addition) => Observable<never>;
  /** Releases the followers. No other operation may be pending. */
  readonly close: () => void;
}
