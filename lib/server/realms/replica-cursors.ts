import { concat, defer, EMPTY, of, reduce, switchMap, type Observable } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import type { ReplicaCursor } from '../history/record-codec.js';

/** The progress of the replicas of an open realm. */
export interface ReplicaCursors {
  /**
   * Starts to track a bound replica, which is sent everything after `after`. `downloadedTo` is the version that it
   * has, or `null` while it has to fetch a snapshot.
   */
  readonly begin: (replica: string, after: Version, downloadedTo: Version | null) => void;
  /**
   * Notes that a replica has everything up to a version. Stored with the next `flush`. If a crash loses the note, the
   * history only keeps more than necessary.
   */
  readonly note: (replica: string, downloadedTo: Version) => void;
  readonly end: (replica: string) => void;
  /** Stores what was noted. Completes when done. */
  readonly flush: () => Observable<never>;
  /**
   * Emits the version up to which no replica needs the history, once, and completes. Bound replicas and those that were
   * bound within the retention time count. A replica without a cursor, or with one before the start of the history,
   * starts from a snapshot anyway. Removes the cursors of replicas that were away longer.
   */
  readonly findTrimVersion: () => Observable<Version>;
}

export interface ReplicaCursorsPorts {
  readonly history: Pick<History, 'log' | 'writeCursors' | 'forgetCursors' | 'cursors$'>;
  readonly now: () => number;
  readonly retentionMs: number;
}

/** The progress of a bound replica. */
interface ActiveReplica {
  /** The version after which the replica is sent everything. */
  readonly after: Version;
  /** The version that the replica has; `null` while it has to fetch a snapshot. */
  readonly downloadedTo: Version | null;
}

interface CursorScan {
  readonly least: Version;
  readonly forgotten: readonly string[];
}

/** A class, because a server has one for each open realm. */
class StoredReplicaCursors implements ReplicaCursors {
  private readonly active = new Map<string, ActiveReplica>();
  private noted: Map<string, ReplicaCursor> | null = null;

  constructor(
    private readonly history: ReplicaCursorsPorts['history'],
    private readonly now: () => number,
    private readonly retentionMs: number,
  ) {}

  begin(replica: string, after: Version, downloadedTo: Version | null): void {
    this.active.set(replica, { after, downloadedTo });
    if (downloadedTo !== null) this.keep(replica, downloadedTo);
  }

  note(replica: string, downloadedTo: Version): void {
    if (this.active.has(replica)) this.active.set(replica, { after: downloadedTo, downloadedTo });
    this.keep(replica, downloadedTo);
  }

  end(replica: string): void {
    const downloadedTo = this.active.get(replica)?.downloadedTo ?? null;
    this.active.delete(replica);
    if (downloadedTo !== null) this.keep(replica, downloadedTo);
  }

  flush(): Observable<never> {
    return defer(() => {
      if (this.noted === null) return EMPTY;
      const all = this.noted;
      this.noted = null;
      return this.history.writeCursors(all);
    });
  }

  findTrimVersion(): Observable<Version> {
    const { log } = this.history;
    const scan$ = defer(() => {
      let least = log.head;
      for (const { after } of this.active.values()) if (after >= log.floor) least = Math.min(least, after);
      return this.history.cursors$.pipe(
        reduce<readonly (readonly [string, ReplicaCursor])[], CursorScan>((scan, page) => this.scanPage(scan, page), {
          least,
          forgotten: [],
        }),
      );
    });
    return concat(this.flush(), scan$).pipe(
      switchMap(({ least, forgotten }) =>
        concat(forgotten.length > 0 ? this.history.forgetCursors(forgotten) : EMPTY, of(least)),
      ),
    );
  }

  private keep(replica: string, downloadedTo: Version): void {
    this.noted = (this.noted ?? new Map<string, ReplicaCursor>()).set(replica, {
      downloadedTo,
      confirmedAt: this.now(),
    });
  }

  private scanPage(before: CursorScan, page: readonly (readonly [string, ReplicaCursor])[]): CursorScan {
    let { least } = before;
    const forgotten = [...before.forgotten];
    for (const [replica, { downloadedTo, confirmedAt }] of page) {
      if (this.active.has(replica)) continue;
      if (confirmedAt < this.now() - this.retentionMs) forgotten.push(replica);
      else if (downloadedTo > 0 && downloadedTo >= this.history.log.floor) least = Math.min(least, downloadedTo);
    }
    return { least, forgotten };
  }
}

export const createReplicaCursors = ({ history, now, retentionMs }: ReplicaCursorsPorts): ReplicaCursors =>
  new StoredReplicaCursors(history, now, retentionMs);
