import { concat, defer, distinctUntilChanged, EMPTY, merge, type Observable, of, switchMap, take, timer } from 'rxjs';
import type { Clock } from '../clock.js';
import { StalledError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { OpenLine } from './call.js';
import { slowestBytesPerMs } from './in-flight.js';
import type { SyncTimeouts } from './options.js';
import type { SessionEvent } from './events.js';
import { hasWork, movement, type SessionState } from './step.js';

/** How long nothing may move: a changeset larger than a page is one frame, and cannot be acknowledged before it has arrived. */
const patience = ({ largestSent }: SessionState, stall: number): number =>
  stall + Math.max(0, largestSent - limits.pageBytesMax) / slowestBytesPerMs;

const isWatched = (state: SessionState): boolean => state.connection.state === 'connected' && hasWork(state);

/** Whether nothing has begun, ended or moved between two states. */
const isSameWatch = (before: SessionState, after: SessionState): boolean =>
  isWatched(before) === isWatched(after) && (!isWatched(after) || movement(before) === movement(after));

export interface WatchdogPorts {
  readonly timeouts: Pick<SyncTimeouts, 'stall'>;
  readonly clock: Clock;
  readonly line: Pick<OpenLine, 'probe' | 'hangUp' | 'roundTrip$'>;
}

/**
 * Watches a bound session on an open line: connected, work waiting, and nothing moves. Then `stalledSince` is set and a
 * probe goes out; when the line answers and still nothing moves for as long again, it is given up for a new one; and when
 * the new one stalls as well, that is told, once, as a `StalledError`. What answers no probe is the read timeout's to end.
 * Whatever moves starts it afresh: an acknowledgement, a page that is stored, the answer to a mark. Cold; never completes by itself.
 */
export const watchdog = (
  state$: Observable<SessionState>,
  { timeouts: { stall }, clock, line }: WatchdogPorts,
): Observable<SessionEvent> => {
  const { scheduler, now } = clock;

  const alarmed = (state: SessionState, since: number): Observable<SessionEvent> =>
    merge(
      // Listening first: an answer may come on the spot.
      line.roundTrip$.pipe(
        take(1),
        switchMap(() => timer(stall, scheduler)),
        switchMap(() => {
          line.hangUp();
          return EMPTY;
        }),
      ),
      concat(
        of<SessionEvent>({ type: 'stalled', since }),
        state.stall.times === 1
          ? of<SessionEvent>({ type: 'trouble', error: new StalledError(state.stall.since ?? since) })
          : EMPTY,
        defer(() => {
          line.probe();
          return EMPTY;
        }),
      ),
    );

  return state$.pipe(
    distinctUntilChanged(isSameWatch),
    switchMap((state) => {
      if (!isWatched(state)) return EMPTY;
      const since = now();
      return timer(patience(state, stall), scheduler).pipe(switchMap(() => alarmed(state, since)));
    }),
  );
};
