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
  Subject,
  switchMap,
  take,
  tap,
} from 'rxjs';
import { repeatWhile, runAction } from '../../model/operators.js';
import type { Clock } from '../../clock.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { History } from './history.js';
import type { SnapshotLeases } from './snapshot-leases.js';

/** Advances the stored objects of an open realm along its history. */
export interface Projector {
  /** Runs the work. Must be subscribed once while the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Advances the objects to the head when the realm is quiet. */
  readonly requestCatchUp: () => void;
  /**
   * Advances the objects to a version, even while replicas fetch a snapshot. Completes when that is reached, and errors
   * if a step fails.
   */
  readonly catchUpTo: (version: Version) => Observable<never>;
  /** Emits once, as soon as no version of the objects is being written. Synchronous if so now. */
  readonly settled$: Observable<unknown>;
  /** Emits the version after each step. Hot. */
  readonly moved$: Observable<Version>;
  /** Postpones work that no client waits for, because a session is being sent one of many pages. */
  readonly postpone: () => void;
  /** Returns the bytes of history after the version of the objects. */
  readonly lag: () => number;
  /**
   * Runs other work on the objects in turn; nothing else writes them meanwhile. Acts once per subscription, and
   * unsubscribing does not undo it.
   */
  readonly runExclusive: <A>(work$: Observable<A>) => Observable<A>;
}

export interface ProjectorPorts {
  readonly history: Pick<History, 'log' | 'bytes' | 'projection'>;
  readonly leases: Pick<SnapshotLeases, 'isHeld' | 'moved'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly lagBytesMax: number;
  /** Called with errors of the work. It is tried again with the next request. */
  readonly failed: (thrown: unknown) => void;
}

/** Emits whether there was no activity for a while: `false` with each activity, `true` after a quiet time. */
const watchQuiet = (activity$: Observable<unknown>, { scheduler }: Pick<Clock, 'scheduler'>): Observable<boolean> =>
  merge(
    activity$.pipe(map(() => false)),
    activity$.pipe(
      debounceTime(serverLimits.projectionQuietMs, scheduler),
      map(() => true),
    ),
  );

/** Completes with the step that reaches a version. Errors if a step fails before. */
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

/** Queues work and passes its values on. */
const runInTurn = <A>(jobs: Subject<Observable<unknown>>, work$: Observable<A>): Observable<A> =>
  new Observable((subscriber) => {
    const job$ = work$.pipe(
      tap(subscriber),
      catchError(() => EMPTY), // The subscriber got the error already.
    );
    jobs.next(job$);
  });

/** Tracks whether something is being written. */
const markWriting = () => {
  const settled = new Subject<void>();
  let isWriting = false;
  const endWriting = (): void => {
    if (!isWriting) return;
    isWriting = false;
    settled.next();
  };
  const trackWriting = <A>(work$: Observable<A>): Observable<A> =>
    defer(() => {
      isWriting = true;
      return work$.pipe(tap({ complete: endWriting, error: endWriting, unsubscribe: endWriting }));
    });
  return { writing: trackWriting, settled$: defer(() => (isWriting ? settled.pipe(take(1)) : of(undefined))) };
};

/** Decides when the objects must advance. */
const createDueCheck = ({
  history,
  leases,
  lagBytesMax,
}: Pick<ProjectorPorts, 'history' | 'leases' | 'lagBytesMax'>) => {
  const { log, projection } = history;
  let isBehind = false;
  let isQuiet = true;
  let requiredVersion = 0;
  const lag = (): number => history.bytes - projection.cursor.total;
  return {
    lag,
    request: () => (isBehind = true),
    require: (version: Version) => (requiredVersion = Math.max(requiredVersion, version)),
    setQuiet: (value: boolean) => (isQuiet = value),
    isDue: (): boolean => {
      const { version } = projection.cursor;
      if (version >= log.head) isBehind = false;
      if (version >= log.head) return false;
      if (version < requiredVersion || lag() > lagBytesMax * serverLimits.projectionLagTimesMax) return true;
      isBehind ||= lag() > lagBytesMax;
      return isBehind && isQuiet && !leases.isHeld();
    },
  };
};

/**
 * Creates a projector. Each step applies one page of the history, in an event-loop turn of its own, so that uploads and
 * downloads come first. It starts when the history is more than `lagBytesMax` ahead or on request, and then continues
 * to the head, but only while no uploads and no downloads of old changes are under way. Far behind it continues in any
 * case.
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
      repeatWhile(due.isDue, clock.scheduler),
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

  return {
    working$: merge(
      jobs.pipe(concatMap((job$) => job$)),
      watchQuiet(merge(log.head$, disturbances), clock).pipe(tap(due.setQuiet), tap(check)),
    ).pipe(ignoreElements()),
    requestCatchUp: () => {
      due.request();
      check();
    },
    catchUpTo: (version) =>
      defer(() => {
        if (projection.cursor.version >= version) return EMPTY;
        due.require(version);
        return merge(waitUntilReached(steps, failures, version), runAction(check));
      }),
    postpone: () => disturbances.next(),
    settled$,
    moved$: steps,
    lag: due.lag,
    runExclusive: (work$) => runInTurn(jobs, writing(work$)),
  };
};
