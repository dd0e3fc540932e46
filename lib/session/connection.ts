import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
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
  take,
  takeWhile,
  tap,
  timer,
} from 'rxjs';
import type { SyncError } from '../model/errors.js';
import { type Backoff, createBackoff, waitOut } from './backoff.js';
import { call, type CallPorts, type OpenLine } from './call.js';
import { asDrop, type Drop } from './drop.js';
import { redial } from './redial.js';
import type { Reason } from './status.js';

/** Where the line of a client stands. */
export type Line =
  | { readonly state: 'connecting'; readonly attempt: number }
  | OpenLine
  | {
      readonly state: 'waiting';
      readonly reason: Reason;
      readonly attempt: number;
      /** Milliseconds since the epoch; `null`: not by itself. */
      readonly retryAt: number | null;
      /** Set when an outage begins that the user should hear of. */
      readonly report: SyncError | null;
    }
  | { readonly state: 'failed'; readonly error: SyncError };

export interface ConnectionPorts extends Pick<CallPorts, 'dial' | 'timeouts' | 'clock' | 'token$'> {
  /** "Try now". Cuts a wait and starts the backoff over; on a live line it only probes. An event: it must not emit on subscription. */
  readonly nudge$: Observable<unknown>;
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
export const createConnection = ({
  dial,
  timeouts,
  clock,
  token$,
  nudge$,
  closed$,
  outage,
}: ConnectionPorts): Connection => {
  const { scheduler } = clock;
  const backoff = createBackoff(timeouts, clock);
  const present = new BehaviorSubject<Line | null>(null);
  const told = outages(timeouts.healthy, outage);

  const nudged$ = nudge$.pipe(
    tap(() => (present.value?.state === 'waiting' ? backoff.startOver() : backoff.hurry())),
    share({ connector: () => new Subject(), resetOnRefCountZero: true, resetOnComplete: true, resetOnError: true }),
  );

  const waiting = (report: SyncError | null): Line => waitingBy(backoff, report);
  const untilMayCall = waitOut(backoff, nudged$, clock);

  // A backoff that outlived its last session goes on for the next one (R15).
  const rest = defer(() =>
    backoff.notBefore > scheduler.now() ? concat(of(waiting(null)), untilMayCall.pipe(ignoreElements())) : EMPTY,
  );

  const calling = call({
    dial,
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
    return [waiting(backoff.attempt === 1 ? drop.report : null)];
  };

  const calls = concat(
    rest,
    defer(() => concat(of<Line>({ state: 'connecting', attempt: backoff.attempt + 1 }), calling)),
  ).pipe(
    redial({ announce: dropped, wait: () => untilMayCall }),
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

/** Tells of an outage when it begins. Like the backoff it outlives the line: one that was told is not told again. */
const outages = (healthy: number, tell: ConnectionPorts['outage']): ((drop: Drop, livedMs: number) => void) => {
  let isOut = false;
  return ({ reason }, livedMs) => {
    if (!isOut || livedMs >= healthy) tell?.(reason);
    isOut = true;
  };
};

/** Emits when a line that everybody has left is to be let go of: at once, unless it is open. */
const lingering = (
  present: BehaviorSubject<Line | null>,
  over$: Observable<unknown>,
  closed$: Observable<unknown>,
): Observable<unknown> =>
  present.value?.state === 'open'
    ? merge(over$, closed$, present.pipe(filter((line) => line?.state !== 'open'))).pipe(take(1))
    : of(0);

const waitingBy = ({ reason, attempt, retryAt }: Backoff, report: SyncError | null): Line => ({
  state: 'waiting',
  reason: reason ?? { kind: 'idle' },
  attempt,
  retryAt: retryAt(),
  report,
});

const failedBy = ({ fatal, reason }: Drop): Line => {
  if (fatal) return { state: 'failed', error: fatal };
  throw new Error(`a drop that is not fatal was not redialled: ${reason.kind}`);
};
