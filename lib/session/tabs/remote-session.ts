import { SyncError } from '../../model/errors.js';
import type { OutboxState } from '../../model/sync-port.js';
import { reduceSession } from '../state/session-reducer.js';
import type { SessionEvent } from '../state/session-events.js';
import { type SessionHooks, type SessionStore, ShownState } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';

/** An event of this tab that the leader has to apply. */
export interface SharedEvent {
  /** 1, 2, 3 … */
  readonly number: number;
  readonly event: SessionEvent;
}

/** The state that the leader's session has shown, and its errors since the last report. */
export interface SessionReport {
  /** Its state. `marks` counts the marks of this tab alone. */
  readonly state: SessionState;
  /** The last event of this tab that the state includes. */
  readonly upTo: number;
  readonly errors: readonly SyncError[];
}

/** Whether an event of a tab concerns the session of all tabs. */
const isShared = ({ type }: SessionEvent): boolean =>
  type === 'input' || type === 'markWanted' || type === 'loggedOut' || type === 'reset';

/**
 * The session of a tab that follows: the state of the leader's session, with the events of this tab that it does not
 * include yet. So a command takes effect at once here, too.
 */
export class RemoteSession implements SessionStore {
  readonly #shown: ShownState;
  #number = 0;
  #stored: OutboxState | null = null;
  #pending: readonly SharedEvent[] = [];

  constructor(
    initial: SessionState,
    hooks: Pick<SessionHooks, 'onReleased' | 'onError'>,
    private readonly send: (event: SharedEvent) => void,
  ) {
    this.#shown = new ShownState(initial, {
      onShown: () => undefined,
      onReleased: (last) => hooks.onReleased(last),
      onError: hooks.onError,
    });
  }

  get state$() {
    return this.#shown.state$;
  }
  get error$() {
    return this.#shown.error$;
  }

  getState(): SessionState {
    return this.#shown.getState();
  }

  dispatch(event: SessionEvent): void {
    if (isShared(event)) {
      const shared = { number: (this.#number += 1), event };
      this.#pending = [...this.#pending, shared];
      this.send(shared);
    }
    this.#shown.dispatch(event);
  }

  /** The events that no report has included yet. */
  pending(): readonly SharedEvent[] {
    return this.#pending;
  }

  /**
   * Sets the outbox that the leader has stored. Its session may report it a moment later, and a leader that ends never
   * does: without it `uploadComplete$` would not wait for a write that this tab shows.
   */
  noteOutbox(outbox: OutboxState): void {
    this.#stored = outbox;
    const before = this.getState();
    const { outbox: raised } = this.#raise(before);
    if (raised !== before.outbox) this.#shown.dispatch({ type: 'outbox', outbox: raised });
  }

  receive({ state, upTo, errors }: SessionReport): void {
    this.#pending = this.#pending.filter(({ number }) => number > upTo);
    this.#shown.replace(this.#pending.reduce((next, { event }) => reduceSession(next, event), this.#raise(state)));
    for (const error of errors) this.#shown.dispatch({ type: 'trouble', error });
  }

  /** Adds the writes that the leader has stored, and its session has not reported. Acknowledges none. */
  #raise(state: SessionState): SessionState {
    const { outbox } = state;
    const unreported = (this.#stored?.written ?? 0) - outbox.written;
    if (!this.#stored || unreported <= 0) return state;
    const raised = { ...outbox, written: this.#stored.written, changesets: outbox.changesets + unreported };
    return { ...state, outbox: outbox.acknowledged === this.#stored.acknowledged ? this.#stored : raised };
  }
}
