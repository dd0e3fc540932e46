import { type BehaviorSubject, filter, merge, type Observable, of, take } from 'rxjs';
import type { SyncError } from '../../model/errors.js';
import type { Backoff } from './backoff.js';
import type { OpenConnection } from './connection-attempt.js';
import type { Disconnect } from './disconnect.js';
import type { Reason } from '../state/status.js';

/** Where the line of a client stands. */
export type ClientConnectionState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | OpenConnection
  | {
      readonly state: 'waiting';
      readonly reason: Reason;
      readonly attempt: number;
      /** Milliseconds since the epoch; `null`: not by itself. */
      readonly retryAt: number | null;
      /** Set when an outage begins that the user should hear of. */
      readonly report: SyncError | null;
      /** The wait is over, and the app is asked for a token in the place of an expired one. */
      readonly isRenewingToken?: boolean;
    }
  | { readonly state: 'failed'; readonly error: SyncError };

/** Tells of an outage when it begins. Like the backoff it outlives the line: one that was told is not told again. */
export const createOutageReporter = (
  healthy: number,
  tell: ((reason: Reason) => void) | undefined,
): ((disconnect: Disconnect, livedMs: number) => void) => {
  let isOut = false;
  return ({ reason }, livedMs) => {
    if (!isOut || livedMs >= healthy) tell?.(reason);
    isOut = true;
  };
};

/** Emits when a line that everybody has left is to be let go of: at once, unless it is open. */
export const waitForLinger = (
  present: BehaviorSubject<ClientConnectionState | null>,
  over$: Observable<unknown>,
  closed$: Observable<unknown>,
): Observable<unknown> =>
  present.value?.state === 'open'
    ? merge(over$, closed$, present.pipe(filter((line) => line?.state !== 'open'))).pipe(take(1))
    : of(0);

export const waitingStateOf = (
  { reason, attempt, computeRetryAt }: Backoff,
  report: SyncError | null,
): Extract<ClientConnectionState, { readonly state: 'waiting' }> => ({
  state: 'waiting',
  reason: reason ?? { kind: 'idle' },
  attempt,
  retryAt: computeRetryAt(),
  report,
});

export const failedStateOf = ({ fatal, reason }: Disconnect): ClientConnectionState => {
  if (fatal) return { state: 'failed', error: fatal };
  throw new Error(`a drop that is not fatal was not redialled: ${reason.kind}`);
};
