import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  type Observable,
  observeOn,
  of,
  queueScheduler,
  ReplaySubject,
  share,
  Subject,
  takeWhile,
  tap,
  timer,
} from 'rxjs';
import { createBackoff, isRenewable, waitOut } from './backoff.js';
import { call, type CallPorts } from './call.js';
import { asDrop, type Drop } from './drop.js';
import { failedBy, type Line, lingering, outages, waitingBy } from './line.js';
import { redial } from './redial.js';
import type { Reason } from './status.js';

export interface ConnectionPorts extends Pick<CallPorts, 'dial' | 'timeouts' | 'clock' | 'token$'> {
  /** "Try now". Cuts a wait and starts the backoff over; on a live line it only probes. An event: it must not emit on subscription. */
  readonly nudge$: Observable<unknown>;
  /** Emits when a token is there in the place of one that has expired; errors when there is none to be had. */
  readonly renewed: () => Observable<unknown>;
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
}

/** The one line of a client: called when a session wants it, called again when it drops, shared by all who want it. */
export const createConnection = (ports: ConnectionPorts): Connection => {
  const { timeouts, clock, token$, nudge$, renewed, closed$ } = ports;
  const { scheduler } = clock;
  const backoff = createBackoff(timeouts, clock);
  const present = new BehaviorSubject<Line | null>(null);
  const told = outages(timeouts.healthy, ports.outage);

  const nudged$ = nudge$.pipe(
    tap(() => (present.value?.state === 'waiting' ? backoff.startOver() : backoff.hurry())),
    share({ connector: () => new Subject(), resetOnRefCountZero: true, resetOnComplete: true, resetOnError: true }),
  );

  const untilMayCall = waitOut(backoff, nudged$, clock);

  // A backoff that outlived its last session goes on for the next one (R15).
  const rest = defer(() =>
    backoff.notBefore > scheduler.now()
      ? concat(of(waitingBy(backoff, null)), untilMayCall.pipe(ignoreElements()))
      : EMPTY,
  );

  const calling = call({
    dial: ports.dial,
    timeouts,
    clock,
    token$,
    probe$: merge(
      defer(() => (backoff.hurried ? of(0) : EMPTY)),
      nudged$,
    ),
    proved: backoff.proved,
  });

  const dropped = (drop: Drop): readonly Line[] => {
    const livedMs = present.value?.state === 'open' ? scheduler.now() - present.value.since : 0;
    backoff.dropped(drop, livedMs);
    told(drop, livedMs);
    return [waitingBy(backoff, backoff.attempt === 1 ? drop.report : null)];
  };

  const calls = concat(
    rest,
    defer(() => concat(of<Line>({ state: 'connecting', attempt: backoff.attempt + 1 }), calling)),
  ).pipe(
    redial({ announce: dropped, wait: (drop) => (isRenewable(drop, backoff.attempt) ? renewed() : untilMayCall) }),
    catchError((thrown: unknown) => of<Line>(failedBy(asDrop(thrown)))),
  );

  const line$ = merge(merge(nudged$, token$).pipe(ignoreElements()), calls).pipe(
    // An answer may come while a line is still being handed out (`of(server)`): everybody hears of one thing before the next.
    observeOn(queueScheduler),
    takeWhile((line) => line.state !== 'failed', true),
    tap((line) => present.next(line)),
    finalize(() => present.next(null)),
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => lingering(present, timer(timeouts.linger, scheduler), closed$),
      resetOnComplete: true, // What failed is called afresh when somebody asks again.
      resetOnError: true,
    }),
  );
  return { line$ };
};
