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
} from '../model/changeset.js';
import type { SetAsideReport } from '../model/set-aside-report.js';
import type { Version } from '../model/version.js';

/** What a `bind` says of a realm. */
export interface Greeting {
  readonly replica: string;
  /** The history this replica belongs to; `null` before its first bind. */
  readonly history: string | null;
  /** The server version up to which everything is stored here. */
  readonly downloadedTo: Version;
  /** The client version up to which the server is known to have everything. */
  readonly acknowledged: Version;
  /** Whether what it wrote itself has to come down, too: since a snapshot, until it has caught up. */
  readonly includeOwn: boolean;
  /** The runs in which it wrote what may not be on the server, the present one last. */
  readonly runs: readonly Run[];
}

/** What waits to be uploaded. */
export interface OutboxState {
  /** The last client version that is durable here. */
  readonly written: Version;
  /** The last that the server has acknowledged, as stored here. */
  readonly acknowledged: Version;
  /** Bytes of everything that was ever acknowledged, kept across restarts. */
  readonly acknowledgedBytes: number;
  readonly changesets: number;
  readonly bytes: number;
}

/** All objects of the history at one server version, on their way into a realm. */
export interface RealmSnapshot {
  readonly version: Version;
  readonly objects: readonly StoredObject[];
  /** Bytes of the history up to there. */
  readonly bytes: number;
  /** Bytes of what follows. */
  readonly remainingBytes: number;
}

/** A page of the history on its way into a realm. */
export interface DownloadPage {
  readonly changesets: readonly ServerChangeset[];
  /** Everything up to this server version is covered by it. */
  readonly upTo: Version;
  /** Bytes of the history up to there. */
  readonly bytes: number;
  /** Bytes of what follows. */
  readonly remainingBytes: number;
  /** How many changesets follow. */
  readonly remaining: number;
}

/** What the server said of the time when it was bound. */
export interface ServerClockReading {
  /** By its clock, in milliseconds since the epoch. */
  readonly serverTime: number;
  /** How far its clock is ahead of this device's, in milliseconds, as far as one round trip tells. */
  readonly offset: number;
  /** By how much that may be wrong: what differs by less is no news. */
  readonly margin: number;
  /**
   * The client version up to which the server has taken or refused changesets: those keep their stamps; absent: none.
   */
  readonly decided?: Version;
  /** Its horizon: nothing is taken that is stamped before this time. Missing: everything is. */
  readonly retentionCutoff?: number;
}

/** How much of the history is here when a session starts. */
export interface InitialDownload {
  readonly version: Version;
  readonly bytes: number;
  /** Of how much, as the server last said; `null` when it has never said. */
  readonly ofBytes: number | null;
}

/**
 * What a session asks of a realm. Streams only: a promise could be neither cancelled nor drawn in marbles. The commands
 * are cold, work once per subscription, complete when durable, and error with a `StorageError` having changed nothing.
 */
export interface SyncedRealm {
  /** What a bind would say now. Emits once and completes. */
  readonly greeting$: Observable<Greeting>;
  /**
   * What waits: the present value on subscription, then after every change of it. Completes when the realm's storage is
   * closed.
   */
  readonly outbox$: Observable<OutboxState>;
  /** The stamp of a changeset that waits; `null`: it does not. Emits once and completes. */
  readonly stampOf: (version: Version) => Observable<Instant | null>;
  /**
   * Pages of the outbox after a client version, each as soon as it exists and there is room: at most `pagesMax()` pages
   * are ahead of what `accepted$` has reached, asked whenever there might be room. Never completes by itself.
   */
  readonly uploads: (
    after: Version,
    accepted$: Observable<Version>,
    pagesMax: () => number,
  ) => Observable<readonly Changeset[]>;
  /**
   * Merges a page and stores it with its cursor, in one batch; emits which objects that has set aside, if any, and
   * completes when reads see it. Errors with an `UnreadableChangeError` for bytes that are no change.
   */
  readonly integrate: (page: DownloadPage) => Observable<SetAsideReport>;
  /**
   * Puts a snapshot in the place of all objects, in one batch with its cursor: they become what it says with the unsent
   * changes on top, and what is in neither goes. Emits and completes as `integrate` does. Errors with an
   * `UnreadableChangeError` for bytes that are no object.
   */
  readonly replace: (snapshot: RealmSnapshot) => Observable<SetAsideReport>;
  /** Takes what the server has acknowledged out of the outbox. */
  readonly acknowledge: (version: Version) => Observable<never>;
  /**
   * Takes changesets back that the server refused, and everything before the last one out of the outbox: in one batch,
   * each object they touched becomes what stands on the server with the later unsent changes on top. Emits and
   * completes as `integrate` does. What was dealt with before changes nothing.
   */
  readonly rollBack: (...refusals: readonly RejectedChangeset[]) => Observable<SetAsideReport>;
  /**
   * Starts over with another history, in one batch: a new replica that has seen nothing, and objects that are only what
   * the unsent changes make of them, which are numbered from 1 again; or none, when those are discarded. `rejoin`: the
   * same replica with the same numbers, until that was tried: the history may have what this realm takes for unsent.
   * `copied`: a new replica of the same history, which keeps the stamps of its unsent changes.
   */
  readonly reset: (mode: ClientResetKind) => Observable<never>;
  /**
   * Ties the realm to a user, at first sight. Errors with a `SyncError` `other-user`, having changed nothing, when it
   * is another user's.
   */
  readonly claim: (user: string) => Observable<never>;
  /** Ties the realm to a history, at its first bind. */
  readonly adopt: (history: string) => Observable<never>;
  /** Checks each write by what the server takes, from now on, also after a restart. */
  readonly limit: (limits: WriteLimits) => Observable<never>;
  /** The objects that a changeset touches. */
  readonly objectsOf: (changeset: Changeset) => readonly ObjectName[];
  /**
   * Stamps what is written from now on by the server's time; and what was stamped too late, and never went out, again,
   * in one batch, without changing what reads see. Said after what the server has was acknowledged, and before anything
   * is uploaded.
   */
  readonly correct: (told: ServerClockReading) => Observable<never>;
  /**
   * Forgets deleted objects and removed elements that are older than the server's horizon, in pieces between which
   * others go on; reads stay the same. Said when everything up to the horizon's version is stored.
   */
  readonly forget: (horizon: RetentionCutoff) => Observable<never>;
}
