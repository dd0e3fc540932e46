import { concat, defer, EMPTY, merge, NEVER, type Observable, of, switchMap, tap } from 'rxjs';
import type { ReceiveProgress } from '../conversation/receive-progress.js';
import { type Backoff, waitForRetry } from '../connection/backoff.js';
import type { OpenConnection } from '../connection/connection-attempt.js';
import type { SnapshotBuffer } from '../conversation/snapshot-buffer.js';
import { userOf } from './token-claims.js';
import { createReplacedLimit } from './replaced-limit.js';
import { runConversation } from '../conversation/conversation.js';
import type { Disconnect } from '../connection/disconnect.js';
import type { ClientSessionPorts } from './session-ports.js';
import { reconnect } from '../connection/reconnect.js';
import { type ResetDecision, createClientResets } from './client-reset.js';
import type { SessionObservers } from '../conversation/conversation-ports.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';

/**
 * Runs work with an access token: at once with a valid one, otherwise after a new one was received.
 *
 * Runs nothing when the session has left the connection.
 */
export const runWithToken = (
  { tokens, hasLeft }: BindingPorts,
  work: (token: string | null) => Observable<SessionEvent>,
): Observable<SessionEvent> =>
  tokens.take().pipe(
    switchMap((event) => {
      if (event.kind === 'expired') return of<SessionEvent>({ type: 'input', input: 'expired' });
      if (event.kind === 'token') {
        const continued$ = defer(() => (hasLeft() ? NEVER : work(event.token)));
        const { isOld = false } = event;
        return concat(of<SessionEvent>({ type: 'input', input: 'token', isOld }), continued$);
      }
      const reason = { kind: 'token-wanted' } as const;
      return of<SessionEvent>({ type: 'connection', connection: { state: 'disconnected', reason, ...event.request } });
    }),
  );

type DisconnectedStatus = Extract<SessionState['connection'], { readonly state: 'disconnected' }>;

/** Returns the events of a session after a disconnect. */
export const disconnectEventsOf = (connection: DisconnectedStatus, report: Disconnect['report']): SessionEvent[] => [
  { type: 'connection', connection },
  ...(report ? [{ type: 'trouble', error: report } as const] : []),
];

/** The ports of a session and its state that outlives a connection. */
export interface BindingPorts extends ClientSessionPorts {
  readonly snapshotBuffer: SnapshotBuffer;
  readonly receiveProgress: ReceiveProgress;
  /** Backoff of this session only, besides that of the connection. */
  readonly backoff: Backoff;
  readonly resetDecision: ResetDecision;
  readonly observers: SessionObservers;
  /** Applies an event of the current connection. */
  readonly dispatch: (event: SessionEvent) => void;
  /** Returns the last state that was shown. */
  readonly getShown: () => SessionState;
  /** Whether the session has left this connection. Then nothing more is sent on it. */
  readonly hasLeft: () => boolean;
}

/** Ties the realm to a user before anything is sent on behalf of that user. */
const claimRealm = ({ realm, user }: ClientSessionPorts, token: string | null): Observable<never> => {
  const id = user?.() ?? userOf(token);
  return id === null ? EMPTY : realm.claim(id);
};

/**
 * Binds the session on an open connection. When only this session is disconnected, binds again after its own backoff
 * (E2).
 */
export const bindSession = (ports: BindingPorts, openConnection: OpenConnection): Observable<SessionEvent> =>
  defer(() => {
    const { clock, tokens, reconnect$, backoff } = ports;
    let boundAt = Infinity;
    let token: string | null = null;
    const replacedLimit = createReplacedLimit(clock);

    const connecting = (): Observable<SessionEvent> =>
      of({ type: 'connection', connection: { state: 'connecting', attempt: backoff.attempt + 1 } });
    const recordEvent = ({ type }: SessionEvent): void => {
      if (type !== 'bound') return;
      boundAt = clock.scheduler.now();
      tokens.markAccepted();
    };
    const { realm, clientReset, resetDecision } = ports;
    const resets = createClientResets({ realm, clientReset, clock, replacedLimit, resetDecision });
    const onProgress = (type: 'downloaded' | 'marked'): void => {
      if (type === 'downloaded') backoff.reset();
      resets.recordProgress();
    };
    const bound = resets.bindWithResets(
      runWithToken(ports, (taken) => {
        token = taken;
        // Shown again, because the session was shown as disconnected while it waited for the token.
        return concat(
          connecting(),
          claimRealm(ports, taken),
          runConversation(openConnection.openChannel(), { ...ports, token, onProgress, replacedLimit }).pipe(
            tap(recordEvent),
          ),
        );
      }),
    );

    const announce = (disconnect: Disconnect): SessionEvent[] => {
      if (disconnect.reason.kind === 'token-expired') tokens.markExpired(token);
      backoff.recordDisconnect(disconnect, clock.scheduler.now() - boundAt);
      boundAt = Infinity;
      const { attempt, reason } = { attempt: backoff.attempt, reason: disconnect.reason };
      return disconnectEventsOf(
        { state: 'disconnected', reason, attempt, retryAt: backoff.computeRetryAt() },
        attempt === 1 ? disconnect.report : null,
      );
    };

    const wait = (): Observable<unknown> => waitForRetry(backoff, reconnect$.pipe(tap(backoff.reset)), clock);

    return merge(
      openConnection.roundTrip$,
      defer(() => concat(connecting(), bound)).pipe(reconnect({ announce, wait })),
    );
  });
