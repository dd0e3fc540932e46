import { BehaviorSubject, map, merge, NEVER, type Observable, observeOn, queueScheduler, Subject } from 'rxjs';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.js';
import { createFrameSizeTracker, type FrameSizeLimit } from '../conversation/frame-size-limit.js';

/** The time between a ping and its answer. */
export interface RoundTrip {
  readonly type: 'roundTrip';
  readonly ms: number;
}

/** Takes the messages of a channel. */
export interface ChannelReader {
  /** Is called after a message was added to the inbox. */
  onMessage(): void;
  /** Is called when a ping was answered. */
  onRoundTrip?(roundTrip: RoundTrip): void;
}

/**
 * A channel: one session's share of a connection, with a session number.
 *
 * A plain object with functions, because every message passes through it and every idle session has one.
 */
export interface Channel {
  readonly session: number;
  /** The received messages. The reader removes each message that it handles. */
  readonly inbox: ServerMessage[];
  /** Number of received messages. */
  readonly received: number;
  /** Size limit of uploads on this connection. */
  readonly frames: FrameSizeLimit;
  /** Opens the channel, or replaces its reader. */
  read(reader: ChannelReader): void;
  /** Sends a message. The first one must be a bind. */
  send(message: ClientMessage): void;
  /** Unbinds the session. Nothing is received afterwards. */
  close(): void;
}

/** Many sessions on one open connection. Its lifetime is that of the connection. */
export interface Mux {
  /** The messages of all channels, in order. A bind does not repeat a token that the server already has. Hot. */
  readonly outgoing$: Observable<ClientMessage>;
  /** Delivers a message to its channel. Messages for a session that has already unbound are ignored. */
  readonly receive: (message: ServerMessage) => void;
  /** Reports to all channels that a ping was answered. */
  readonly showRoundTrip: (roundTrip: RoundTrip) => void;
  /** Opens an unused channel. */
  readonly openChannel: () => Channel;
  /** `sentAt` of the last answered ping: the current value on subscription, then each. */
  readonly answered$: Observable<number | null>;
}

/** A channel as its mux sees it. */
class OpenChannel implements Channel {
  readonly inbox: ServerMessage[] = [];
  received = 0;
  #reader: ChannelReader | null = null;

  constructor(
    readonly session: number,
    readonly frames: FrameSizeLimit,
    private readonly channels: Map<number, OpenChannel>,
    private readonly sendLater: (message: ClientMessage) => void,
  ) {}

  read(reader: ChannelReader): void {
    this.#reader = reader;
    this.channels.set(this.session, this);
  }

  receive(message: ServerMessage): void {
    this.received += 1;
    this.inbox.push(message);
    this.#reader?.onMessage();
  }

  showRoundTrip(roundTrip: RoundTrip): void {
    this.#reader?.onRoundTrip?.(roundTrip);
  }

  send(message: ClientMessage): void {
    if (this.#reader !== null) this.sendLater(message);
  }

  close(): void {
    if (this.#reader === null) return;
    this.#reader = null;
    this.channels.delete(this.session);
    this.sendLater({ type: 'unbind', session: this.session });
  }
}

/**
 * Creates a mux. `onSent` is called with each message that is sent.
 */
export const createMux = (
  token$: Observable<string> = NEVER,
  frames: FrameSizeLimit = createFrameSizeTracker(),
  onSent: (message: ClientMessage) => void = () => undefined,
): Mux => {
  const channels = new Map<number, OpenChannel>();
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

  // An answer may come synchronously, while a message is being sent (`of(server)`). The queue sends one message at a
  // time, so that the stack does not grow.
  const send = (message: ClientMessage): void => {
    const sent = withoutRepeating(message);
    queueScheduler.schedule(() => {
      if (!outgoing.observed) return;
      onSent(sent);
      outgoing.next(sent);
    });
  };

  return {
    outgoing$: merge(
      outgoing,
      token$.pipe(
        map((token) => withoutRepeating({ type: 'token', token })),
        observeOn(queueScheduler),
      ),
    ),
    receive: (message) => {
      if (message.type === 'pong') answered.next(message.sentAt);
      else if (message.session !== null) channels.get(message.session)?.receive(message);
    },
    showRoundTrip: (roundTrip) => {
      for (const channel of [...channels.values()]) channel.showRoundTrip(roundTrip);
    },
    openChannel: () => new OpenChannel(++last, frames, channels, send),
    answered$: answered,
  };
};
