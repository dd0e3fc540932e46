import { filter, map, merge, type Observable, of, scan, switchMap, take } from 'rxjs';
import type { SyncError } from '../../model/errors.js';
import type { Backoff } from './backoff.js';
import type { OpenConnection } from './connection-attempt.js';
import type { Disconnect } from './disconnect.js';
import type { Reason } from '../state/status.js';

/** The state of a client's connection. */
export type ClientConnectionState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | OpenConnection
  | {
      readonly state: 'waiting';
      readonly reason: Reason;
      readonly attempt: number;
      /** Milliseconds since the epoch. `null`: only after a reconnect trigger. */
      readonly retryAt: number | null;
      /** The error to show to the user, when an outage begins. */
      readonly report: SyncError | null;
      /** Whether a quick retry follows (R16). */
      readonly isQuick: boolean;
      /** The wait is over, and the app is asked for a token that replaces the expired one. */
      readonly isRenewingToken?: boolean;
    }
  | { readonly state: 'failed'; readonly error: SyncError };

/**
 * Creates a function that reports an outage when it begins. It outlives each connection, so that one outage is reported
 * once.
 */
export const createOutageReporter = (
  healthy: number,
  report: ((reason: Reason) => void) | undefined,
): ((disconnect: Disconnect) => void) => {
  let isReported = false;
  return ({ reason, livedMs }) => {
    if (!isReported || livedMs >= healthy) report?.(reason);
    isReported = true;
  };
};

interface TriggeredState {
  readonly state: ClientConnectionState | null;
  readonly isTrigger: boolean;
}

/** Emits for each trigger the state at that moment: a fold of both streams. `null`: no session holds the connection. */
export const statesAtTriggers = (
  state$: Observable<ClientConnectionState | null>,
  trigger$: Observable<unknown>,
): Observable<ClientConnectionState | null> =>
  merge(
    state$.pipe(map((state): TriggeredState => ({ state, isTrigger: false }))), // First, so that each trigger has one.
    trigger$.pipe(map(() => null)),
  ).pipe(
    scan((last: TriggeredState, next) => next ?? { ...last, isTrigger: true }, { state: null, isTrigger: false }),
    filter(({ isTrigger }) => isTrigger),
    map(({ state }) => state),
  );

/** Emits when a connection without sessions is to be closed: at once, unless it is open. */
export const waitForLinger = (
  state$: Observable<ClientConnectionState | null>,
  over$: Observable<unknown>,
  closed$: Observable<unknown>,
): Observable<unknown> =>
  state$.pipe(
    switchMap((connection) => (connection?.state === 'open' ? merge(over$, closed$) : of(0))),
    take(1),
  );

export const waitingStateOf = (
  { reason, attempt, computeRetryAt, isQuick }: Backoff,
  report: SyncError | null,
): Extract<ClientConnectionState, { readonly state: 'waiting' }> => ({
  state: 'waiting',
  reason: reason ?? { kind: 'idle' },
  attempt,
  retryAt: computeRetryAt(),
  report,
  isQuick,
});

export const failedStateOf = ({ fatal, reason }: Disconnect): ClientConnectionState => {
  if (fatal) return { state: 'failed', error: fatal };
  throw new Error(`A disconnect without a reconnect must be fatal: ${reason.kind}.`);
};
