import { catchError, concat, defer, EMPTY, ignoreElements, of, switchMap, tap, type Observable } from 'rxjs';
import { repeatWhile, runAction } from '../../model/operators.js';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import type { UploadQueue } from '../uploads/upload-queue.js';
import type { SnapshotLeases } from '../history/snapshot-leases.js';
import type { HeadState } from '../history/head-state.js';
import type { Projector } from '../history/projector.js';
import type { ReplicaCursors } from './replica-cursors.js';

/** The parts of a realm that a round needs only when there is work. */
export interface CompactionWorks {
  readonly uploadQueue: Pick<UploadQueue, 'rejectBefore'>;
  readonly projector: Pick<Projector, 'requestCatchUp' | 'runExclusive'>;
  readonly leases: Pick<SnapshotLeases, 'isHeld'>;
  readonly headState: Pick<HeadState, 'forgetUnused'>;
}

export interface CompactionPorts {
  readonly history: Pick<
    History,
    'log' | 'projection' | 'trim' | 'retentionCutoff' | 'retentionCutoffFrom' | 'raiseRetentionCutoff'
  >;
  readonly realm: {
    /** `null` if the parts are not used. */
    readonly presentWorks: CompactionWorks | null;
    /** The parts are kept until the round ends. */
    startWorks(): CompactionWorks;
  };
  readonly replicaCursors: Pick<ReplicaCursors, 'flush' | 'findTrimVersion'>;
  readonly clock: Clock;
  readonly retentionMs: number;
  /** Called with errors. The failed work is tried again in the next round. */
  readonly failed: (thrown: unknown) => void;
}

/** Pieces of one kind of work in a round. The rest waits for the next round. */
const piecesMax = 100;

/** Runs a piece repeatedly, each in an event-loop turn of its own, until a piece emits `false`. */
const repeatPieces = (piece$: Observable<boolean>, { scheduler }: Pick<Clock, 'scheduler'>): Observable<never> =>
  defer(() => {
    let isMore = false;
    let pieces = 0;
    return piece$.pipe(
      tap((more) => (isMore = more && ++pieces < piecesMax)),
      repeatWhile(() => isMore, scheduler),
      ignoreElements(),
    );
  });

/** Removes changesets from the history that no replica needs and that the projection contains. */
const trimHistory = ({ history, realm, replicaCursors, clock }: CompactionPorts): Observable<never> => {
  const { log, projection } = history;
  const trimTo = (trimVersion: Version): Observable<boolean> =>
    defer(() => {
      const to = Math.min(trimVersion, projection.cursor.version, log.floor + limits.trimEntriesMax);
      return to - log.floor < serverLimits.trimEntriesMin
        ? of(false)
        : concat(realm.startWorks().projector.runExclusive(history.trim(to)), of(true));
    });
  return defer(() => {
    if (log.head - log.floor < serverLimits.trimEntriesMin) return EMPTY;
    return replicaCursors.findTrimVersion().pipe(switchMap((trimVersion) => repeatPieces(trimTo(trimVersion), clock)));
  });
};

/**
 * Removes tombstones of objects, elements and entries that are older than the retention time. From then on no older
 * changeset is accepted, because it could bring back what other replicas know to be deleted. First writes the pending
 * uploads, which may be older, so that the cutoff holds for everything after it. Then sets the cutoff. Then removes the
 * tombstones, once the projection contains everything from before the cutoff: a replica that starts from the projection
 * would treat older changesets as new.
 */
const sweepTombstones = ({ history, realm, clock, retentionMs }: CompactionPorts): Observable<never> => {
  const { projection } = history;
  return defer(() => {
    const before = Math.floor(clock.now() - retentionMs);
    if (before <= 0) return EMPTY;
    return projection.readLastTombstone(before).pipe(
      switchMap((last) => {
        if (last === null) return EMPTY;
        // Not later than the removed tombstones: if the clock was far ahead for a while, changesets that are written
        // after its correction must still be accepted.
        const cutoff = last + 1;
        const { uploadQueue, projector, leases } = realm.startWorks();
        const sweep$ = defer(() => {
          if (leases.isHeld()) return of(false);
          if (projection.cursor.version >= history.retentionCutoffFrom)
            return projection.sweep(history.retentionCutoff);
          return of(false);
        });
        return concat(
          uploadQueue.rejectBefore(cutoff), // Not exclusive, because pending uploads may wait for the projection.
          projector.runExclusive(history.raiseRetentionCutoff(cutoff)),
          repeatPieces(projector.runExclusive(sweep$), clock),
        );
      }),
    );
  });
};

/**
 * Runs one round of compaction of an open realm, a bounded piece of work per event-loop turn. Cold. Never emits or
 * errors; completes after the round. A realm without work reads its oldest tombstone and creates nothing.
 */
export const createCompactionRound = (ports: CompactionPorts): Observable<never> => {
  const { history, realm, replicaCursors, failed } = ports;
  return concat(
    replicaCursors.flush(),
    runAction(() => {
      realm.presentWorks?.headState.forgetUnused();
      if (history.projection.cursor.version < history.log.head) realm.startWorks().projector.requestCatchUp();
    }),
    trimHistory(ports),
    sweepTombstones(ports),
  ).pipe(
    catchError((thrown: unknown) => {
      failed(thrown);
      return EMPTY;
    }),
  );
};
