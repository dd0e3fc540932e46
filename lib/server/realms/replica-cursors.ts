import { concat, defer, EMPTY, of, reduce, switchMap, type Observable } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import type { ReplicaCursor } from '../history/record-codec.js';

/** How far the replicas of an open realm are. */
export interface ReplicaCursors {
  /**
   * A replica is bound, and is sent what is after a version: what it has seen, or a snapshot that it is yet to fetch
   * (`seen` is `null`).
   */
  readonly begin: (replica: string, after: Version, seen: Version | null) => void;
  /**
   * It has everything up to a version. Remembered with the next `flush`: what is lost with a crash only makes the
   * history keep more.
   */
  readonly note: (replica: string, seen: Version) => void;
  readonly end: (replica: string) => void;
  /** Writes down what was noted. Completes when done. */
  readonly flush: () => Observable<never>;
  /**
   * The version up to which nobody needs the history any more: those who are bound have it, and those who were seen
   * lately. Who has seen nothing, or less than the history has, starts from a snapshot anyway. Forgets what those have
   * seen who have not been here for too long. Emits once and completes.
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
  const active = new Map<string, { readonly after: Version; readonly seen: Version | null }>();
  let noted = new Map<string, ReplicaCursor>();

  const flush = (): Observable<never> =>
    defer(() => {
      if (noted.size === 0) return EMPTY;
      const all = noted;
      noted = new Map();
      return history.writeCursors(all);
    });

  const found = (before: CursorScan, page: readonly (readonly [string, ReplicaCursor])[]): CursorScan => {
    let { least } = before;
    const forgotten = [...before.forgotten];
    for (const [replica, { downloadedTo, seenAt }] of page) {
      if (active.has(replica)) continue;
      if (seenAt < now() - retentionMs) forgotten.push(replica);
      else if (downloadedTo > 0 && downloadedTo >= log.floor) least = Math.min(least, downloadedTo);
    }
    return { least, forgotten };
  };

  return {
    begin: (replica, after, seen) => {
      active.set(replica, { after, seen });
      if (seen !== null) noted.set(replica, { downloadedTo: seen, seenAt: now() });
    },
    note: (replica, seen) => {
      if (active.has(replica)) active.set(replica, { after: seen, seen });
      noted.set(replica, { downloadedTo: seen, seenAt: now() });
    },
    end: (replica) => {
      const seen = active.get(replica)?.seen ?? null;
      active.delete(replica);
      if (seen !== null) noted.set(replica, { downloadedTo: seen, seenAt: now() });
    },
    flush,
    findTrimVersion: () =>
      concat(
        flush(),
        defer(() => {
          let least = log.head;
          for (const { after } of active.values()) if (after >= log.floor) least = Math.min(least, after);
          return history.cursors$.pipe(reduce(found, { least, forgotten: [] }));
        }),
      ).pipe(
        switchMap(({ least, forgotten }) =>
          concat(forgotten.length > 0 ? history.forgetCursors(forgotten) : EMPTY, of(least)),
        ),
      ),
  };
};
