import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  finalize,
  first,
  filter,
  ignoreElements,
  map,
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
  startWith,
  switchMap,
  takeWhile,
  tap,
  timer,
} from 'rxjs';
import { limits } from '../../model/limits.js';
import { type Backoff, createBackoff, waitForRetry } from './backoff.js';
import { connect, type ConnectionAttemptPorts } from './connection-attempt.js';
import { toDisconnect, type Disconnect } from './disconnect.js';
import { listenWhileIdle } from './idle-triggers.js';
import { createFrameSizeTracker } from '../conversation/frame-size-limit.js';
import {
  failedStateOf,
  type ClientConnectionState,
  statesAtTriggers,
  waitForLinger,
  createOutageReporter,
  waitingStateOf,
} from './connection-state.js';
import { reconnect } from './reconnect.js';
import type { Reason } from '../state/status.js';
import type { Tokens } from '../binding/tokens.js';

export interface ClientConnectionPorts extends Pick<
  ConnectionAttemptPorts,
  'dial' | 'timeouts' | 'clock' | 'token$' | 'fault$'
> {
  /**
   * Reconnect triggers, besides `token$`. Each one ends a wait and resets the backoff; an open connection is only
   * probed.
   *
   * Events, not a state: the stream must not emit on subscription.
   */
  readonly reconnect$: Observable<unknown>;
  /** The network may be gone: an open connection is only probed. Events, not a state. */
  readonly offline$?: Observable<unknown>;
  /** The token of the sessions. It is renewed before an attempt when the server reported it as expired. */
  readonly tokens: Pick<Tokens, 'take' | 'markExpired' | 'isExpired'>;
  /** Is called once per outage, when the outage begins. */
  readonly onOutage?: (reason: Reason) => void;
  /** Replays. Emits when the client is closed, so that the connection closes without lingering. */
  readonly closed$: Observable<unknown>;
}

export interface ClientConnection {
  /**
   * Emits the state of the connection: the current value on subscription, then every change.
   *
   * The connection is held while there is a subscriber. An open one is held for `timeouts.linger` longer. Never errors.
   * Completes after `failed`, and makes a new attempt for the next subscriber.
   */
  readonly state$: Observable<ClientConnectionState>;
  /** A reconnect trigger without a subscriber: the next subscriber does not wait. */
  readonly resetBackoff: () => void;
}

/** Waits for a backoff that outlived its last session (R15). */
const waitForBackoff = (
  backoff: Backoff,
  untilRetry: Observable<unknown>,
  scheduler: SchedulerLike,
): Observable<ClientConnectionState> =>
  defer(() =>
    backoff.notBefore > scheduler.now()
      ? concat(of(waitingStateOf(backoff, null)), untilRetry.pipe(ignoreElements()))
      : EMPTY,
  );

/** Renews a token that the server reported as expired, so that it is not sent again before the app was asked. */
const renewToken = (tokens: ClientConnectionPorts['tokens'], backoff: Backoff): Observable<ClientConnectionState> =>
  defer(() =>
    tokens.isExpired()
      ? concat(
          of<ClientConnectionState>({
            ...waitingStateOf(backoff, null),
            retryAt: null,
            isQuick: false,
            isRenewingToken: true,
          }),
          tokens.take().pipe(
            first(({ kind }) => kind === 'token'),
            ignoreElements(),
          ),
        )
      : EMPTY,
  );

/**
 * Emits `connecting` when the connection opens, or when the attempt takes long. A quick retry that fails at once is
 * part of the wait for the app.
 */
const showLate = (
  connecting: ClientConnectionState,
  attempt$: Observable<ClientConnectionState>,
  scheduler: SchedulerLike,
): Observable<ClientConnectionState> =>
  attempt$.pipe(
    startWith(null),
    switchMap((open) =>
      open === null ? timer(limits.quickRetryMs, scheduler).pipe(map(() => connecting)) : of(connecting, open),
    ),
  );

/** Makes one attempt, and emits `connecting` before it. Cold. */
const makeAttempt = (
  backoff: Backoff,
  attempt$: Observable<ClientConnectionState>,
  isHidden: () => boolean,
  scheduler: SchedulerLike,
): Observable<ClientConnectionState> =>
  defer(() => {
    const connecting: ClientConnectionState = { state: 'connecting', attempt: backoff.attempt + 1 };
    return isHidden() ? showLate(connecting, attempt$, scheduler) : concat(of(connecting), attempt$);
  });

/** Whether the app need not see this state. Quick retries are one wait, and one attempt when they take long to fail. */
const isRepeated = (before: ClientConnectionState, state: ClientConnectionState): boolean =>
  (state.state === 'connecting' && before.state === 'connecting') ||
  (state.state === 'waiting' && state.isQuick && before.state !== 'open');

/** Creates a function that records a disconnect and returns the state of the wait that follows. */
const createAnnouncer = (
  tokens: ClientConnectionPorts['tokens'],
  backoff: Backoff,
  reportOutage: (disconnect: Disconnect) => void,
) => {
  let isUnreported = false; // Quick retries have begun, and their outage was not reported.
  return (disconnect: Disconnect): readonly ClientConnectionState[] => {
    if (disconnect.reason.kind === 'token-expired') tokens.markExpired();
    backoff.recordDisconnect(disconnect, disconnect.livedMs);
    reportOutage(disconnect);
    if (backoff.isQuick) isUnreported = true;
    // An outage begins when the quick retries have failed.
    const report = !backoff.isQuick && (isUnreported || backoff.attempt === 1) ? disconnect.report : null;
    if (report !== null) isUnreported = false;
    return [waitingStateOf(backoff, report)];
  };
};

/**
 * Creates the connection of a client: opened when a session needs it, reopened after a disconnect, shared by all
 * sessions.
 */
export const createConnection = (ports: ClientConnectionPorts): ClientConnection => {
  const { timeouts, clock, token$, tokens, reconnect$, offline$ = NEVER, closed$ } = ports;
  const { scheduler } = clock;
  const backoff = createBackoff(timeouts, clock);
  // The state that the sessions see; `null`: no session holds the connection.
  const shown = new BehaviorSubject<ClientConnectionState | null>(null);
  let isHeld = false; // For `resetBackoff`, which has no subscription in which to fold `shown`.

  const reconnects$ = statesAtTriggers(shown, merge(reconnect$, token$)).pipe(
    tap((state) => (state?.state === 'waiting' ? backoff.reset() : backoff.requestReconnect())),
    share({ connector: () => new Subject(), resetOnRefCountZero: true, resetOnComplete: true, resetOnError: true }),
  );

  const untilRetry = waitForRetry(backoff, reconnects$, clock);

  const attempt$ = connect({
    ...ports,
    probe$: merge(
      defer(() => (backoff.isReconnectRequested ? of(0) : EMPTY)),
      reconnects$,
      offline$,
    ),
    onAlive: backoff.confirmAlive,
    frames: createFrameSizeTracker(),
  });

  const announce = createAnnouncer(tokens, backoff, createOutageReporter(timeouts.healthy, ports.onOutage));

  // A realm that is opened after its quick retries shows its first attempt at once.
  const isHidden = (): boolean => backoff.isQuick && shown.value !== null;
  const attempts$ = concat(
    waitForBackoff(backoff, untilRetry, scheduler),
    renewToken(tokens, backoff),
    makeAttempt(backoff, attempt$, isHidden, scheduler),
  ).pipe(
    reconnect({ announce, wait: () => untilRetry }),
    distinctUntilChanged(isRepeated),
    catchError((thrown: unknown) => of<ClientConnectionState>(failedStateOf(toDisconnect(thrown)))),
  );

  const resetBackoff = (): void => {
    if (!isHeld) backoff.reset();
  };

  const state$ = merge(reconnects$.pipe(ignoreElements()), attempts$).pipe(
    // An answer may come while a connection is still being emitted (`of(server)`). All sessions receive one state
    // before the next one.
    observeOn(queueScheduler),
    takeWhile(({ state }) => state !== 'failed', true),
    tap((state) => {
      isHeld = true;
      shown.next(state);
    }),
    finalize(() => {
      isHeld = false;
      shown.next(null);
      const end$ = merge(closed$, shown.pipe(filter((state) => state !== null)));
      listenWhileIdle({ backoff, clock, trigger$: reconnect$, end$, longestMs: timeouts.backoffMost });
    }),
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => waitForLinger(shown, timer(timeouts.linger, scheduler), closed$),
      resetOnComplete: true, // After a failure the next subscriber makes a new attempt.
      resetOnError: true,
    }),
  );
  return { state$, resetBackoff };
};
