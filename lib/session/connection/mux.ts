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

/** One session's share of a socket: its number there, and a wire of its own. */
export interface Channel {
  readonly session: number;
  /**
   * Binding is the first thing to say on it; letting go of it unbinds. Hears only what is for this session; never
   * completes by itself.
   */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /**
   * What it has heard: whoever hears takes it out. So that what comes next is known, at the cost of no operator in each
   * idle session.
   */
  readonly inbox: ServerMessage[];
  /** How many messages it has heard. */
  readonly counters: { received: number };
  /** How large an upload may be on the line. */
  readonly frames: FrameSizeLimit;
}

/** Many sessions on one open line. Lives as long as the line. */
export interface Mux {
  /** Everything the lanes say, in order, without repeating a token that the server has. Hot. */
  readonly outgoing$: Observable<ClientMessage>;
  /** Gives a message to the lane it is for. What is for a lane that has been left is dropped: it was on its way. */
  readonly receive: (message: ServerMessage) => void;
  /** A lane nobody has had. */
  readonly openChannel: () => Channel;
  /** `sentAt` of the last ping that was answered: the present value, then each. */
  readonly answered$: Observable<number | null>;
}

/** An edge: a lane's talk is subscribed here, inside its own subscription. */
export const createMux = (
  token$: Observable<string> = NEVER,
  frames: FrameSizeLimit = createFrameSizeTracker(),
): Mux => {
  const lanes = new Map<number, { readonly heard: Subscriber<ServerMessage> } & Pick<Channel, 'inbox' | 'counters'>>();
  const outgoing = new Subject<ClientMessage>();
  const answered = new BehaviorSubject<number | null>(null);
  let last = 0;
  let tokenSaid: string | null = null;

  const withoutRepeating = (message: ClientMessage): ClientMessage => {
    if (message.type === 'token') tokenSaid = message.token;
    if (message.type !== 'bind') return message;
    if (message.token !== null && message.token === tokenSaid) return { ...message, token: null };
    tokenSaid = message.token;
    return message;
  };

  const wireOf =
    (session: number, { inbox, counters }: Pick<Channel, 'inbox' | 'counters'>): Wire<ClientMessage, ServerMessage> =>
    (said) =>
      new Observable((heard) => {
        lanes.set(session, { heard, inbox, counters });
        const talking = said.subscribe({
          next: (message) => outgoing.next(withoutRepeating(message)),
          error: (thrown: unknown) => heard.error(thrown),
        });
        return () => {
          lanes.delete(session);
          talking.unsubscribe();
          outgoing.next({ type: 'unbind', session });
        };
      });

  return {
    // An answer may come before what was said has returned (`of(server)`): one message at a time, or the stack grows
    // with the talk.
    outgoing$: merge(outgoing, token$.pipe(map((token) => withoutRepeating({ type: 'token', token })))).pipe(
      observeOn(queueScheduler),
    ),
    receive: (message) => {
      if (message.type === 'pong') answered.next(message.sentAt);
      const channel = message.type === 'pong' || message.session === null ? undefined : lanes.get(message.session);
      if (!channel) return;
      channel.counters.received += 1;
      channel.inbox.push(message);
      channel.heard.next(message);
    },
    openChannel: () => {
      const session = ++last;
      const kept = { inbox: [], counters: { received: 0 } };
      return { session, frames, ...kept, wire: wireOf(session, kept) };
    },
    answered$: answered,
  };
};
