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
import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { History } from './history.js';
import type { Intake } from './intake.js';
import type { Leases } from './leases.js';
import type { Present } from './present.js';
import type { Projector } from './projector.js';
import type { Sightings } from './sightings.js';

export interface UpkeepPorts {
  readonly history: Pick<History, 'log' | 'projection' | 'trim' | 'horizon' | 'horizonFrom' | 'raise'>;
  readonly intake: Pick<Intake, 'refuseBefore'>;
  readonly projector: Pick<Projector, 'want' | 'alone'>;
  readonly leases: Pick<Leases, 'isHeld'>;
  readonly present: Pick<Present, 'rest'>;
  readonly sightings: Pick<Sightings, 'flush' | 'needless'>;
  readonly clock: Clock;
  readonly upkeepMs: number;
  readonly retentionMs: number;
  /** Is told of what failed; it is tried again the next time. */
  readonly failed: (thrown: unknown) => void;
}

/** Pieces of one kind of work in a round: the rest waits for the next. */
const piecesMax = 100;

/** Does piece after piece, with a turn of the event loop in between, until a piece says that nothing is left. */
const bitByBit = (piece$: Observable<boolean>, { scheduler }: Pick<Clock, 'scheduler'>): Observable<never> => {
  let isMore = false;
  return piece$.pipe(
    tap((more) => (isMore = more)),
    repeat({ count: piecesMax, delay: () => timer(0, scheduler).pipe(filter(() => isMore)) }),
    ignoreElements(),
  );
};

/** Takes away what of the history nobody needs and the objects stand for. */
const trimming = ({ history, projector, sightings, clock }: UpkeepPorts): Observable<never> => {
  const { log, projection } = history;
  const trimmedTo = (needless: Version): Observable<boolean> =>
    defer(() => {
      const to = Math.min(needless, projection.cursor.version, log.floor + limits.trimEntriesMax);
      return to - log.floor < limits.trimEntriesMin ? of(false) : concat(projector.alone(history.trim(to)), of(true));
    });
  return defer(() => {
    if (log.head - log.floor < limits.trimEntriesMin) return EMPTY;
    return sightings.needless().pipe(switchMap((needless) => bitByBit(trimmedTo(needless), clock)));
  });
};

/**
 * Forgets objects that were deleted, and elements and entries that were removed, so long ago that nobody is waited for any more. From then on nothing is taken that is older: it
 * could bring back to life what others know to be deleted. First what is on its way and may be older, so that the horizon holds for all that comes after it;
 * then the horizon, then the sweep, when the objects have taken in everything from before the horizon: a replica that starts from them would take that for new.
 */
const sweeping = ({ history, intake, projector, leases, clock, retentionMs }: UpkeepPorts): Observable<never> => {
  const { projection } = history;
  const swept$ = defer(() => {
    if (leases.isHeld()) return of(false);
    if (projection.cursor.version >= history.horizonFrom) return projection.sweep(history.horizon);
    return of(false);
  });
  return defer(() => {
    const before = Math.floor(clock.now() - retentionMs);
    if (before <= 0) return EMPTY;
    return projection.lastDead(before).pipe(
      switchMap((last) => {
        if (last === null) return EMPTY;
        // No later than what is forgotten: a clock that was far ahead for a while must not have everything refused that is written after it is right again.
        const horizon = last + 1;
        return concat(
          intake.refuseBefore(horizon), // Not alone: what is on its way may wait for the objects.
          projector.alone(history.raise(horizon)),
          bitByBit(projector.alone(swept$), clock),
        );
      }),
    );
  });
};

/** Looks after an open realm from time to time, a bounded piece of work a turn. Never emits, completes or errors. */
export const upkeep = (ports: UpkeepPorts): Observable<never> => {
  const { sightings, projector, present, clock, upkeepMs, failed } = ports;
  const round$ = concat(
    sightings.flush(),
    defer(() => {
      present.rest();
      projector.want();
      return EMPTY;
    }),
    trimming(ports),
    sweeping(ports),
  ).pipe(
    catchError((thrown: unknown) => {
      failed(thrown);
      return EMPTY;
    }),
  );
  return timer(upkeepMs, upkeepMs, clock.scheduler).pipe(exhaustMap(() => round$));
};
