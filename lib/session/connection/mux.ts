import {
  BehaviorSubject,
  map,
  merge,
  NEVER,
  Observable,
  observeOn,
  queueScheduler,
  Subject,
  type Subscriber,
} from 'rxjs';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.js';
import { createFrameSizeTracker, type FrameSizeLimit } from '../conversation/frame-size-limit.js';
import type { Wire } from '../../transport/wire.js';

/** A channel: one session's share of a connection, with a session number and a wire of its own. */
export interface Channel {
  readonly session: number;
  /**
   * The wire of the session. The first message on it must be a bind. To unsubscribe unbinds the session.
   *
   * Emits only messages for this session. Never completes by itself.
   */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /**
   * The received messages. The subscriber removes each message that it handles.
   *
   * So it sees the messages that follow, without an operator in each idle session.
   */
  readonly inbox: ServerMessage[];
  /** Number of received messages. */
  readonly counters: { received: number };
  /** Size limit of uploads on this connection. */
  readonly frames: FrameSizeLimit;
}

/** Many sessions on one open connection. Its lifetime is that of the connection. */
export interface Mux {
  /** The messages of all channels, in order. A bind does not repeat a token that the server already has. Hot. */
  readonly outgoing$: Observable<ClientMessage>;
  /** Delivers a message to its channel. Messages for a session that has already unbound are ignored. */
  readonly receive: (message: ServerMessage) => void;
  /** Opens an unused channel. */
  readonly openChannel: () => Channel;
  /** `sentAt` of the last answered ping: the current value on subscription, then each. */
  readonly answered$: Observable<number | null>;
}

/**
 * Creates a mux. An edge: the messages that a channel sends are subscribed here, inside the subscription of its wire.
 */
export const createMux = (
  token$: Observable<string> = NEVER,
  frames: FrameSizeLimit = createFrameSizeTracker(),
): Mux => {
  const channels = new Map<
    number,
    { readonly subscriber: Subscriber<ServerMessage> } & Pick<Channel, 'inbox' | 'counters'>
  >();
  const outgoing = new Subject<ClientMessage>();
  const answered = new BehaviorSubject<number | null>(null);
  let last = 0;
  let lastToken: string | null = null;

  const withoutRepeating = (message: ClientMessage): ClientMessage => {
    if (message.type === 'token') lastToken = message.token;
    if (message.type !== 'bind') return message;
    if (message.token !== null && message.token === lastToken) return { ...message, token: null };
    lastToken = message.token;
    return message;
  };

  const wireOf =
    (session: number, { inbox, counters }: Pick<Channel, 'inbox' | 'counters'>): Wire<ClientMessage, ServerMessage> =>
    (sent$) =>
      new Observable((subscriber) => {
        channels.set(session, { subscriber, inbox, counters });
        const sending = sent$.subscribe({
          next: (message) => outgoing.next(withoutRepeating(message)),
          error: (thrown: unknown) => subscriber.error(thrown),
        });
        return () => {
          channels.delete(session);
          sending.unsubscribe();
          outgoing.next({ type: 'unbind', session });
        };
      });

  return {
    // An answer may come synchronously, while a message is being sent (`of(server)`). The queue sends one message at a
    // time, so that the stack does not grow.
    outgoing$: merge(outgoing, token$.pipe(map((token) => withoutRepeating({ type: 'token', token })))).pipe(
      observeOn(queueScheduler),
    ),
    receive: (message) => {
      if (message.type === 'pong') answered.next(message.sentAt);
      const channel = message.type === 'pong' || message.session === null ? undefined : channels.get(message.session);
      if (!channel) return;
      channel.counters.received += 1;
      channel.inbox.push(message);
      channel.subscriber.next(message);
    },
    openChannel: () => {
      const session = ++last;
      const kept = { inbox: [], counters: { received: 0 } };
      return { session, frames, ...kept, wire: wireOf(session, kept) };
    },
    answered$: answered,
  };
};
