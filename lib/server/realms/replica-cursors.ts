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

interface CursorScan {
  readonly least: Version;
  readonly forgotten: readonly string[];
}

export const createReplicaCursors = ({ history, now, retentionMs }: ReplicaCursorsPorts): ReplicaCursors => {
  const { log } = history;
  const active = new Map<string, { readonly after: Version; readonly downloadedTo: Version | null }>();
  let noted = new Map<string, ReplicaCursor>();

  const flush = (): Observable<never> =>
    defer(() => {
      if (noted.size === 0) return EMPTY;
      const all = noted;
      noted = new Map();
      return history.writeCursors(all);
    });

  const scanPage = (before: CursorScan, page: readonly (readonly [string, ReplicaCursor])[]): CursorScan => {
    let { least } = before;
    const forgotten = [...before.forgotten];
    for (const [replica, { downloadedTo, confirmedAt }] of page) {
      if (active.has(replica)) continue;
      if (confirmedAt < now() - retentionMs) forgotten.push(replica);
      else if (downloadedTo > 0 && downloadedTo >= log.floor) least = Math.min(least, downloadedTo);
    }
    return { least, forgotten };
  };

  return {
    begin: (replica, after, downloadedTo) => {
      active.set(replica, { after, downloadedTo });
      if (downloadedTo !== null) noted.set(replica, { downloadedTo, confirmedAt: now() });
    },
    note: (replica, downloadedTo) => {
      if (active.has(replica)) active.set(replica, { after: downloadedTo, downloadedTo });
      noted.set(replica, { downloadedTo, confirmedAt: now() });
    },
    end: (replica) => {
      const downloadedTo = active.get(replica)?.downloadedTo ?? null;
      active.delete(replica);
      if (downloadedTo !== null) noted.set(replica, { downloadedTo, confirmedAt: now() });
    },
    flush,
    findTrimVersion: () =>
      concat(
        flush(),
        defer(() => {
          let least = log.head;
          for (const { after } of active.values()) if (after >= log.floor) least = Math.min(least, after);
          return history.cursors$.pipe(reduce(scanPage, { least, forgotten: [] }));
        }),
      ).pipe(
        switchMap(({ least, forgotten }) =>
          concat(forgotten.length > 0 ? history.forgetCursors(forgotten) : EMPTY, of(least)),
        ),
      ),
  };
};
