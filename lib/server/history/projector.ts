import {
  catchError,
  concatMap,
  debounceTime,
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
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { History } from './history.js';
import type { SnapshotLeases } from './snapshot-leases.js';

/** Takes the objects of an open realm along with its history. */
export interface Projector {
  /** The work itself: has to be subscribed once, as long as the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Has the objects go on to the head when nothing else is going on. */
  readonly requestCatchUp: () => void;
  /**
   * Has them go on to a version, whoever fetches them. Completes when they are there; errors with what they failed of.
   */
  readonly catchUpTo: (version: Version) => Observable<never>;
  /** Emits once, as soon as no version of them is being written: at once if so now. */
  readonly settled$: Observable<unknown>;
  /** Emits after each step, the version they are at. Hot. */
  readonly moved$: Observable<Version>;
  /** Somebody is being sent a page of many: what nobody waits for waits for that. */
  readonly postpone: () => void;
  /** Bytes of history after them. */
  readonly lag: () => number;
  /**
   * Does something else to the objects, in turn: nothing else writes them meanwhile. Once per subscription;
   * unsubscribing does not take it back.
   */
  readonly runExclusive: <A>(work$: Observable<A>) => Observable<A>;
}

export interface ProjectorPorts {
  readonly history: Pick<History, 'log' | 'bytes' | 'projection'>;
  readonly leases: Pick<SnapshotLeases, 'isHeld' | 'moved'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly lagBytesMax: number;
  /** Is told of what the work failed of; it is tried again when somebody wants it next. */
  readonly failed: (thrown: unknown) => void;
}

/** Whether nothing has gone on for a while: when that changes, and with each thing that does. */
const watchQuiet = (activity$: Observable<unknown>, { scheduler }: Pick<Clock, 'scheduler'>): Observable<boolean> =>
  merge(
    activity$.pipe(map(() => false)),
    activity$.pipe(
      debounceTime(limits.projectionQuietMs, scheduler),
      map(() => true),
    ),
  );

/** Completes with the step that reaches a version; errors with what a step fails of before. */
const waitUntilReached = (
  steps: Observable<Version>,
  failures: Observable<unknown>,
  version: Version,
): Observable<never> => {
  const failed$ = failures.pipe(
    map((thrown): never => {
      throw thrown;
    }),
  );
  return merge(steps.pipe(filter((at) => at >= version)), failed$).pipe(take(1), ignoreElements());
};

/** Has something done when its turn comes. */
const runInTurn = <A>(jobs: Subject<Observable<unknown>>, work$: Observable<A>): Observable<A> =>
  new Observable((subscriber) => {
    const job$ = work$.pipe(
      tap(subscriber),
      catchError(() => EMPTY), // Who asked for it was told.
    );
    jobs.next(job$);
  });

/** Marks the time in which something is written. */
const markWriting = () => {
  const settled = new Subject<void>();
  let isWriting = false;
  const written = (): void => {
    if (!isWriting) return;
    isWriting = false;
    settled.next();
  };
  const writing = <A>(work$: Observable<A>): Observable<A> =>
    defer(() => {
      isWriting = true;
      return work$.pipe(tap({ complete: written, error: written, unsubscribe: written }));
    });
  return { writing, settled$: defer(() => (isWriting ? settled.pipe(take(1)) : of(undefined))) };
};

/** When the objects have to go on. */
const createDueCheck = ({
  history,
  leases,
  lagBytesMax,
}: Pick<ProjectorPorts, 'history' | 'leases' | 'lagBytesMax'>) => {
  const { log, projection } = history;
  let isBehind = false;
  let isQuiet = true;
  let insisted = 0;
  const lag = (): number => history.bytes - projection.cursor.total;
  return {
    lag,
    want: () => (isBehind = true),
    insist: (version: Version) => (insisted = Math.max(insisted, version)),
    quiet: (isIt: boolean) => (isQuiet = isIt),
    isDue: (): boolean => {
      const { version } = projection.cursor;
      if (version >= log.head) isBehind = false;
      if (version >= log.head) return false;
      if (version < insisted || lag() > lagBytesMax * limits.projectionLagTimesMax) return true;
      isBehind ||= lag() > lagBytesMax;
      return isBehind && isQuiet && !leases.isHeld();
    },
  };
};

/**
 * One page of the history a step, and a turn of the event loop between two: who uploads or fetches meanwhile comes
 * first. It begins when the history is more than `lagBytesMax` ahead, or when somebody wants it, and then goes on to
 * the head, but only while nobody uploads or is sent what others did long ago: far behind it goes on in any case.
 */
export const createProjector = ({ history, leases, clock, lagBytesMax, failed }: ProjectorPorts): Projector => {
  const { log, projection } = history;
  const jobs = new Subject<Observable<unknown>>();
  const steps = new Subject<Version>();
  const failures = new Subject<unknown>();
  const disturbances = new Subject<void>();
  const { writing, settled$ } = markWriting();
  const due = createDueCheck({ history, leases, lagBytesMax });
  let isWorking = false;

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
    (due.isDue() ? step$ : EMPTY).pipe(
      repeat({ delay: () => timer(0, clock.scheduler).pipe(filter(due.isDue)) }),
      catchError((thrown: unknown) => {
        failed(thrown);
        failures.next(thrown);
        return EMPTY;
      }),
      tap({ complete: () => (isWorking = false) }),
    ),
  );

  const check = (): void => {
    if (isWorking || !due.isDue()) return;
    isWorking = true;
    jobs.next(pass$);
  };

  const checking = (): Observable<never> => {
    check();
    return EMPTY;
  };

  return {
    working$: merge(
      jobs.pipe(concatMap((job$) => job$)),
      watchQuiet(merge(log.head$, disturbances), clock).pipe(tap(due.quiet), tap(check)),
    ).pipe(ignoreElements()),
    requestCatchUp: () => {
      due.want();
      check();
    },
    catchUpTo: (version) =>
      defer(() => {
        if (projection.cursor.version >= version) return EMPTY;
        due.insist(version);
        return merge(waitUntilReached(steps, failures, version), defer(checking));
      }),
    postpone: () => disturbances.next(),
    settled$,
    moved$: steps,
    lag: due.lag,
    runExclusive: (work$) => runInTurn(jobs, writing(work$)),
  };
};
