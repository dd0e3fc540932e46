import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  first,
  filter,
  ignoreElements,
  merge,
  NEVER,
  type Observable,
  observeOn,
  of,
  queueScheduler,
  ReplaySubject,
  type SchedulerLike,
  share,
  Subject,
  takeWhile,
  tap,
  timer,
} from 'rxjs';
import { type Backoff, createBackoff, waitOut } from './backoff.js';
import { call, type CallPorts } from './call.js';
import { asDrop, type Drop } from './drop.js';
import { listenWhileIdle } from './idle-triggers.js';
import { createFrameBounds } from './frame-bound.js';
import { failedBy, type Line, lingering, outages, waitingBy } from './line.js';
import { redial } from './redial.js';
import type { Reason } from './status.js';
import type { Tokens } from './tokens.js';

export interface ConnectionPorts extends Pick<CallPorts, 'dial' | 'timeouts' | 'clock' | 'token$'> {
  /** "Try now", besides `token$`. Cuts a wait and starts the backoff over; on a live line it only probes. An event: it must not emit on subscription. */
  readonly nudge$: Observable<unknown>;
  /** The network may have gone: only probes a live line. An event as well. */
  readonly offline$?: Observable<unknown>;
  /** The token of its sessions: renewed before a call, when the server has called it expired. */
  readonly tokens: Pick<Tokens, 'take' | 'expired' | 'isExpired'>;
  /** Hears of an outage once, when it begins: not of every attempt. */
  readonly outage?: (reason: Reason) => void;
  /** Emits, also to who comes later, when the client is closed: its line does not linger. */
  readonly closed$: Observable<unknown>;
}

export interface Connection {
  /**
   * Where the line stands: the present value, then every change. The line is held while somebody is subscribed, and an
   * open one `timeouts.linger` longer. Never errors; completes after `failed`, and calls afresh for the next subscriber.
   */
  readonly line$: Observable<Line>;
  /** "Try now", said while nobody holds the line: the next who does need not wait. */
  readonly startOver: () => void;
}

/** A backoff that outlived its last session goes on for the next one (R15). */
const resting = (backoff: Backoff, untilMayCall: Observable<unknown>, scheduler: SchedulerLike): Observable<Line> =>
  defer(() =>
    backoff.notBefore > scheduler.now()
      ? concat(of(waitingBy(backoff, null)), untilMayCall.pipe(ignoreElements()))
      : EMPTY,
  );

/** A token that the server called expired is not said again before the app was asked for another one. */
const renewing = (tokens: ConnectionPorts['tokens'], backoff: Backoff): Observable<Line> =>
  defer(() =>
    tokens.isExpired()
      ? concat(
          of<Line>({ ...waitingBy(backoff, null), retryAt: null, renewing: true }),
          tokens.take().pipe(
            first(({ news }) => news === 'token'),
            ignoreElements(),
          ),
        )
      : EMPTY,
  );

/** The one line of a client: called when a session wants it, called again when it drops, shared by all who want it. */
export const createConnection = (ports: ConnectionPorts): Connection => {
  const { timeouts, clock, token$, tokens, nudge$, offline$ = NEVER, closed$ } = ports;
  const { scheduler } = clock;
  const backoff = createBackoff(timeouts, clock);
  const present = new BehaviorSubject<Line | null>(null);
  const told = outages(timeouts.healthy, ports.outage);

  const nudged$ = merge(nudge$, token$).pipe(
    tap(() => (present.value?.state === 'waiting' ? backoff.startOver() : backoff.hurry())),
    share({ connector: () => new Subject(), resetOnRefCountZero: true, resetOnComplete: true, resetOnError: true }),
  );

  const untilMayCall = waitOut(backoff, nudged$, clock);

  const calling = call({
    dial: ports.dial,
    timeouts,
    clock,
    token$,
    probe$: merge(
      defer(() => (backoff.hurried ? of(0) : EMPTY)),
      nudged$,
      offline$,
    ),
    proved: backoff.proved,
    frames: createFrameBounds(),
  });

  const dropped = (drop: Drop): readonly Line[] => {
    const livedMs = present.value?.state === 'open' ? scheduler.now() - present.value.since : 0;
    if (drop.reason.kind === 'token-expired') tokens.expired();
    backoff.dropped(drop, livedMs);
    told(drop, livedMs);
    return [waitingBy(backoff, backoff.attempt === 1 ? drop.report : null)];
  };

  const calls = concat(
    resting(backoff, untilMayCall, scheduler),
    renewing(tokens, backoff),
    defer(() => concat(of<Line>({ state: 'connecting', attempt: backoff.attempt + 1 }), calling)),
  ).pipe(
    redial({ announce: dropped, wait: () => untilMayCall }),
    catchError((thrown: unknown) => of<Line>(failedBy(asDrop(thrown)))),
  );

  const startOver = (): void => {
    if (present.value === null) backoff.startOver();
  };

  const line$ = merge(nudged$.pipe(ignoreElements()), calls).pipe(
    // An answer may come while a line is still being handed out (`of(server)`): everybody hears of one thing before the next.
    observeOn(queueScheduler),
    takeWhile((line) => line.state !== 'failed', true),
    tap((line) => present.next(line)),
    finalize(() => {
      present.next(null);
      const gone$ = merge(closed$, present.pipe(filter((line) => line !== null)));
      listenWhileIdle({ backoff, clock, trigger$: nudge$, over$: gone$, longest: timeouts.backoffMost });
    }),
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => lingering(present, timer(timeouts.linger, scheduler), closed$),
      resetOnComplete: true, // What failed is called afresh when somebody asks again.
      resetOnError: true,
    }),
  );
  return { line$, startOver };
};
