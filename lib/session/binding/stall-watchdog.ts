import { concat, EMPTY, merge, type Observable, of, type Subscription, switchMap, take, timer } from 'rxjs';
import { runAction } from '../../model/operators.js';
import type { Clock } from '../../clock.js';
import { StalledError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { OpenConnection } from '../connection/connection-attempt.js';
import { slowestBytesPerMs } from '../conversation/in-flight-bytes.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import { toDefectError } from '../state/session-store.js';
import type { SessionEvent } from '../state/session-events.js';
import { hasMoved, hasWork, type SessionState } from '../state/session-state.js';

/**
 * Returns the milliseconds that may pass without movement. A changeset larger than a page is one frame, and cannot be
 * acknowledged before it has arrived.
 */
const patienceOf = ({ largestSentBytes }: SessionState, stall: number): number =>
  stall + Math.max(0, largestSentBytes - limits.pageBytesMax) / slowestBytesPerMs;

const isWatched = (state: SessionState): boolean => state.connection.state === 'connected' && hasWork(state);

export interface WatchdogPorts {
  readonly timeouts: Pick<SyncTimeouts, 'stall'>;
  readonly clock: Clock;
  readonly openConnection: Pick<OpenConnection, 'probe' | 'close' | 'roundTrip$'>;
  /** Is called with the events of a stall. */
  readonly dispatch: (event: SessionEvent) => void;
}

/** Watches a bound session on an open connection. */
export interface StallWatch {
  /** Is called with each state that the session shows. */
  readonly observe: (state: SessionState) => void;
  readonly stop: () => void;
}

/** Shows a stall, and closes the connection when the server answers a probe and nothing moves for as long again. */
const handleStall = (
  { timeouts: { stall }, clock, openConnection }: WatchdogPorts,
  state: SessionState,
  since: number,
): Observable<SessionEvent> =>
  merge(
    // Subscribed first, because an answer may come synchronously.
    openConnection.roundTrip$.pipe(
      take(1),
      switchMap(() => timer(stall, clock.scheduler)),
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

/**
 * Watches a bound session on an open connection for a stall: it is connected, work waits, and nothing moves.
 *
 * After `timeouts.stall` without movement, sets `stalledSince` and sends a probe. If the server answers and nothing
 * moves for as long again, closes the connection for a new one. If the new connection stalls, too, reports a
 * `StalledError`, once. An unanswered probe is left to the read timeout. Any movement restarts the watch: an
 * acknowledgement, a stored page, the answer to a mark.
 *
 * A plain function, because it sees every state. It moves a deadline. When the deadline moves, its timer keeps running,
 * and continues for the time that is left when it ends. An edge: a stall is handled until something moves.
 */
export const createStallWatch = (ports: WatchdogPorts): StallWatch => {
  const { timeouts, clock, dispatch } = ports;
  const { scheduler, now } = clock;
  let watched: SessionState | null = null; // The state in which work began or moved for the last time.
  let since = 0;
  let deadline = 0;
  let endsAt = 0; // Of the running timer.
  let timer$: Subscription | null = null;
  let handling: Subscription | null = null;

  const endByDefect = (thrown: unknown): void => dispatch({ type: 'fatal', error: toDefectError(thrown) });
  const wait = (): void => {
    endsAt = deadline;
    timer$ = scheduler.schedule(check, deadline - scheduler.now());
  };
  const check = (): void => {
    timer$ = null;
    if (watched === null) return;
    if (deadline > scheduler.now()) wait();
    else handling = handleStall(ports, watched, since).subscribe({ next: dispatch, error: endByDefect });
  };
  const stop = (): void => {
    watched = null;
    handling?.unsubscribe();
    handling = null;
  };
  return {
    observe: (state) => {
      if (!isWatched(state)) {
        if (watched !== null) stop();
        return;
      }
      if (watched !== null && !hasMoved(watched, state)) return;
      stop();
      watched = state;
      since = now();
      deadline = scheduler.now() + patienceOf(state, timeouts.stall);
      if (timer$ !== null && endsAt > deadline) {
        timer$.unsubscribe();
        timer$ = null;
      }
      if (timer$ === null) wait();
    },
    stop: () => {
      stop();
      timer$?.unsubscribe();
    },
  };
};
