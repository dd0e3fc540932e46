import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  Observable,
  of,
  repeat,
  Subject,
  switchMap,
  take,
  tap,
  timer,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { History } from './history.js';
import type { Leases } from './leases.js';

/** Takes the objects of an open realm along with its history. */
export interface Projector {
  /** The work itself: has to be subscribed once, as long as the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Has the objects go on to a version when nobody fetches them. */
  readonly want: (version: Version) => void;
  /** Looks whether they have to go on. */
  readonly check: () => void;
  /** Has them go on to a version, whoever fetches them. Completes when they are there; errors with what they failed of. */
  readonly reach: (version: Version) => Observable<never>;
  /** Emits once, as soon as no version of them is being written: at once if so now. */
  readonly settled$: Observable<unknown>;
  /** Emits after each step, the version they are at. Hot. */
  readonly moved$: Observable<Version>;
  /** Bytes of history after them. */
  readonly lag: () => number;
  /** Does something else to the objects, in turn: nothing else writes them meanwhile. Once per subscription; unsubscribing does not take it back. */
  readonly alone: <A>(work$: Observable<A>) => Observable<A>;
}

export interface ProjectorPorts {
  readonly history: Pick<History, 'log' | 'bytes' | 'projection'>;
  readonly leases: Pick<Leases, 'isHeld' | 'moved'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly lagBytesMax: number;
  /** Is told of what the work failed of; it is tried again when somebody wants it next. */
  readonly failed: (thrown: unknown) => void;
}

/**
 * One page of the history a step, and a turn of the event loop between two: who uploads or fetches meanwhile comes first. It
 * begins when the history is more than `lagBytesMax` ahead, or when somebody wants it, and then goes on to the head.
 */
export const createProjector = ({ history, leases, clock, lagBytesMax, failed }: ProjectorPorts): Projector => {
  const { log, projection } = history;
  const jobs = new Subject<Observable<unknown>>();
  const steps = new Subject<Version>();
  const failures = new Subject<unknown>();
  const settled = new Subject<void>();
  let wanted = 0;
  let insisted = 0;
  let isWriting = false;
  let isWorking = false;

  const lag = (): number => history.bytes - projection.cursor.total;
  const isTooFar = (): boolean => lag() > lagBytesMax * limits.projectionLagTimesMax;
  const isDue = (): boolean => {
    const { version } = projection.cursor;
    if (version >= log.head) return false;
    if (version < insisted || isTooFar()) return true;
    if (lag() > lagBytesMax) wanted = log.head;
    return version < wanted && !leases.isHeld();
  };

  const writing = <A>(work$: Observable<A>): Observable<A> =>
    defer(() => {
      isWriting = true;
      const written = (): void => {
        if (!isWriting) return;
        isWriting = false;
        settled.next();
      };
      return work$.pipe(tap({ complete: written, error: written, unsubscribe: written }));
    });

  const step$ = defer(() => log.page(projection.cursor.version)).pipe(
    switchMap((page) => writing(projection.advance(page))),
    tap({
      complete: () => {
        leases.moved();
        steps.next(projection.cursor.version);
      },
    }),
  );

  const pass$: Observable<never> = defer(() =>
    (isDue() ? step$ : EMPTY).pipe(
      repeat({ delay: () => timer(0, clock.scheduler).pipe(filter(isDue)) }),
      catchError((thrown: unknown) => {
        failed(thrown);
        failures.next(thrown);
        return EMPTY;
      }),
      tap({ complete: () => (isWorking = false) }),
    ),
  );

  const check = (): void => {
    if (isWorking || !isDue()) return;
    isWorking = true;
    jobs.next(pass$);
  };

  const alone = <A>(work$: Observable<A>): Observable<A> =>
    new Observable((subscriber) => {
      const job$ = writing(work$).pipe(
        tap(subscriber),
        catchError(() => EMPTY), // Who asked for it was told.
      );
      jobs.next(job$);
    });

  return {
    working$: merge(jobs.pipe(concatMap((job$) => job$)), log.head$.pipe(tap(check))).pipe(ignoreElements()),
    want: (version) => {
      wanted = Math.max(wanted, Math.min(version, log.head));
      check();
    },
    check,
    reach: (version) =>
      defer(() => {
        if (projection.cursor.version >= version) return EMPTY;
        const there$ = merge(
          steps.pipe(filter((at) => at >= version)),
          failures.pipe(
            map((thrown): never => {
              throw thrown;
            }),
          ),
        ).pipe(take(1), ignoreElements());
        const asking$ = defer(() => {
          insisted = Math.max(insisted, version);
          check();
          return EMPTY;
        });
        return merge(there$, asking$);
      }),
    settled$: defer(() => (isWriting ? settled.pipe(take(1)) : of(undefined))),
    moved$: steps,
    lag,
    alone,
  };
};
