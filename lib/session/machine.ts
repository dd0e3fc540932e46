import { type Observable, observeOn, queueScheduler, ReplaySubject, scan, Subject, Subscription, tap } from 'rxjs';
import { SyncError } from '../model/errors.js';
import type { SessionEvent } from './events.js';
import { stages, step, type SessionState } from './step.js';

/** A session's state, folded from its events and shown in order. */
export interface Machine {
  /** Takes an event: `present` is the new state at once, also from inside an observer. */
  readonly dispatch: (event: SessionEvent) => void;
  readonly present: () => SessionState;
  /** The present state, then every change, in order. Never errors; completes when the session is released. */
  readonly state$: Observable<SessionState>;
  /** What is to be shown in `errors$`, after the states that belong to it. Hot; completes with `state$`. */
  readonly error$: Observable<SyncError>;
}

/** One event's outcome: the state after it, and what is shown of it. */
interface Outcome {
  readonly state: SessionState;
  readonly states: readonly SessionState[];
  readonly error: SyncError | null;
}

const outcome = ({ state: before }: Outcome, event: SessionEvent): Outcome => {
  const state = step(before, event);
  return { state, states: state === before ? [] : stages(before, state), error: errorToShow(before, state, event) };
};

const errorToShow = (before: SessionState, after: SessionState, event: SessionEvent): SyncError | null => {
  if (event.type === 'trouble') return event.error;
  // A dying session has nobody left to tell (S15).
  return event.type === 'fatal' && before !== after && before.sync !== 'dying' ? event.error : null;
};

/**
 * Runs `step` over all that happens. An edge: the session's effects are subscribed here, and let go of when it is released.
 *
 * Folding is immediate and showing is queued: an observer may pause us from inside its handler and read `paused` right
 * after it, while everyone else is still told of the states before in their order.
 */
export const createMachine = (
  initial: SessionState,
  effectsOf: (state$: Observable<SessionState>) => Observable<SessionEvent>,
  /** Hears of every error first: a session may fail before anybody has had a chance to subscribe. */
  heard: (error: SyncError) => void = () => undefined,
): Machine => {
  const events = new Subject<SessionEvent>();
  const states = new ReplaySubject<SessionState>(1);
  const errors = new Subject<SyncError>();
  const running = new Subscription();
  let present = initial; // The last value of the scan below, for those who ask instead of listening.

  const show = ({ states: shown, error, state }: Outcome): void => {
    shown.forEach((each) => states.next(each));
    if (error) {
      heard(error);
      errors.next(error);
    }
    if (!state.released) return;
    running.unsubscribe();
    states.complete();
    errors.complete();
  };

  states.next(initial);
  running.add(
    events
      .pipe(
        scan(outcome, { state: initial, states: [], error: null }),
        tap(({ state }) => (present = state)),
        observeOn(queueScheduler),
      )
      .subscribe({ next: show, error: defect }),
  );
  running.add(
    effectsOf(states).subscribe({
      next: (event) => events.next(event),
      error: (thrown: unknown) => events.next({ type: 'fatal', error: asDefect(thrown) }),
    }),
  );

  return {
    dispatch: (event) => events.next(event),
    present: () => present,
    state$: states.asObservable(),
    error$: errors.asObservable(),
  };
};

const asDefect = (thrown: unknown): SyncError =>
  new SyncError('unknown', 'A defect of tidemark ended the session.', { cause: thrown });

/** `step` is total: if it throws all the same, it must not go unheard. */
const defect = (thrown: unknown): void => {
  throw thrown;
};
