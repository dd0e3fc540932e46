import type { Observable } from 'rxjs';
import type {
  Changeset,
  RetentionCutoff,
  Instant,
  ObjectName,
  RejectedChangeset,
  ClientResetKind,
  Run,
  ServerChangeset,
  StoredObject,
  WriteLimits,
} from './changeset.js';
import type { SetAsideReport } from './set-aside-report.js';
import type { Version } from './version.js';
import type { PlacedView } from './view.js';
import type { SyncedView } from './view-port.js';

/** The state of a replica that a `bind` message sends. */
export interface Greeting {
  readonly replica: string;
  /** Id of the history that this replica belongs to. `null` before its first bind. */
  readonly history: string | null;
  /** The server version up to which everything is stored here. */
  readonly downloadedTo: Version;
  /** The client version up to which the server is known to have everything. */
  readonly acknowledged: Version;
  /** Whether the server must also send the replica's own changes: after a snapshot, until the replica has caught up. */
  readonly includeOwn: boolean;
  /** The runs whose changesets may be missing on the server, the current run last. */
  readonly runs: readonly Run[];
  /** The view that the objects are of. Absent: the realm has all objects. */
  readonly view?: PlacedView;
}

/** The changesets that wait to be uploaded. */
export interface OutboxState {
  /** The last client version that is durable here. */
  readonly written: Version;
  /** The last client version that the server has acknowledged, as stored here. */
  readonly acknowledged: Version;
  /** Bytes of all changesets that were ever acknowledged, kept across restarts. */
  readonly acknowledgedBytes: number;
  readonly changesets: number;
  readonly bytes: number;
}

/** All objects of the history at one server version, to be applied to a realm. */
export interface RealmSnapshot {
  readonly version: Version;
  readonly objects: readonly StoredObject[];
  /** Bytes of the history up to this version. */
  readonly bytes: number;
  /** Bytes of the history after this version. */
  readonly remainingBytes: number;
}

/** A page of the history, to be applied to a realm. */
export interface DownloadPage {
  readonly changesets: readonly ServerChangeset[];
  /** The server version up to which the page covers everything. */
  readonly upTo: Version;
  /** Bytes of the history up to `upTo`. */
  readonly bytes: number;
  /** Bytes of the history after `upTo`. */
  readonly remainingBytes: number;
  /** Number of changesets after `upTo`. Absent: unknown. */
  readonly remaining?: number;
}

/** A reading of the server's clock, taken at the bind. */
export interface ServerClockReading {
  /** Time of the server's clock, in milliseconds since the epoch. */
  readonly serverTime: number;
  /** Milliseconds by which the server's clock is ahead of this device's, as far as one round trip shows. */
  readonly offset: number;
  /** Milliseconds by which `offset` may be wrong. Smaller differences are ignored. */
  readonly margin: number;
  /**
   * The client version up to which the server has accepted or rejected changesets, which keep their stamps. Absent:
   * none.
   */
  readonly decided?: Version;
  /** The server's retention cutoff: it accepts no changeset that is stamped before this time. Absent: no cutoff. */
  readonly retentionCutoff?: number;
}

/** The part of the history that is stored here when a session starts. */
export interface InitialDownload {
  readonly version: Version;
  readonly bytes: number;
  /** Bytes of the whole history, as the server last sent them. `null` when it never has. */
  readonly ofBytes: number | null;
}

/**
 * The operations of a realm that a session needs.
 *
 * Streams only, because a promise can be neither cancelled nor drawn in marbles. The commands are cold and work once
 * per subscription. They complete when their effect is durable, and error with a `StorageError` when nothing has
 * changed.
 */
export interface SyncedRealm {
  /** The state that a bind would send now. Emits once and completes. */
  readonly greeting$: Observable<Greeting>;
  /** The operations of a realm with subscriptions. Absent in any other realm. */
  readonly view?: SyncedView | undefined;
  /**
   * The state of the outbox: the current value on subscription, then every change. Completes when the realm's storage
   * is closed.
   */
  readonly outbox$: Observable<OutboxState>;
  /** The stamp of a changeset in the outbox. `null`: the outbox does not have it. Emits once and completes. */
  readonly stampOf: (version: Version) => Observable<Instant | null>;
  /**
   * Emits the pages of the outbox after a client version, each as soon as it exists and the window allows it.
   *
   * At most `pagesMax()` pages are ahead of the last version of `accepted$`. `pagesMax` is called whenever the window
   * may allow a page. Never completes by itself.
   */
  readonly uploads: (
    after: Version,
    accepted$: Observable<Version>,
    pagesMax: () => number,
  ) => Observable<readonly Changeset[]>;
  /**
   * Merges a page and stores it with its cursor, in one batch.
   *
   * Emits the objects that were set aside by this page, if any. Completes when reads see the page. Errors with an
   * `UnreadableChangeError` for bytes that are not a change.
   */
  readonly integrate: (page: DownloadPage) => Observable<SetAsideReport>;
  /**
   * Replaces all objects with a snapshot, in one batch with its cursor.
   *
   * The objects become those of the snapshot with the unsent changes applied to them. Objects that are in neither are
   * removed. A snapshot that is not newer than the realm changes nothing. Afterwards `greeting$` has `includeOwn` until
   * the last page of the history is integrated. Emits and completes as `integrate` does. Errors with an
   * `UnreadableChangeError` for bytes that are not an object.
   */
  readonly replace: (snapshot: RealmSnapshot) => Observable<SetAsideReport>;
  /** Removes the changesets up to this client version from the outbox, because the server has acknowledged them. */
  readonly acknowledge: (version: Version) => Observable<never>;
  /**
   * Rolls back changesets that the server rejected, and removes all changesets up to the last of them from the outbox.
   *
   * One batch: each object that they touched becomes its server state with the later unsent changes applied to it.
   * Later pages must wait for it, because they are newer than the server states. Emits and completes as `integrate`
   * does; errors with an `UnreadableChangeError` for invalid server states. A changeset that was handled before changes
   * nothing.
   */
  readonly rollBack: (...rejected: readonly RejectedChangeset[]) => Observable<SetAsideReport>;
  /**
   * Performs a client reset, in one batch.
   *
   * The result is a new replica that has downloaded nothing. Its objects are made of the unsent changes, which are
   * numbered from 1 again. With `discard` it has no objects. `keepReplica` keeps the replica and its numbers, because
   * the history may have the changes that this realm takes for unsent. `copied` makes a new replica of the same
   * history, whose unsent changes keep their stamps. A second `keepReplica` without a bind in between is a `recover`.
   *
   * Client versions that earlier writes returned become invalid, and earlier `uploads` complete. Pages,
   * acknowledgements and rejections that arrive while the reset is pending are ignored.
   */
  readonly reset: (mode: ClientResetKind) => Observable<never>;
  /**
   * Ties the realm to its first user. Errors with a `SyncError` `other-user`, having changed nothing, for any other
   * user.
   */
  readonly claim: (user: string) => Observable<never>;
  /** Ties the realm to a history, at its first bind. */
  readonly adopt: (history: string) => Observable<never>;
  /** Checks each write against the limits of the server from now on, also after a restart. */
  readonly limit: (limits: WriteLimits) => Observable<never>;
  /** Returns the objects that a changeset touches. */
  readonly objectsOf: (changeset: Changeset) => readonly ObjectName[];
  /**
   * Stamps new changesets by the server's clock from now on.
   *
   * Also stamps unsent changesets again, in one batch, if their stamps are too late and they were never uploaded. Reads
   * do not change. Called after the server's acknowledgements are applied, and before anything is uploaded.
   */
  readonly correct: (reading: ServerClockReading) => Observable<never>;
  /**
   * Removes tombstones that are older than the server's retention cutoff. Reads do not change.
   *
   * Works in pieces, so that other work can run in between. Called when everything up to the version of the cutoff is
   * stored.
   */
  readonly forget: (cutoff: RetentionCutoff) => Observable<never>;
}
