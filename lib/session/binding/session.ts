import { EMPTY, Subscription } from 'rxjs';
import { type BindingPorts, disconnectEventsOf, runWithToken, SessionBinding } from './bind-session.js';
import { type ReceiveProgress, createReceiveProgress } from '../conversation/receive-progress.js';
import { LazyBackoff } from '../connection/backoff.js';
import { createMembersBuffer } from '../conversation/members-buffer.js';
import { createSnapshotBuffer } from '../conversation/snapshot-buffer.js';
import type { ClientConnectionState } from '../connection/connection-state.js';
import { toDisconnect } from '../connection/disconnect.js';
import { ShownState, type SessionHooks, type SessionStore, toDefectError } from '../state/session-store.js';
import type { SyncError } from '../../model/errors.js';
import type { ClientSessionPorts } from './session-ports.js';
import type { SessionEvent } from '../state/session-events.js';
import { createInitialState, type SessionState } from '../state/session-state.js';
import { needsConnection } from '../state/transitions.js';

/** The state of a session, and its count of received messages. */
export interface ClientSession extends SessionStore {
  readonly receiveProgress: ReceiveProgress;
}

/** Creates a session, which runs from its creation on (S1). Its state decides whether it holds the connection. */
export const createSession = (given: ClientSessionPorts): ClientSession => {
  const session = new RunningSession(given);
  session.start();
  return session;
};

type ConnectionNeed = 'needed' | 'paused' | 'ended';

/**
 * Whether the session needs a connection: yes, not now (paused), or never again. In the last case the partial snapshot
 * is discarded.
 */
const connectionNeedOf = ({ sync, loggedOut }: SessionState): ConnectionNeed =>
  needsConnection(sync) ? 'needed' : sync === 'paused' && !loggedOut ? 'paused' : 'ended';

/**
 * One session: a record, which an app may have a thousand of.
 *
 * An edge: the outbox is subscribed until the session ends, and the connection while the session needs it.
 */
class RunningSession implements ClientSession, SessionHooks {
  readonly receiveProgress = createReceiveProgress();
  readonly #shownState: ShownState;
  readonly #ports: BindingPorts;
  readonly #running = new Subscription();
  #need: ConnectionNeed | null = null; // `null`: the session is being created.
  #held: Subscription = Subscription.EMPTY; // What runs while the session needs the connection.
  #binding: SessionBinding | null = null; // While the connection is open.

  constructor(private readonly given: ClientSessionPorts) {
    const { start, outbox, initialDownload, loggedOut, known } = given;
    const initial = createInitialState(start, outbox, initialDownload, loggedOut, known);
    const shownState = new ShownState(initial, this);
    this.#shownState = shownState;
    this.#ports = {
      ...given,
      receiveProgress: this.receiveProgress,
      snapshotBuffer: createSnapshotBuffer(),
      membersBuffer: createMembersBuffer(),
      backoff: new LazyBackoff(given.timeouts, given.clock),
      resetDecision: { mode: null },
      hasLeft: () => shownState.hasLeft(),
      getShown: () => shownState.getShown(),
      dispatch: (event) => {
        shownState.dispatchReceived(event);
      },
    };
  }

  start(): void {
    this.#running.add(
      this.given.realm.outbox$.subscribe({
        next: (outbox) => {
          this.dispatch({ type: 'outbox', outbox });
        },
        error: (thrown: unknown) => this.#endByDefect(thrown),
      }),
    );
    this.#updateNeed(connectionNeedOf(this.#shownState.getShown()));
  }

  dispatch(event: SessionEvent): void {
    this.#shownState.dispatch(event);
  }

  getState(): SessionState {
    return this.#shownState.getState();
  }

  get state$() {
    return this.#shownState.state$;
  }

  get error$() {
    return this.#shownState.error$;
  }

  onShown(state: SessionState): void {
    if (this.#need === null) return;
    this.#updateNeed(connectionNeedOf(state));
    this.#binding?.onShown(state);
  }

  onReleased(last: SessionState): void {
    this.#running.unsubscribe();
    this.#dropPages();
    this.given.onReleased?.(last);
  }

  onError(error: SyncError): void {
    this.given.onError?.(error);
  }

  onFatalError(error: SyncError): void {
    this.given.onFatalError?.(error);
  }

  #endByDefect(thrown: unknown): void {
    this.dispatch({ type: 'fatal', error: toDefectError(thrown) });
  }

  #updateNeed(next: ConnectionNeed): void {
    if (next === this.#need) return;
    this.#need = next;
    this.#held.unsubscribe();
    if (next === 'ended') this.#dropPages();
    if (next === 'needed') this.#takeToken();
  }

  #dropPages(): void {
    this.#ports.snapshotBuffer.drop();
    this.#ports.membersBuffer.drop();
  }

  /** Takes a token, and then holds the connection. */
  #takeToken(): void {
    // Added to `running` before anything is subscribed, because an event may end it synchronously.
    const held = (this.#held = new Subscription(() => {
      this.#running.remove(held);
      this.#endBinding();
    }));
    this.#running.add(held);
    const token$ = runWithToken(this.#ports, () => {
      // Held while the token is being emitted: its stream is not to be subscribed again for the connection.
      if (!held.closed) this.#holdConnection(held);
      return EMPTY;
    });
    held.add(token$.subscribe({ next: this.#ports.dispatch, error: (thrown: unknown) => this.#endWithError(thrown) }));
  }

  #holdConnection(held: Subscription): void {
    held.add(
      this.#ports.connection.state$.subscribe({
        next: (connection) => {
          if (!held.closed) this.#handleConnectionState(connection);
        },
        error: (thrown: unknown) => this.#endWithError(thrown),
      }),
    );
  }

  #handleConnectionState(connection: ClientConnectionState): void {
    const { dispatch } = this.#ports;
    this.#endBinding();
    switch (connection.state) {
      case 'connecting':
        dispatch({ type: 'connection', connection });
        return;
      case 'waiting': {
        const { reason, attempt, retryAt, report, isRenewingToken } = connection;
        disconnectEventsOf({ state: 'disconnected', reason, attempt, retryAt }, report).forEach(dispatch);
        if (isRenewingToken === true) dispatch({ type: 'input', input: 'expired' });
        return;
      }
      case 'failed':
        dispatch({ type: 'fatal', error: connection.error });
        return;
      case 'open':
        this.#binding = new SessionBinding(this.#ports, connection, (thrown) => this.#endWithError(thrown));
        this.#binding.start();
    }
  }

  #endBinding(): void {
    const binding = this.#binding;
    this.#binding = null;
    binding?.stop();
  }

  /** Leaves the connection, and ends the session with a fatal error. */
  #endWithError(thrown: unknown): void {
    this.#held.unsubscribe();
    const { fatal } = toDisconnect(thrown);
    if (fatal) this.#ports.dispatch({ type: 'fatal', error: fatal });
  }
}
