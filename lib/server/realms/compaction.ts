import {
  catchError,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  ignoreElements,
  of,
  repeat,
  switchMap,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import type { UploadQueue } from '../uploads/upload-queue.js';
import type { SnapshotLeases } from '../history/snapshot-leases.js';
import type { HeadState } from '../history/head-state.js';
import type { Projector } from '../history/projector.js';
import type { ReplicaCursors } from './replica-cursors.js';

export interface CompactionPorts {
  readonly history: Pick<
    History,
    'log' | 'projection' | 'trim' | 'retentionCutoff' | 'retentionCutoffFrom' | 'raiseRetentionCutoff'
  >;
  readonly intake: Pick<UploadQueue, 'rejectBefore'>;
  readonly projector: Pick<Projector, 'requestCatchUp' | 'runExclusive'>;
  readonly leases: Pick<SnapshotLeases, 'isHeld'>;
  readonly headState: Pick<HeadState, 'forgetUnused'>;
  readonly replicaCursors: Pick<ReplicaCursors, 'flush' | 'findTrimVersion'>;
  readonly clock: Clock;
  readonly upkeepMs: number;
  readonly retentionMs: number;
  /** Is told of what failed; it is tried again the next time. */
  readonly failed: (thrown: unknown) => void;
}

/** Pieces of one kind of work in a round: the rest waits for the next. */
const piecesMax = 100;

/** Does piece after piece, with a turn of the event loop in between, until a piece says that nothing is left. */
const repeatPieces = (piece$: Observable<boolean>, { scheduler }: Pick<Clock, 'scheduler'>): Observable<never> => {
  let isMore = false;
  return piece$.pipe(
    tap((more) => (isMore = more)),
    repeat({ count: piecesMax, delay: () => timer(0, scheduler).pipe(filter(() => isMore)) }),
    ignoreElements(),
  );
};

/** Takes away what of the history nobody needs and the objects stand for. */
const trimHistory = ({ history, projector, replicaCursors, clock }: CompactionPorts): Observable<never> => {
  const { log, projection } = history;
  const trimmedTo = (needless: Version): Observable<boolean> =>
    defer(() => {
      const to = Math.min(needless, projection.cursor.version, log.floor + limits.trimEntriesMax);
      return to - log.floor < limits.trimEntriesMin
        ? of(false)
        : concat(projector.runExclusive(history.trim(to)), of(true));
    });
  return defer(() => {
    if (log.head - log.floor < limits.trimEntriesMin) return EMPTY;
    return replicaCursors.findTrimVersion().pipe(switchMap((needless) => repeatPieces(trimmedTo(needless), clock)));
  });
};

/**
 * Forgets objects that were deleted, and elements and entries that were removed, so long ago that nobody is waited for
 * any more. From then on nothing is taken that is older: it could bring back to life what others know to be deleted.
 * First what is on its way and may be older, so that the horizon holds for all that comes after it; then the horizon,
 * then the sweep, when the objects have taken in everything from before the horizon: a replica that starts from them
 * would take that for new.
 */
const sweepTombstones = ({
  history,
  intake,
  projector,
  leases,
  clock,
  retentionMs,
}: CompactionPorts): Observable<never> => {
  const { projection } = history;
  const swept$ = defer(() => {
    if (leases.isHeld()) return of(false);
    if (projection.cursor.version >= history.retentionCutoffFrom) return projection.sweep(history.retentionCutoff);
    return of(false);
  });
  return defer(() => {
    const before = Math.floor(clock.now() - retentionMs);
    if (before <= 0) return EMPTY;
    return projection.readLastTombstone(before).pipe(
      switchMap((last) => {
        if (last === null) return EMPTY;
        // No later than what is forgotten: a clock that was far ahead for a while must not have everything refused that
        // is written after it is right again.
        const horizon = last + 1;
        return concat(
          intake.rejectBefore(horizon), // Not alone: what is on its way may wait for the objects.
          projector.runExclusive(history.raiseRetentionCutoff(horizon)),
          repeatPieces(projector.runExclusive(swept$), clock),
        );
      }),
    );
  });
};

/** Looks after an open realm from time to time, a bounded piece of work a turn. Never emits, completes or errors. */
export const runCompaction = (ports: CompactionPorts): Observable<never> => {
  const { replicaCursors, projector, headState, clock, upkeepMs, failed } = ports;
  const round$ = concat(
    replicaCursors.flush(),
    defer(() => {
      headState.forgetUnused();
      projector.requestCatchUp();
      return EMPTY;
    }),
    trimHistory(ports),
    sweepTombstones(ports),
  ).pipe(
    catchError((thrown: unknown) => {
      failed(thrown);
      return EMPTY;
    }),
  );
  return timer(upkeepMs, upkeepMs, clock.scheduler).pipe(exhaustMap(() => round$));
};
