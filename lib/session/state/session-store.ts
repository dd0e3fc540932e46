import { defer, EMPTY, Observable, of, queueScheduler, Subject } from 'rxjs';
import { SyncError } from '../../model/errors.js';
import type { SessionEvent } from './session-events.js';
import { stagesOf, reduceSession } from './session-reducer.js';
import type { SessionState } from './session-state.js';

/** The state of a session: a fold over its events, shown to observers in order. */
export interface SessionStore {
  /** Applies an event. `getState` returns the new state synchronously, also inside an observer. */
  dispatch(event: SessionEvent): void;
  getState(): SessionState;
  /**
   * Emits the current state on subscription, then every change, in order. Never errors. Completes when the session
   * ends.
   */
  readonly state$: Observable<SessionState>;
  /** The errors for `errors$`, each after the states that belong to it. Hot. Completes with `state$`. */
  readonly error$: Observable<SyncError>;
}

/** The functions that a store calls. Not operators, because an operator costs a kilobyte in every session. */
export interface SessionHooks {
  /** Is called with each state that is shown, before any observer receives it. */
  onShown(state: SessionState): void;
  /** Is called when the session has ended, before its streams complete. */
  onReleased(last: SessionState): void;
  /** Is called with every error first, because a session may fail before the app can subscribe. */
  readonly onError?: ((error: SyncError) => void) | undefined;
  /** Is called with every fatal error synchronously, before anything of it is shown. */
  readonly onFatalError?: ((error: SyncError) => void) | undefined;
}

/** Whether an event describes a connection and not the data of the realm. */
const isConnectionEvent = ({ type }: SessionEvent): boolean =>
  type === 'input' || type === 'connection' || type === 'bound' || type === 'fatal' || type === 'stalled';

const visibleErrorOf = (before: SessionState, after: SessionState, event: SessionEvent): SyncError | null => {
  if (event.type === 'trouble') return event.error;
  // The last handle of a dying session is closed: no observer needs its error (S15).
  return event.type === 'fatal' && before !== after && before.sync !== 'dying' ? event.error : null;
};

/**
 * Emits a value and then those of a subject, which is subscribed first: an observer of the value may cause the next.
 */
const startWithValue = <T>(subject: Subject<T>, value: T): Observable<T> =>
  new Observable((subscriber) => {
    subject.subscribe(subscriber);
    subscriber.next(value);
  });

/**
 * Creates the state of a session from `reduceSession`.
 *
 * An event is applied synchronously, but shown through a queue. So an observer may call `pause` in its handler and read
 * `paused` right after the call, while other observers still see the earlier states in their order.
 *
 * A class, because every session has one: its methods cost nothing, and its subjects are created for the first
 * observer.
 */
export class ShownState implements SessionStore {
  #states: Subject<SessionState> | null = null;
  #errors: Subject<SyncError> | null = null;
  #shown: SessionState;
  #current: SessionState; // The state after all events.
  #isReleased = false;

  constructor(
    initial: SessionState,
    private readonly hooks: SessionHooks,
  ) {
    this.#shown = initial;
    this.#current = initial;
  }

  /** Applies an event. States that result from a callback of `onFatalError` are shown after the error. */
  dispatch(event: SessionEvent): void {
    const before = this.#current;
    const after = reduceSession(before, event);
    this.#current = after;
    const error = visibleErrorOf(before, after, event);
    if (after === before && error === null) return;
    const showLater = (): void => void queueScheduler.schedule(() => this.#show(before, after, error));
    if (error?.fatal !== true) showLater();
    else
      runAtomically(() => {
        showLater();
        this.hooks.onFatalError?.(error);
      });
  }

  /** Replaces the state, as an event that leads to it. */
  replace(next: SessionState): void {
    const { interruption, ...current } = this.#current;
    const { rejected, versionShift } = next;
    // A copy of the same interruption is no new one. The waits that a new one ends need the fields they are counted by.
    const after = next.interruption.times === interruption.times ? { ...next, interruption } : next;
    const before = { ...current, interruption, rejected, versionShift };
    this.#current = after;
    queueScheduler.schedule(() => this.#show(before, after, null));
  }

  /** Applies an event of the connection, unless the session has left that connection and this is not shown yet. */
  dispatchReceived(event: SessionEvent): void {
    if (!isConnectionEvent(event) || !this.hasLeft()) this.dispatch(event);
  }

  /** Whether the session has left its connection, but that is not shown yet. */
  hasLeft(): boolean {
    return this.#shown.leaveCount !== this.#current.leaveCount;
  }

  getState(): SessionState {
    return this.#current;
  }

  /** Returns the last state that was shown. */
  getShown(): SessionState {
    return this.#shown;
  }

  get state$(): Observable<SessionState> {
    return defer(() =>
      this.#isReleased ? of(this.#shown) : startWithValue((this.#states ??= new Subject()), this.#shown),
    );
  }

  get error$(): Observable<SyncError> {
    return defer(() => (this.#isReleased ? EMPTY : (this.#errors ??= new Subject())));
  }

  #show(before: SessionState, after: SessionState, error: SyncError | null): void {
    if (this.#isReleased) return;
    if (after !== before) for (const state of stagesOf(before, after)) this.#showState(state);
    if (error) {
      this.hooks.onError?.(error);
      this.#errors?.next(error);
    }
    if (!after.released) return;
    this.#isReleased = true;
    this.hooks.onReleased(this.#shown);
    this.#states?.complete();
    this.#errors?.complete();
  }

  #showState(state: SessionState): void {
    this.#shown = state;
    try {
      this.hooks.onShown(state);
    } catch (thrown) {
      this.dispatch({ type: 'fatal', error: toDefectError(thrown) });
    }
    this.#states?.next(state);
  }
}

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

export const toDefectError = (thrown: unknown): SyncError =>
  new SyncError('unknown', 'A defect of tidemark ended the session.', { cause: thrown });
