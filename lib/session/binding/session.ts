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

/** A session's machine, and what it has received. */
export interface ClientSession extends SessionStore {
  readonly receiveProgress: ReceiveProgress;
}

/** A session, running from the first moment (S1): what it wants is a state, and the line follows it. */
export const createSession = (given: ClientSessionPorts): ClientSession => {
  const backoff = createBackoff(given.timeouts, given.clock);
  const receiveProgress = createReceiveProgress();
  const resetDecision: ResetDecision = { mode: null };
  const own = { snapshotBuffer: createSnapshotBuffer(), backoff, receiveProgress, resetDecision };
  const machine = createSessionStore(
    createInitialState(given.start, given.outbox, given.initialDownload, given.loggedOut),
    (state$, hasLeft) => {
      const ports = { ...given, ...own, hasLeft };
      return merge(
        ports.realm.outbox$.pipe(map((outbox): SessionEvent => ({ type: 'outbox', outbox }))),
        state$.pipe(
          map(connectionNeedOf),
          distinctUntilChanged(),
          switchMap((wish) => {
            if (wish === 'nothing') ports.snapshotBuffer.drop();
            return wish === 'line' ? runSync(ports, state$) : EMPTY;
          }),
        ),
      ).pipe(finalize(ports.snapshotBuffer.drop));
    },
    given.onError,
    given.onFatalError,
  );
  return Object.assign(machine, { receiveProgress });
};

/** The mark that is wanted and not answered yet; one mark answers all that were wanted before it was sent. */
const markRequestsOf = (state$: Observable<SessionState>): Observable<number> =>
  defer(() => {
    let asked = 0;
    return state$.pipe(
      filter(({ marks }) => marks.wanted > Math.max(marks.answered, asked)),
      map(({ marks }) => (asked = marks.wanted)),
    );
  });

/**
 * What a session wants: a line; nothing for now; or nothing any more, and then what it has half of is not kept for who
 * may never come back.
 */
const connectionNeedOf = ({ sync, loggedOut }: SessionState): 'line' | 'rest' | 'nothing' =>
  needsConnection(sync) ? 'line' : sync === 'paused' && !loggedOut ? 'rest' : 'nothing';

/** Everything that happens while a session wants the line. Never errors: what ends it is its last event. */
const runSync = (ports: BindingPorts, state$: Observable<SessionState>): Observable<SessionEvent> =>
  runWithToken(ports, () =>
    ports.connection.state$.pipe(switchMap((line) => handleConnectionState(ports, state$, line))),
  ).pipe(
    catchError((thrown: unknown) => {
      const { fatal } = toDisconnect(thrown);
      return fatal ? of<SessionEvent>({ type: 'fatal', error: fatal }) : EMPTY;
    }),
  );

const handleConnectionState = (
  ports: BindingPorts,
  state$: Observable<SessionState>,
  line: ClientConnectionState,
): Observable<SessionEvent> => {
  switch (line.state) {
    case 'connecting':
      return of({ type: 'connection', connection: line });
    case 'waiting': {
      const { reason, attempt, retryAt, report, isRenewingToken } = line;
      const heard = disconnectEventsOf({ state: 'disconnected', reason, attempt, retryAt }, report);
      return of(...heard, ...(isRenewingToken ? [{ type: 'input', input: 'expired' } as const] : []));
    }
    case 'failed':
      return of({ type: 'fatal', error: line.error });
    case 'open':
      return merge(
        watchStalls(state$, { ...ports, openConnection: line }),
        bindSession(ports, markRequestsOf(state$), line),
      );
  }
};
