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
import { type Backoff, createBackoff, waitForRetry } from './backoff.js';
import { connect, type ConnectionAttemptPorts } from './connection-attempt.js';
import { toDisconnect, type Disconnect } from './disconnect.js';
import { listenWhileIdle } from './idle-triggers.js';
import { createFrameSizeTracker } from '../conversation/frame-size-limit.js';
import {
  failedStateOf,
  type ClientConnectionState,
  waitForLinger,
  createOutageReporter,
  waitingStateOf,
} from './connection-state.js';
import { reconnect } from './reconnect.js';
import type { Reason } from '../state/status.js';
import type { Tokens } from '../binding/tokens.js';

export interface ClientConnectionPorts extends Pick<ConnectionAttemptPorts, 'dial' | 'timeouts' | 'clock' | 'token$'> {
  /**
   * "Try now", besides `token$`. Cuts a wait and starts the backoff over; on a live line it only probes. An event: it
   * must not emit on subscription.
   */
  readonly reconnect$: Observable<unknown>;
  /** The network may have gone: only probes a live line. An event as well. */
  readonly offline$?: Observable<unknown>;
  /** The token of its sessions: renewed before a call, when the server has called it expired. */
  readonly tokens: Pick<Tokens, 'take' | 'markExpired' | 'isExpired'>;
  /** Hears of an outage once, when it begins: not of every attempt. */
  readonly onOutage?: (reason: Reason) => void;
  /** Emits, also to who comes later, when the client is closed: its line does not linger. */
  readonly closed$: Observable<unknown>;
}

export interface ClientConnection {
  /**
   * Where the line stands: the present value, then every change. The line is held while somebody is subscribed, and an
   * open one `timeouts.linger` longer. Never errors; completes after `failed`, and calls afresh for the next
   * subscriber.
   */
  readonly state$: Observable<ClientConnectionState>;
  /** "Try now", said while nobody holds the line: the next who does need not wait. */
  readonly resetBackoff: () => void;
}

/** A backoff that outlived its last session goes on for the next one (R15). */
const waitForBackoff = (
  backoff: Backoff,
  untilMayCall: Observable<unknown>,
  scheduler: SchedulerLike,
): Observable<ClientConnectionState> =>
  defer(() =>
    backoff.notBefore > scheduler.now()
      ? concat(of(waitingStateOf(backoff, null)), untilMayCall.pipe(ignoreElements()))
      : EMPTY,
  );

/** A token that the server called expired is not said again before the app was asked for another one. */
const renewToken = (tokens: ClientConnectionPorts['tokens'], backoff: Backoff): Observable<ClientConnectionState> =>
  defer(() =>
    tokens.isExpired()
      ? concat(
          of<ClientConnectionState>({ ...waitingStateOf(backoff, null), retryAt: null, isRenewingToken: true }),
          tokens.take().pipe(
            first(({ kind }) => kind === 'token'),
            ignoreElements(),
          ),
        )
      : EMPTY,
  );

/** The one line of a client: called when a session wants it, called again when it drops, shared by all who want it. */
export const createConnection = (ports: ClientConnectionPorts): ClientConnection => {
  const { timeouts, clock, token$, tokens, reconnect$, offline$ = NEVER, closed$ } = ports;
  const { scheduler } = clock;
  const backoff = createBackoff(timeouts, clock);
  const present = new BehaviorSubject<ClientConnectionState | null>(null);
  const told = createOutageReporter(timeouts.healthy, ports.onOutage);

  const reconnects$ = merge(reconnect$, token$).pipe(
    tap(() => (present.value?.state === 'waiting' ? backoff.reset() : backoff.requestReconnect())),
    share({ connector: () => new Subject(), resetOnRefCountZero: true, resetOnComplete: true, resetOnError: true }),
  );

  const untilMayCall = waitForRetry(backoff, reconnects$, clock);

  const calling = connect({
    dial: ports.dial,
    timeouts,
    clock,
    token$,
    probe$: merge(
      defer(() => (backoff.isReconnectRequested ? of(0) : EMPTY)),
      reconnects$,
      offline$,
    ),
    onAlive: backoff.confirmAlive,
    frames: createFrameSizeTracker(),
  });

  const dropped = (disconnect: Disconnect): readonly ClientConnectionState[] => {
    const livedMs = present.value?.state === 'open' ? scheduler.now() - present.value.since : 0;
    if (disconnect.reason.kind === 'token-expired') tokens.markExpired();
    backoff.recordDisconnect(disconnect, livedMs);
    told(disconnect, livedMs);
    return [waitingStateOf(backoff, backoff.attempt === 1 ? disconnect.report : null)];
  };

  const calls = concat(
    waitForBackoff(backoff, untilMayCall, scheduler),
    renewToken(tokens, backoff),
    defer(() => concat(of<ClientConnectionState>({ state: 'connecting', attempt: backoff.attempt + 1 }), calling)),
  ).pipe(
    reconnect({ announce: dropped, wait: () => untilMayCall }),
    catchError((thrown: unknown) => of<ClientConnectionState>(failedStateOf(toDisconnect(thrown)))),
  );

  const startOver = (): void => {
    if (present.value === null) backoff.reset();
  };

  const line$ = merge(reconnects$.pipe(ignoreElements()), calls).pipe(
    // An answer may come while a line is still being handed out (`of(server)`): everybody hears of one thing before the
    // next.
    observeOn(queueScheduler),
    takeWhile((line) => line.state !== 'failed', true),
    tap((line) => present.next(line)),
    finalize(() => {
      present.next(null);
      const gone$ = merge(closed$, present.pipe(filter((line) => line !== null)));
      listenWhileIdle({ backoff, clock, trigger$: reconnect$, end$: gone$, longestMs: timeouts.backoffMost });
    }),
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => waitForLinger(present, timer(timeouts.linger, scheduler), closed$),
      resetOnComplete: true, // What failed is called afresh when somebody asks again.
      resetOnError: true,
    }),
  );
  return { state$: line$, resetBackoff: startOver };
};
