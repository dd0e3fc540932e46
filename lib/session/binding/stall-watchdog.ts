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

export interface WatchdogPorts {
  readonly timeouts: Pick<SyncTimeouts, 'stall'>;
  readonly clock: Clock;
  /** Is called with the events of a stall. */
  readonly dispatch: (event: SessionEvent) => void;
}

type WatchedConnection = Pick<OpenConnection, 'probe' | 'close' | 'roundTrip$'>;

/** Shows a stall, and closes the connection when the server answers a probe and nothing moves for as long again. */
const handleStall = (
  { timeouts: { stall }, clock }: WatchdogPorts,
  openConnection: WatchedConnection,
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
export class StallWatch {
  #watched: SessionState | null = null; // The state in which work began or moved for the last time.
  #since = 0;
  #deadline = 0;
  #endsAt = 0; // Of the running timer.
  #timer: Subscription | null = null;
  #handling: Subscription | null = null;

  constructor(
    private readonly ports: WatchdogPorts,
    private readonly openConnection: WatchedConnection,
  ) {}

  /** Is called with each state that the session shows. */
  observe(state: SessionState): void {
    if (!isWatched(state)) {
      if (this.#watched !== null) this.#endWatch();
      return;
    }
    if (this.#watched !== null && !hasMoved(this.#watched, state)) return;
    const { clock, timeouts } = this.ports;
    this.#endWatch();
    this.#watched = state;
    this.#since = clock.now();
    this.#deadline = clock.scheduler.now() + patienceOf(state, timeouts.stall);
    if (this.#endsAt > this.#deadline) this.#endTimer();
    if (this.#timer === null) this.#wait();
  }

  stop(): void {
    this.#endWatch();
    this.#endTimer();
  }

  #endWatch(): void {
    this.#watched = null;
    this.#handling?.unsubscribe();
    this.#handling = null;
  }

  #endTimer(): void {
    this.#timer?.unsubscribe();
    this.#timer = null;
  }

  #wait(): void {
    const { scheduler } = this.ports.clock;
    this.#endsAt = this.#deadline;
    this.#timer = scheduler.schedule(() => this.#check(), this.#deadline - scheduler.now());
  }

  #check(): void {
    const { clock, dispatch } = this.ports;
    this.#timer = null;
    if (this.#watched === null) return;
    if (this.#deadline > clock.scheduler.now()) this.#wait();
    else
      this.#handling = handleStall(this.ports, this.openConnection, this.#watched, this.#since).subscribe({
        next: dispatch,
        error: (thrown: unknown) => dispatch({ type: 'fatal', error: toDefectError(thrown) }),
      });
  }
}

/** Whether a state needs to be watched for stalls. */
export const isWatched = (state: SessionState): boolean => state.connection.state === 'connected' && hasWork(state);
