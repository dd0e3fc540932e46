import { type Observable, queueScheduler, ReplaySubject, Subject, Subscription } from 'rxjs';
import { SyncError } from '../../model/errors.js';
import type { SessionEvent } from './session-events.js';
import { stagesOf, reduceSession } from './session-reducer.js';
import type { SessionState } from './session-state.js';

/** The state of a session: a fold over its events, shown to observers in order. */
export interface SessionStore {
  /** Applies an event. `getState` returns the new state synchronously, also inside an observer. */
  readonly dispatch: (event: SessionEvent) => void;
  readonly getState: () => SessionState;
  /**
   * Emits the current state on subscription, then every change, in order. Never errors. Completes when the session
   * ends.
   */
  readonly state$: Observable<SessionState>;
  /** The errors for `errors$`, each after the states that belong to it. Hot. Completes with `state$`. */
  readonly error$: Observable<SyncError>;
}

/** Whether an event describes a connection and not the data of the realm. */
const isConnectionEvent = ({ type }: SessionEvent): boolean =>
  type === 'input' || type === 'connection' || type === 'bound' || type === 'fatal' || type === 'stalled';

/** The outcome of one event: the new state, the states that observers see, and the error that they see. */
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
  // The last handle of a dying session is closed: no observer needs its error (S15).
  return event.type === 'fatal' && before !== after && before.sync !== 'dying' ? event.error : null;
};

/**
 * Creates the state of a session from `reduceSession` and a stream of effects.
 *
 * An edge: the effects are subscribed here, and unsubscribed when the session ends.
 *
 * An event is applied synchronously, but shown through a queue. So an observer may call `pause` in its handler and read
 * `paused` right after the call, while other observers still see the earlier states in their order.
 */
export const createSessionStore = (
  initial: SessionState,
  /**
   * `isLeft`: the session has left its connection, but that is not shown yet. Events of that connection are ignored.
   */
  effectsOf: (state$: Observable<SessionState>, isLeft: () => boolean) => Observable<SessionEvent>,
  /** Is called with every error first, because a session may fail before the app can subscribe. */
  onError: (error: SyncError) => void = () => undefined,
  /** Is called with every fatal error synchronously, before anything of it is shown. */
  onFatalError: (error: SyncError) => void = () => undefined,
): SessionStore => {
  const states = new ReplaySubject<SessionState>(1);
  const errors = new Subject<SyncError>();
  const running = new Subscription();
  let lastShown = initial; // The last state that was shown.
  let current = initial; // The state after all events. A plain fold: operators cost a kilobyte each, in every session.

  const show = ({ states: shown, error, state }: Outcome): void => {
    if (running.closed) return;
    shown.forEach((each) => states.next((lastShown = each)));
    if (error) {
      onError(error);
      errors.next(error);
    }
    if (!state.released) return;
    running.unsubscribe();
    states.complete();
    errors.complete();
  };

  /** Applies an event. States that result from a callback of `onFatalError` are shown after the error. */
  const dispatch = (event: SessionEvent): void => {
    const outcome = reduceEvent(current, event);
    current = outcome.state;
    const { error } = outcome;
    const showLater = (): void => void queueScheduler.schedule(() => show(outcome));
    if (error?.fatal !== true) showLater();
    else
      runAtomically(() => {
        showLater();
        onFatalError(error);
      });
  };

  const isLeft = (): boolean => lastShown.leaveCount !== current.leaveCount;

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
    getState: () => current,
    state$: states.asObservable(),
    error$: errors.asObservable(),
  };
};

/**
 * Runs work synchronously, while observers are held back until the work has ended.
 *
 * So a command is complete before an observer can give the next one, also when the command was called outside of every
 * observer: all that a store shows waits in the same queue.
 */
export const runAtomically = (work: () => void): void => {
  let isDone = false;
  const once = (): void => {
    if (isDone) return;
    isDone = true;
    work();
  };
  queueScheduler.schedule(once);
  once(); // The queue was busy, because this call came from an observer.
};

const toDefectError = (thrown: unknown): SyncError =>
  new SyncError('unknown', 'A defect of tidemark ended the session.', { cause: thrown });
