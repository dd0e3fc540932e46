import { concat, defer, EMPTY, NEVER, type Observable, of, Subscription, switchMap, tap, throwError } from 'rxjs';
import { type LazyBackoff, waitForRetry } from '../connection/backoff.js';
import type { OpenConnection } from '../connection/connection-attempt.js';
import type { Conversation, ConversationOwner, SessionPorts } from '../conversation/conversation-ports.js';
import { userOf } from './token-claims.js';
import { ReplacedLimit } from './replaced-limit.js';
import { bindConversation, endConversation, exchangeMessages, requestMark } from '../conversation/conversation.js';
import type { Disconnect } from '../connection/disconnect.js';
import type { ClientSessionPorts } from './session-ports.js';
import { reconnect } from '../connection/reconnect.js';
import { type ResetDecision, ClientResets } from './client-reset.js';
import { isWatched, StallWatch } from './stall-watchdog.js';
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
export interface BindingPorts extends ClientSessionPorts, SessionPorts {
  /** Backoff of this session only, besides that of the connection. */
  readonly backoff: LazyBackoff;
  readonly resetDecision: ResetDecision;
}

/** Ties the realm to a user before anything is sent on behalf of that user. */
const claimRealm = ({ realm, user }: ClientSessionPorts, token: string | null): Observable<never> => {
  const id = user?.() ?? userOf(token);
  return id === null ? EMPTY : realm.claim(id);
};

/**
 * A session on one open connection: binds it, and again after an error of that session alone, after its own backoff
 * (E2).
 *
 * To bind is a pipeline that ends when the session is bound. When the bound session fails, the pipeline starts again
 * with that error. So an idle session has no operators. An edge: the pipeline runs until the session is bound, and the
 * bound session until `stop`.
 */
export class SessionBinding implements ConversationOwner {
  token: string | null = null;
  readonly replacedLimit: ReplacedLimit;
  readonly #resets: ClientResets;
  #boundAt = Infinity;
  #failure: { readonly thrown: unknown } | null = null; // Of the bound session, to be handled by the pipeline.
  #conversation: Conversation | null = null; // While the session is bound.
  #binding = Subscription.EMPTY; // The pipeline, while it runs.
  #watch: StallWatch | null = null;
  #isStopped = false;

  constructor(
    private readonly ports: BindingPorts,
    private readonly openConnection: OpenConnection,
    /** Is called with the error that ends the session. */
    private readonly onFatal: (thrown: unknown) => void,
  ) {
    this.replacedLimit = new ReplacedLimit(ports.clock);
    const { realm, clientReset, clock, resetDecision } = ports;
    this.#resets = new ClientResets({ realm, clientReset, clock, resetDecision, replacedLimit: this.replacedLimit });
  }

  start(): void {
    this.onShown(this.ports.getShown());
    this.#bind();
  }

  /** Is called with each state that the session shows. */
  onShown(state: SessionState): void {
    if (this.#isStopped) return;
    if (this.#watch !== null || isWatched(state)) {
      this.#watch ??= new StallWatch(this.ports, this.openConnection);
      this.#watch.observe(state);
    }
    if (this.#conversation !== null) requestMark(this.#conversation, state);
  }

  onProgress(type: 'downloaded' | 'marked'): void {
    if (type === 'downloaded') this.ports.backoff.reset();
    this.#resets.recordProgress();
  }

  onFailure(conversation: Conversation, thrown: unknown): void {
    endConversation(conversation);
    this.#conversation = null;
    this.#failure = { thrown };
    if (!this.#isStopped) this.#bind();
  }

  stop(): void {
    this.#isStopped = true;
    this.#binding.unsubscribe();
    if (this.#conversation !== null) endConversation(this.#conversation);
    this.#watch?.stop();
  }

  #bind(): void {
    const binding = (this.#binding = new Subscription());
    binding.add(
      this.#attempts$().subscribe({
        next: this.ports.dispatch,
        error: this.onFatal,
        complete: () => {
          this.#binding = Subscription.EMPTY;
          if (this.#conversation !== null) exchangeMessages(this.#conversation);
        },
      }),
    );
  }

  /** Emits the events of all attempts to bind the session, and completes when it is bound. */
  #attempts$(): Observable<SessionEvent> {
    const { reconnect$, backoff, clock } = this.ports;
    const bound$ = this.#resets.bindWithResets(defer(() => this.#attempt$()));
    return defer(() => (this.#failure === null ? concat(this.#connecting$(), bound$) : bound$)).pipe(
      reconnect({
        announce: (disconnect) => this.#announce(disconnect),
        wait: () => waitForRetry(backoff.get(), reconnect$.pipe(tap(() => backoff.reset())), clock),
      }),
    );
  }

  #attempt$(): Observable<SessionEvent> {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) return throwError(() => failure.thrown);
    this.#resets.recordBind();
    return runWithToken(this.ports, (token) => {
      this.token = token;
      // Shown again, because the session was shown as disconnected while it waited for the token.
      return concat(
        this.#connecting$(),
        claimRealm(this.ports, token),
        bindConversation(this.openConnection.openChannel(), this.ports, this, (conversation) => {
          this.#conversation = conversation;
        }).pipe(
          tap(({ type }) => {
            if (type === 'bound') this.#recordBound();
          }),
        ),
      );
    });
  }

  #connecting$(): Observable<SessionEvent> {
    return defer(() =>
      of<SessionEvent>({
        type: 'connection',
        connection: { state: 'connecting', attempt: this.ports.backoff.attempt + 1 },
      }),
    );
  }

  #recordBound(): void {
    this.#boundAt = this.ports.clock.scheduler.now();
    this.ports.tokens.markAccepted();
  }

  /** Records a disconnect of this session, and returns its events. */
  #announce(disconnect: Disconnect): SessionEvent[] {
    const { tokens, clock } = this.ports;
    const backoff = this.ports.backoff.get();
    if (disconnect.reason.kind === 'token-expired') tokens.markExpired(this.token);
    backoff.recordDisconnect(disconnect, clock.scheduler.now() - this.#boundAt);
    this.#boundAt = Infinity;
    const { attempt } = backoff;
    return disconnectEventsOf(
      { state: 'disconnected', reason: disconnect.reason, attempt, retryAt: backoff.computeRetryAt() },
      attempt === 1 ? disconnect.report : null,
    );
  }
}
