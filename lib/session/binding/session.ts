import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  type Observable,
  of,
  switchMap,
} from 'rxjs';
import { type BindingPorts, disconnectEventsOf, bindSession, runWithToken } from './bind-session.js';
import { type ReceiveProgress, createReceiveProgress } from '../conversation/receive-progress.js';
import { createBackoff } from '../connection/backoff.js';
import { createSnapshotBuffer } from '../conversation/snapshot-buffer.js';
import type { ClientConnectionState } from '../connection/connection-state.js';
import { toDisconnect } from '../connection/disconnect.js';
import { createSessionStore, type SessionStore } from '../state/session-store.js';
import type { ClientSessionPorts } from './session-ports.js';
import type { ResetDecision } from './client-reset.js';
import type { SessionEvent } from '../state/session-events.js';
import { createInitialState, type SessionState } from '../state/session-state.js';
import { needsConnection } from '../state/transitions.js';
import { watchStalls } from './stall-watchdog.js';

/** The state of a session, and its count of received messages. */
export interface ClientSession extends SessionStore {
  readonly receiveProgress: ReceiveProgress;
}

/** Creates a session, which runs from its creation on (S1). Its state decides whether it holds the connection. */
export const createSession = (given: ClientSessionPorts): ClientSession => {
  const backoff = createBackoff(given.timeouts, given.clock);
  const receiveProgress = createReceiveProgress();
  const resetDecision: ResetDecision = { mode: null };
  const own = { snapshotBuffer: createSnapshotBuffer(), backoff, receiveProgress, resetDecision };
  const store = createSessionStore(
    createInitialState(given.start, given.outbox, given.initialDownload, given.loggedOut),
    (state$, hasLeft) => {
      const ports = { ...given, ...own, hasLeft };
      return merge(
        ports.realm.outbox$.pipe(map((outbox): SessionEvent => ({ type: 'outbox', outbox }))),
        state$.pipe(
          map(connectionNeedOf),
          distinctUntilChanged(),
          switchMap((need) => {
            if (need === 'ended') ports.snapshotBuffer.drop();
            return need === 'needed' ? runSync(ports, state$) : EMPTY;
          }),
        ),
      ).pipe(finalize(ports.snapshotBuffer.drop));
    },
    given.onError,
    given.onFatalError,
  );
  return Object.assign(store, { receiveProgress });
};

/** Emits the number of the mark to request. One mark answers all requests that were made before it was sent. */
const markRequestsOf = (state$: Observable<SessionState>): Observable<number> =>
  defer(() => {
    let asked = 0;
    return state$.pipe(
      filter(({ marks }) => marks.wanted > Math.max(marks.answered, asked)),
      map(({ marks }) => (asked = marks.wanted)),
    );
  });

/**
 * Whether the session needs a connection: yes, not now (paused), or never again. In the last case the partial snapshot
 * is discarded.
 */
const connectionNeedOf = ({ sync, loggedOut }: SessionState): 'needed' | 'paused' | 'ended' =>
  needsConnection(sync) ? 'needed' : sync === 'paused' && !loggedOut ? 'paused' : 'ended';

/**
 * Emits all events of a session while it needs a connection. Never errors: the error that ends it is its last event.
 */
const runSync = (ports: BindingPorts, state$: Observable<SessionState>): Observable<SessionEvent> =>
  runWithToken(ports, () =>
    ports.connection.state$.pipe(switchMap((connection) => handleConnectionState(ports, state$, connection))),
  ).pipe(
    catchError((thrown: unknown) => {
      const { fatal } = toDisconnect(thrown);
      return fatal ? of<SessionEvent>({ type: 'fatal', error: fatal }) : EMPTY;
    }),
  );

const handleConnectionState = (
  ports: BindingPorts,
  state$: Observable<SessionState>,
  connection: ClientConnectionState,
): Observable<SessionEvent> => {
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
      return merge(
        watchStalls(state$, { ...ports, openConnection: connection }),
        bindSession(ports, markRequestsOf(state$), connection),
      );
  }
};
