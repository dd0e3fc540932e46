import { concat, defer, distinctUntilChanged, EMPTY, merge, type Observable, of, switchMap, take, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import { StalledError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { OpenConnection } from '../connection/connection-attempt.js';
import { slowestBytesPerMs } from '../conversation/in-flight-bytes.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import type { SessionEvent } from '../state/session-events.js';
import { hasWork, movementOf, type SessionState } from '../state/session-state.js';

/**
 * How long nothing may move: a changeset larger than a page is one frame, and cannot be acknowledged before it has
 * arrived.
 */
const patienceOf = ({ largestSentBytes }: SessionState, stall: number): number =>
  stall + Math.max(0, largestSentBytes - limits.pageBytesMax) / slowestBytesPerMs;

const isWatched = (state: SessionState): boolean => state.connection.state === 'connected' && hasWork(state);

/** Whether nothing has begun, ended or moved between two states. */
const isSameWatch = (before: SessionState, after: SessionState): boolean =>
  isWatched(before) === isWatched(after) && (!isWatched(after) || movementOf(before) === movementOf(after));

export interface WatchdogPorts {
  readonly timeouts: Pick<SyncTimeouts, 'stall'>;
  readonly clock: Clock;
  readonly openConnection: Pick<OpenConnection, 'probe' | 'close' | 'roundTrip$'>;
}

/**
 * Watches a bound session on an open line: connected, work waiting, and nothing moves. Then `stalledSince` is set and a
 * probe goes out; when the line answers and still nothing moves for as long again, it is given up for a new one; and
 * when the new one stalls as well, that is told, once, as a `StalledError`. What answers no probe is the read timeout's
 * to end. Whatever moves starts it afresh: an acknowledgement, a page that is stored, the answer to a mark. Cold; never
 * completes by itself.
 */
export const watchStalls = (
  state$: Observable<SessionState>,
  { timeouts: { stall }, clock, openConnection }: WatchdogPorts,
): Observable<SessionEvent> => {
  const { scheduler, now } = clock;

  const alarmed = (state: SessionState, since: number): Observable<SessionEvent> =>
    merge(
      // Listening first: an answer may come on the spot.
      openConnection.roundTrip$.pipe(
        take(1),
        switchMap(() => timer(stall, scheduler)),
        switchMap(() => {
          openConnection.close();
          return EMPTY;
        }),
      ),
      concat(
        of<SessionEvent>({ type: 'stalled', since }),
        state.stall.times === 1
          ? of<SessionEvent>({ type: 'trouble', error: new StalledError(state.stall.since ?? since) })
          : EMPTY,
        defer(() => {
          openConnection.probe();
          return EMPTY;
        }),
      ),
    );

  return state$.pipe(
    distinctUntilChanged(isSameWatch),
    switchMap((state) => {
      if (!isWatched(state)) return EMPTY;
      const since = now();
      return timer(patienceOf(state, stall), scheduler).pipe(switchMap(() => alarmed(state, since)));
    }),
  );
};
