import { type Observable, queueScheduler, ReplaySubject, Subject, Subscription } from 'rxjs';
import { SyncError } from '../../model/errors.js';
import type { SessionEvent } from './session-events.js';
import { stagesOf, reduceSession } from './session-reducer.js';
import type { SessionState } from './session-state.js';

/** A session's state, folded from its events and shown in order. */
export interface SessionStore {
  /** Takes an event: `present` is the new state at once, also from inside an observer. */
  readonly dispatch: (event: SessionEvent) => void;
  readonly getState: () => SessionState;
  /** The present state, then every change, in order. Never errors; completes when the session is released. */
  readonly state$: Observable<SessionState>;
  /** What is to be shown in `errors$`, after the states that belong to it. Hot; completes with `state$`. */
  readonly error$: Observable<SyncError>;
}

/** The events that say how a line is, and not what the realm has. */
const isConnectionEvent = ({ type }: SessionEvent): boolean =>
  type === 'input' || type === 'connection' || type === 'bound' || type === 'fatal' || type === 'stalled';

/** One event's outcome: the state after it, and what is shown of it. */
interface Outcome {
  readonly state: SessionState;
  readonly states: readonly SessionState[];
  readonly error: SyncError | null;
}

const reduceEvent = (before: SessionState, event: SessionEvent): Outcome => {
  const state = reduceSession(before, event);
  return {
    state,
    states: state === before ? [] : stagesOf(before, state),
    error: visibleErrorOf(before, state, event),
  };
};

const visibleErrorOf = (before: SessionState, after: SessionState, event: SessionEvent): SyncError | null => {
  if (event.type === 'trouble') return event.error;
  // A dying session has nobody left to tell (S15).
  return event.type === 'fatal' && before !== after && before.sync !== 'dying' ? event.error : null;
};

/**
 * Runs `step` over all that happens. An edge: the session's effects are subscribed here, and let go of when it is
 * released.
 *
 * Folding is immediate and showing is queued: an observer may pause us from inside its handler and read `paused` right
 * after it, while everyone else is still told of the states before in their order.
 */
export const createSessionStore = (
  initial: SessionState,
  /**
   * `isLeft`: the session has left its line, though that is not shown yet: what it still says of itself is not taken.
   */
  effectsOf: (state$: Observable<SessionState>, isLeft: () => boolean) => Observable<SessionEvent>,
  /** Hears of every error first: a session may fail before anybody has had a chance to subscribe. */
  heard: (error: SyncError) => void = () => undefined,
  /** Is called with every fatal error at once, before anything is shown of it. */
  failed: (error: SyncError) => void = () => undefined,
): SessionStore => {
  const states = new ReplaySubject<SessionState>(1);
  const errors = new Subject<SyncError>();
  const running = new Subscription();
  let seen = initial; // The last that was shown.
  let present = initial; // Everything folded. A plain fold: operators cost a kilobyte each, in every session.

  const show = ({ states: shown, error, state }: Outcome): void => {
    if (running.closed) return;
    shown.forEach((each) => states.next((seen = each)));
    if (error) {
      heard(error);
      errors.next(error);
    }
    if (!state.released) return;
    running.unsubscribe();
    states.complete();
    errors.complete();
  };

  /** What others do because of an error is shown behind it. */
  const dispatch = (event: SessionEvent): void => {
    const folded = reduceEvent(present, event);
    present = folded.state;
    const { error } = folded;
    const later = (): void => void queueScheduler.schedule(() => show(folded));
    if (error?.fatal !== true) later();
    else
      runAtomically(() => {
        later();
        failed(error);
      });
  };

  const isLeft = (): boolean => seen.leaveCount !== present.leaveCount;

  states.next(initial);
  running.add(
    effectsOf(states, isLeft).subscribe({
      next: (event) => {
        if (!isConnectionEvent(event) || !isLeft()) dispatch(event);
      },
      error: (thrown: unknown) => dispatch({ type: 'fatal', error: toDefectError(thrown) }),
    }),
  );

  return {
    dispatch,
    getState: () => present,
    state$: states.asObservable(),
    error$: errors.asObservable(),
  };
};

/**
 * Runs at once; observers see what comes of it when it is over. So a command is whole before an observer can give the
 * next one, also when it is given outside of every observer: what a machine shows waits in this queue.
 */
export const runAtomically = (work: () => void): void => {
  let isDone = false;
  const once = (): void => {
    if (isDone) return;
    isDone = true;
    work();
  };
  queueScheduler.schedule(once);
  once(); // The queue is busy: this is inside an observer.
};

const toDefectError = (thrown: unknown): SyncError =>
  new SyncError('unknown', 'A defect of tidemark ended the session.', { cause: thrown });
