import { catchError, defer, EMPTY, finalize, type Observable, of, Subscription, switchMap } from 'rxjs';
import { type BindingPorts, disconnectEventsOf, bindSession, runWithToken } from './bind-session.js';
import { type ReceiveProgress, createReceiveProgress } from '../conversation/receive-progress.js';
import { createBackoff } from '../connection/backoff.js';
import { createSnapshotBuffer } from '../conversation/snapshot-buffer.js';
import type { ClientConnectionState } from '../connection/connection-state.js';
import type { OpenConnection } from '../connection/connection-attempt.js';
import type { SessionObservers } from '../conversation/conversation-ports.js';
import { toDisconnect } from '../connection/disconnect.js';
import { createSessionStore, type SessionStore, toDefectError } from '../state/session-store.js';
import type { OutboxState } from '../../model/sync-port.js';
import type { ClientSessionPorts } from './session-ports.js';
import type { SessionEvent } from '../state/session-events.js';
import { createInitialState, type SessionState } from '../state/session-state.js';
import { needsConnection } from '../state/transitions.js';
import { createStallWatch } from './stall-watchdog.js';

/** The state of a session, and its count of received messages. */
export interface ClientSession extends SessionStore {
  readonly receiveProgress: ReceiveProgress;
}

/**
 * Creates a session, which runs from its creation on (S1). Its state decides whether it holds the connection.
 *
 * An edge: the outbox and the connection are subscribed here until the session ends.
 */
export const createSession = (given: ClientSessionPorts): ClientSession => {
  const receiveProgress = createReceiveProgress();
  const observers: SessionObservers = { onMarks: null, onWatch: null };
  const running = new Subscription();
  const snapshotBuffer = createSnapshotBuffer();
  let need: ConnectionNeed | null = null; // `null`: the session is being created.
  let sync = Subscription.EMPTY;

  const endByDefect = (thrown: unknown): void => store.dispatch({ type: 'fatal', error: toDefectError(thrown) });
  const updateNeed = (next: ConnectionNeed): void => {
    if (next === need) return;
    need = next;
    sync.unsubscribe();
    if (need === 'ended') snapshotBuffer.drop();
    if (need !== 'needed') return;
    // Added to `running` before it is subscribed, because its events may end it synchronously.
    const own = (sync = new Subscription(() => {
      running.remove(own);
    }));
    running.add(own);
    own.add(runSync(ports).subscribe({ next: store.dispatchReceived, error: endByDefect }));
  };
  const store = createSessionStore(
    createInitialState(given.start, given.outbox, given.initialDownload, given.loggedOut),
    {
      onShown: (state) => {
        if (need === null) return;
        updateNeed(connectionNeedOf(state));
        observers.onWatch?.(state);
        observers.onMarks?.(state);
      },
      onReleased: () => {
        running.unsubscribe();
        snapshotBuffer.drop();
      },
      onError: given.onError,
      onFatalError: given.onFatalError,
    },
  );
  const ports: BindingPorts = {
    ...given,
    ...{ snapshotBuffer, receiveProgress, observers },
    backoff: createBackoff(given.timeouts, given.clock),
    resetDecision: { mode: null },
    hasLeft: store.hasLeft,
    getShown: store.getShown,
    dispatch: store.dispatchReceived,
  };
  const showOutbox = (outbox: OutboxState): void => store.dispatch({ type: 'outbox', outbox });
  running.add(given.realm.outbox$.subscribe({ next: showOutbox, error: endByDefect }));
  updateNeed(connectionNeedOf(store.getShown()));
  return { ...store, receiveProgress };
};

type ConnectionNeed = 'needed' | 'paused' | 'ended';

/**
 * Whether the session needs a connection: yes, not now (paused), or never again. In the last case the partial snapshot
 * is discarded.
 */
const connectionNeedOf = ({ sync, loggedOut }: SessionState): ConnectionNeed =>
  needsConnection(sync) ? 'needed' : sync === 'paused' && !loggedOut ? 'paused' : 'ended';

/**
 * Emits all events of a session while it needs a connection. Never errors: the error that ends it is its last event.
 */
const runSync = (ports: BindingPorts): Observable<SessionEvent> =>
  runWithToken(ports, () =>
    ports.connection.state$.pipe(switchMap((connection) => handleConnectionState(ports, connection))),
  ).pipe(
    catchError((thrown: unknown) => {
      const { fatal } = toDisconnect(thrown);
      return fatal ? of<SessionEvent>({ type: 'fatal', error: fatal }) : EMPTY;
    }),
  );

const handleConnectionState = (ports: BindingPorts, connection: ClientConnectionState): Observable<SessionEvent> => {
  switch (connection.state) {
    case 'connecting':
      return of({ type: 'connection', connection });
    case 'waiting': {
      const { reason, attempt, retryAt, report, isRenewingToken } = connection;
      const events = disconnectEventsOf({ state: 'disconnected', reason, attempt, retryAt }, report);
      return of(...events, ...(isRenewingToken ? [{ type: 'input', input: 'expired' } as const] : []));
    }
    case 'failed':
      return of({ type: 'fatal', error: connection.error });
    case 'open':
      return bindWatched(ports, connection);
  }
};

/** Binds the session on an open connection, and watches it for stalls. */
const bindWatched = (ports: BindingPorts, openConnection: OpenConnection): Observable<SessionEvent> =>
  defer(() => {
    const watch = createStallWatch({ ...ports, openConnection });
    ports.observers.onWatch = watch.observe;
    watch.observe(ports.getShown());
    return bindSession(ports, openConnection).pipe(
      finalize(() => {
        ports.observers.onWatch = null;
        watch.stop();
      }),
    );
  });
