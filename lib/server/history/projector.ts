import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  finalize,
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
import type { DelayQueue } from '../realms/delay-queue.js';
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
  /**
   * Postpones work that no client waits for, because a session is being sent one of many pages. A projection that is
   * far behind waits, too, but at most `projectionDownloadMsMax`.
   */
  readonly postpone: () => void;
  /** Returns the bytes of history after the version of the objects. */
  readonly lag: () => number;
  /** Whether the objects are not being advanced, and need not be when the realm is quiet. */
  readonly isIdle: () => boolean;
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
  /** Calls its items after the quiet time. All realms of a server share one. */
  readonly quietQueue: DelayQueue<() => void>;
  /** Called with errors of the work. It is tried again with the next request. */
  readonly failed: (thrown: unknown) => void;
}

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

/** Tracks downloads of old changes, which postpone a projection even if it is far behind, but not for ever. */
const trackDownloads = ({ scheduler }: ProjectorPorts['clock']) => {
  const { projectionQuietMs, projectionDownloadMsMax } = serverLimits;
  let [since, lastPageAt] = [-Infinity, -Infinity];
  return {
    pageSent: (): void => {
      const now = scheduler.now();
      if (now - lastPageAt >= projectionQuietMs) since = now;
      lastPageAt = now;
    },
    mustWait: (): boolean =>
      scheduler.now() - lastPageAt < projectionQuietMs && scheduler.now() - since < projectionDownloadMsMax,
  };
};

/** Decides when the objects must advance. */
const createDueCheck = ({ history, leases, clock, lagBytesMax }: ProjectorPorts) => {
  const { log, projection } = history;
  const downloads = trackDownloads(clock);
  let isBehind = false;
  let isQuiet = false;
  let requiredVersion = 0;
  const lag = (): number => history.bytes - projection.cursor.total;
  return {
    lag,
    pageSent: downloads.pageSent,
    request: () => (isBehind = true),
    require: (version: Version) => (requiredVersion = Math.max(requiredVersion, version)),
    setQuiet: (value: boolean) => (isQuiet = value),
    isWaiting: (): boolean => {
      const { version } = projection.cursor;
      return version < log.head && (version < requiredVersion || isBehind || lag() > lagBytesMax);
    },
    isDue: (): boolean => {
      const { version } = projection.cursor;
      if (version >= log.head) isBehind = false;
      if (version >= log.head) return false;
      if (version < requiredVersion) return true;
      if (lag() > lagBytesMax * serverLimits.projectionLagTimesMax && (isQuiet || !downloads.mustWait())) return true;
      isBehind ||= lag() > lagBytesMax;
      return isBehind && isQuiet && !leases.isHeld();
    },
  };
};

/** Calls `check` with each activity, and after a quiet time. */
const watchActivity = (
  quietQueue: ProjectorPorts['quietQueue'],
  setQuiet: (isQuiet: boolean) => void,
  check: () => void,
) => {
  const onQuiet = (): void => {
    setQuiet(true);
    check();
  };
  return {
    note: (): void => {
      setQuiet(false);
      quietQueue.put(onQuiet);
      check();
    },
    stop: (): void => quietQueue.remove(onQuiet),
  };
};

/**
 * Creates a projector. Each step applies one page of the history, in an event-loop turn of its own, so that uploads and
 * downloads come first. It starts when the history is more than `lagBytesMax` ahead or on request, and then continues
 * to the head, but only while no uploads and no downloads of old changes are under way. Far behind it continues even
 * during uploads.
 */
export const createProjector = (ports: ProjectorPorts): Projector => {
  const { history, leases, clock, quietQueue, failed } = ports;
  const { log, projection } = history;
  const jobs = new Subject<Observable<unknown>>();
  const steps = new Subject<Version>();
  const failures = new Subject<unknown>();
  const { writing, settled$ } = markWriting();
  const due = createDueCheck(ports);
  let isWorking = false;

  const noteStep = (): void => {
    leases.moved();
    steps.next(projection.cursor.version);
  };
  const step$ = defer(() => log.page(projection.cursor.version)).pipe(
    switchMap((page) => writing(projection.advance(page))),
    tap({ complete: noteStep }),
  );

  const onFailure = (thrown: unknown): Observable<never> => {
    failed(thrown);
    failures.next(thrown);
    return EMPTY;
  };
  const pass$ = defer(() => (due.isDue() ? step$ : EMPTY)).pipe(
    repeatWhile(due.isDue, clock.scheduler),
    catchError(onFailure),
    tap({ complete: () => (isWorking = false) }),
  );

  const check = (): void => {
    if (isWorking || !due.isDue()) return;
    isWorking = true;
    jobs.next(pass$);
  };
  const activity = watchActivity(quietQueue, due.setQuiet, check);

  return {
    working$: merge(jobs.pipe(concatMap((job$) => job$)), log.head$.pipe(tap(activity.note))).pipe(
      ignoreElements(),
      finalize(activity.stop),
    ),
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
    postpone: () => {
      due.pageSent();
      activity.note();
    },
    settled$,
    moved$: steps,
    lag: due.lag,
    isIdle: () => !isWorking && !due.isWaiting(),
    runExclusive: (work$) => runInTurn(jobs, writing(work$)),
  };
};
