import type { Observable } from 'rxjs';
import type { ServerChangeset } from '../model/changeset.js';
import type { Version } from '../model/version.js';
import type { Log } from '../log/log.js';

/** What a history remembers of a replica. */
export interface ReplicaRecord {
  /** The user it was tied to at first sight. */
  readonly user: string;
  /** The client version up to which its changesets are in the history. */
  readonly accepted: Version;
}

/** A changeset in its place. */
export interface Recorded extends ServerChangeset {
  /** Bytes of the history up to and with it, by `bytesOf`: how far a replica is can be told from any place. */
  readonly total: number;
}

/** Changesets on their way into a history, with what becomes of the replicas that wrote them. */
export interface Addition {
  /** The head that the writer knows: nothing is added when the history has another one. */
  readonly after: Version;
  readonly changesets: readonly Recorded[];
  readonly replicas: ReadonlyMap<string, ReplicaRecord>;
}

/**
 * The port behind which a realm's history is kept: the only truth about the realm. The embedded one is `embedded.ts`;
 * a database or a replicated stream engine can stand here as well, shared by several servers.
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
  readonly log: Pick<Log<Recorded>, 'head' | 'head$' | 'page'>;
  /** The `total` of the last changeset that is durable; 0 before the first. */
  readonly bytes: number;
  /** What is known of a replica, or `null`. Emits once and completes. */
  readonly replica: (id: string) => Observable<ReplicaRecord | null>;
  /** Remembers a replica that has nothing in the history yet. Completes when done; not yet durable. */
  readonly tie: (id: string, user: string) => Observable<never>;
  /** All of it or nothing. Completes when it is durable; then, and not before, readers and followers see it. */
  readonly append: (addition: Addition) => Observable<never>;
  /** Releases what following holds. Nothing may be under way. */
  readonly close: () => void;
}
