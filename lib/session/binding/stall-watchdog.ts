import { concat, distinctUntilChanged, EMPTY, merge, type Observable, of, switchMap, take, timer } from 'rxjs';
import { runAction } from '../../model/operators.js';
import type { Clock } from '../../clock.js';
import { StalledError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { OpenConnection } from '../connection/connection-attempt.js';
import { slowestBytesPerMs } from '../conversation/in-flight-bytes.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import type { SessionEvent } from '../state/session-events.js';
import { hasWork, movementOf, type SessionState } from '../state/session-state.js';

/**
 * Returns the milliseconds that may pass without movement. A changeset larger than a page is one frame, and cannot be
 * acknowledged before it has arrived.
 */
const patienceOf = ({ largestSentBytes }: SessionState, stall: number): number =>
  stall + Math.max(0, largestSentBytes - limits.pageBytesMax) / slowestBytesPerMs;

const isWatched = (state: SessionState): boolean => state.connection.state === 'connected' && hasWork(state);

/** Whether no work has begun, ended or moved between two states. */
const isSameWatch = (before: SessionState, after: SessionState): boolean =>
  isWatched(before) === isWatched(after) && (!isWatched(after) || movementOf(before) === movementOf(after));

export interface WatchdogPorts {
  readonly timeouts: Pick<SyncTimeouts, 'stall'>;
  readonly clock: Clock;
  readonly openConnection: Pick<OpenConnection, 'probe' | 'close' | 'roundTrip$'>;
}

/**
 * Watches a bound session on an open connection for a stall: it is connected, work waits, and nothing moves.
 *
 * After `timeouts.stall` without movement, sets `stalledSince` and sends a probe. If the server answers and nothing
 * moves for as long again, closes the connection for a new one. If the new connection stalls, too, reports a
 * `StalledError`, once. An unanswered probe is left to the read timeout. Any movement restarts the watch: an
 * acknowledgement, a stored page, the answer to a mark. Cold. Never completes by itself.
 */
export const watchStalls = (
  state$: Observable<SessionState>,
  { timeouts: { stall }, clock, openConnection }: WatchdogPorts,
): Observable<SessionEvent> => {
  const { scheduler, now } = clock;

  const handleStall = (state: SessionState, since: number): Observable<SessionEvent> =>
    merge(
      // Subscribed first, because an answer may come synchronously.
      openConnection.roundTrip$.pipe(
        take(1),
        switchMap(() => timer(stall, scheduler)),
        switchMap(() => runAction(openConnection.close)),
      ),
      concat(
        of<SessionEvent>({ type: 'stalled', since }),
        state.stall.times === 1
          ? of<SessionEvent>({ type: 'trouble', error: new StalledError(state.stall.since ?? since) })
          : EMPTY,
        runAction(openConnection.probe),
      ),
    );

  return state$.pipe(
    distinctUntilChanged(isSameWatch),
    switchMap((state) => {
      if (!isWatched(state)) return EMPTY;
      const since = now();
      return timer(patienceOf(state, stall), scheduler).pipe(switchMap(() => handleStall(state, since)));
    }),
  );
};
