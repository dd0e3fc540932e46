import type { Observable } from 'rxjs';
import type { Instant, RejectedWrite } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Log } from '../../log/log.js';
import type { Projection } from './projection.js';
import type { HistoryRecord } from './history-record.js';
import type { ReplicaCursor } from './record-codec.js';

/** A run of a replica, as far as its changesets were accepted. It ends where the next one begins. */
export interface AcceptedRun {
  readonly id: string;
  /** The first client version of it that was accepted. */
  readonly from: Version;
  /** Which run of the replica it is, counted from 1. */
  readonly number: number;
}

/** What a history remembers of a replica. */
export interface ReplicaRecord {
  /** The user it was tied to at first sight. */
  readonly user: string;
  /** The client version up to which its changesets are dealt with: in the history, or refused. */
  readonly accepted: Version;
  /** Whether something of it may be refused and not forgotten. */
  readonly hasRejected: boolean;
  /** The stamp of the changeset `accepted`; `null`: there is none. */
  readonly stamp: Instant | null;
  /** The run that wrote the changeset `accepted`; `null`: there is none. */
  readonly run: AcceptedRun | null;
}

/** A changeset of a replica that was refused, and why. */
export interface RejectionRecord {
  readonly replica: string;
  /** Its client version. */
  readonly version: Version;
  readonly writes: readonly RejectedWrite[];
  /** Why, as a word. */
  readonly code: string;
}

/** Changesets on their way into a history, with what becomes of the replicas that wrote them. */
export interface Addition {
  /** The head that the writer knows: nothing is added when the history has another one. */
  readonly after: Version;
  readonly changesets: readonly HistoryRecord[];
  readonly replicas: ReadonlyMap<string, ReplicaRecord>;
  readonly rejected: readonly RejectionRecord[];
  /** The runs that begin with it, in order. Of each replica the latest `runsMax` are remembered. */
  readonly runs: readonly RunStart[];
}

/** A run of a replica that begins. */
export interface RunStart {
  readonly replica: string;
  readonly run: AcceptedRun;
}

/**
 * The port behind which a realm's history is kept: the only truth about the realm. The embedded one is
 * `storage-history.ts`; a database or a replicated stream engine can stand here as well, shared by several servers.
 *
 * All streams are cold, work once per subscription, and error with a `StorageError` having changed nothing.
 */
export interface History {
  /** Drawn when the history is made. A replica that knows another one has to start over. */
  readonly id: string;
  /**
   * Reading. `head$` is only a hint: it may be late or repeat, what `page` emits is the truth. Neither shows anything
   * that is not durable.
   */
  readonly log: Pick<Log<HistoryRecord>, 'head' | 'floor' | 'head$' | 'page'>;
  /** The `total` of the last changeset that is durable; 0 before the first. */
  readonly bytes: number;
  /** What is known of a replica, or `null`. Emits once and completes. */
  readonly readReplica: (id: string) => Observable<ReplicaRecord | null>;
  /** The runs of a replica that are remembered, in order. Emits once and completes. */
  readonly readRuns: (id: string) => Observable<readonly AcceptedRun[]>;
  /** Remembers a replica that has nothing in the history yet. Completes when done; not yet durable. */
  readonly createReplica: (id: string, user: string) => Observable<never>;
  /** What was refused of a replica and is not forgotten, in the order of the versions. Emits once and completes. */
  readonly readRejected: (id: string) => Observable<readonly RejectionRecord[]>;
  /** Forgets refusals of a replica. Completes when done; not yet durable. */
  readonly forgetRejected: (id: string, versions: readonly Version[]) => Observable<never>;
  /** Remembers what replicas have seen. Completes when done; not yet durable. */
  readonly writeCursors: (cursors: ReadonlyMap<string, ReplicaCursor>) => Observable<never>;
  /** What is remembered of that, page by page. */
  readonly cursors$: Observable<readonly (readonly [replica: string, ReplicaCursor])[]>;
  /** Forgets what replicas have seen, not the replicas. */
  readonly forgetCursors: (ids: readonly string[]) => Observable<never>;
  /** The objects as the history makes them, some way behind its head. */
  readonly projection: Projection;
  /** Takes everything up to a version away. Not past `projection`. Completes when it is durable. */
  readonly trim: (upTo: Version) => Observable<never>;
  /**
   * The time of the latest stamp in the history, or at most an hour more; 0 when there is none. Kept with the history.
   */
  readonly latestStampTime: number;
  /**
   * Changesets that were stamped before this time, in milliseconds since the epoch, are not taken any more: what they
   * might have had to give way to is forgotten.
   */
  readonly retentionCutoff: number;
  /** What is in the history after this version keeps to `retentionCutoff`. */
  readonly retentionCutoffFrom: Version;
  /** Sets the horizon. It holds from the call on; completes when that is durable. */
  readonly raiseRetentionCutoff: (horizon: number) => Observable<never>;
  /** All of it or nothing. Completes when it is durable; then, and not before, readers and followers see it. */
  readonly append: (addition: Addition) => Observable<never>;
  /** Releases what following holds. Nothing may be under way. */
  readonly close: () => void;
}
