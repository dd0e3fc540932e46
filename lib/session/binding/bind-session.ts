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
import { type ResetDecision, handleClientReset } from './client-reset.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';

/**
 * Goes on with a token: at once with the one at hand, or after a fresh one has come; not at all once the session has
 * left the line.
 */
export const runWithToken = (
  { tokens, hasLeft }: BindingPorts,
  then: (token: string | null) => Observable<SessionEvent>,
): Observable<SessionEvent> =>
  tokens.take().pipe(
    switchMap((heard) => {
      if (heard.kind === 'expired') return of<SessionEvent>({ type: 'input', input: 'expired' });
      if (heard.kind === 'token') {
        const going = defer(() => (hasLeft() ? NEVER : then(heard.token)));
        const { isOld = false } = heard;
        return concat(of<SessionEvent>({ type: 'input', input: 'token', isOld }), going);
      }
      const reason = { kind: 'token-wanted' } as const;
      return of<SessionEvent>({ type: 'connection', connection: { state: 'disconnected', reason, ...heard.request } });
    }),
  );

type DisconnectedStatus = Extract<SessionState['connection'], { readonly state: 'disconnected' }>;

/** A drop as the session hears of it. */
export const disconnectEventsOf = (connection: DisconnectedStatus, report: Disconnect['report']): SessionEvent[] => [
  { type: 'connection', connection },
  ...(report ? [{ type: 'trouble', error: report } as const] : []),
];

/** What outlives a line as well. */
export interface BindingPorts extends ClientSessionPorts {
  readonly snapshotBuffer: SnapshotBuffer;
  readonly receiveProgress: ReceiveProgress;
  /** Of this session alone. */
  readonly backoff: Backoff;
  readonly resetDecision: ResetDecision;
  /** Whether the session has left this line: nothing more is sent on it. */
  readonly hasLeft: () => boolean;
}

/** Before a word is said as a user, the realm is that user's. */
const claimRealm = ({ realm, user }: ClientSessionPorts, token: string | null): Observable<never> => {
  const id = user?.() ?? userOf(token);
  return id === null ? EMPTY : realm.claim(id);
};

/** Binds on the open line, and binds again by its own backoff when only this session was sent away (E2). */
export const bindSession = (
  ports: BindingPorts,
  mark$: Observable<number>,
  line: OpenConnection,
): Observable<SessionEvent> =>
  defer(() => {
    const { clock, tokens, reconnect$, backoff } = ports;
    let boundAt = Infinity;
    let token: string | null = null;
    const contest = createReplacedLimit(clock);

    const connecting = (): Observable<SessionEvent> =>
      of({ type: 'connection', connection: { state: 'connecting', attempt: backoff.attempt + 1 } });
    const heard = ({ type }: SessionEvent): void => {
      if (type === 'bound') {
        boundAt = clock.scheduler.now();
        tokens.markAccepted();
      }
      if (type === 'downloaded') backoff.reset();
    };
    const { realm, clientReset, resetDecision } = ports;
    const bound = handleClientReset({
      realm,
      clientReset,
      clock,
      replacedLimit: contest,
      resetDecision,
      onEvent: heard,
    })(
      runWithToken(ports, (taken) => {
        token = taken;
        // Again, because while the token was waited for it was said to be disconnected.
        return concat(
          connecting(),
          claimRealm(ports, taken),
          runConversation(line.openChannel(), { ...ports, token, mark$, replacedLimit: contest }),
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

    return merge(line.roundTrip$, defer(() => concat(connecting(), bound)).pipe(reconnect({ announce, wait })));
  });
