import { map, queueScheduler, Subscription, type Observer } from 'rxjs';
import { closeCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';
import { createCloseError, type Receiver } from '../../transport/wire.js';
import { allowAnyone, type Authenticate, type User } from '../auth/access.js';
import { AccessRefusedError } from '../server-errors.js';
import { createConnectionAuth } from './connection-auth.js';
import { createSessionTable, createWireError } from './session-table.js';
import { createHandshakeLimit, type WaitingMessages } from './handshake-limit.js';
import { createRateLimit } from './rate-limit.js';
import type { ServerSessionPorts } from '../sessions/server-session.js';
import { createConnectionCounters, type ServerCounters } from '../http/counters.js';
import type { ConnectionUsage } from './user-limits.js';

export interface ServerConnectionPorts extends ServerSessionPorts {
  readonly authenticate: Authenticate;
  readonly serverCounters: ServerCounters;
  /** Told of the code with which a token was refused. */
  readonly tokenRefused: (code: string) => void;
  /** What connections without a user have waiting. */
  readonly waiting: WaitingMessages;
}

/** What comes to be known of a connection, for who logs it. */
export interface ClientInfo {
  /** The id of its user, once a token of his was good. */
  user: string | null;
  /** How many sessions it has bound. */
  sessions: number;
  /** Called once, when its user is known and may have one more connection. */
  readonly admitted?: (usage: ConnectionUsage) => void;
}

export interface ServerConnectionOptions {
  readonly client: ClientInfo;
  readonly sink: Observer<ServerMessage>;
  /** Called once, when everything that it held is let go of. */
  readonly closed: () => void;
}

/** The server's end of one line. */
export interface ServerConnection extends Receiver<ClientMessage> {
  /**
   * The server goes away: its client is told when to come back. Each another moment, so that they do not come all at
   * once.
   */
  readonly restart: () => void;
}

/** What is said on one line, down to its end. */
interface MessageSender {
  readonly isClosed: () => boolean;
  readonly send: (message: ServerMessage) => void;
  /** Nothing more is said. */
  readonly end: () => void;
  /** The last message, and the end of the line. */
  readonly sendLast: (message: ServerMessage, code: number, text: string) => void;
  /** The end of the line, with what it fails of. */
  readonly failed: (thrown: unknown) => void;
}

interface MessageSenderOptions {
  readonly sink: Observer<ServerMessage>;
  /** Told of each message before it is said. */
  readonly beforeSend: (message: ServerMessage) => void;
  /** Told of the code with which a token was refused. */
  readonly tokenRefused: (code: string) => void;
  /** Lets go of the sessions; then of everything. */
  readonly closeSessions: () => void;
  readonly close: () => void;
}

const createMessageSender = ({
  sink,
  beforeSend,
  tokenRefused,
  closeSessions,
  close,
}: MessageSenderOptions): MessageSender => {
  let isOver = false;

  const say = (message: ServerMessage): void => {
    if (isOver) return;
    beforeSend(message);
    try {
      sink.next(message);
    } catch (thrown) {
      failed(thrown); // What cannot be said must not be thrown at whoever had it said.
    }
  };
  const hungUp = (thrown: unknown): void => {
    if (isOver) return;
    close();
    sink.error(thrown);
  };
  const goodbye: MessageSender['sendLast'] = (message, code, text) => {
    say(message);
    hungUp(createCloseError(code, text));
  };
  const failed = (thrown: unknown): void => {
    if (isOver || !(thrown instanceof AccessRefusedError)) {
      hungUp(thrown);
      return;
    }
    closeSessions();
    if (thrown.code !== 'token-expired') tokenRefused(thrown.code);
    goodbye(createWireError(null, thrown.code, thrown.message, thrown.retry), closeCodes.normal, thrown.code);
  };
  return { isClosed: () => isOver, send: say, end: () => void (isOver = true), sendLast: goodbye, failed };
};

const restartText = 'the server is going away';

/** Has a client come back, each at another moment. */
const createRestartMessage = ({ limits, clock }: ServerConnectionPorts): ServerMessage => {
  const after = limits.restartMs + Math.floor(clock.random() * limits.restartSpreadMs);
  return createWireError(null, 'restarting', restartText, { after });
};

/** How a connection becomes one of a user's. */
interface ConnectionAdmission {
  /**
   * Whether a message is dealt with now; else it waits until the user is known. Throws a `ConnectionError` when that is
   * too much.
   */
  readonly takeOrQueue: (message: ClientMessage) => boolean;
  /** A token of this user was good. Throws a `SessionFailure` when he has too many connections. */
  readonly admitUser: (user: User) => ConnectionUsage;
  readonly close: () => void;
}

const createConnectionAdmission = (
  { authenticate, users, waiting }: ServerConnectionPorts,
  client: ClientInfo,
  hear: (message: ClientMessage) => void,
): ConnectionAdmission => {
  const probation = createHandshakeLimit(waiting);
  let usage: ConnectionUsage | null = null;
  return {
    takeOrQueue: (message) => usage !== null || probation.takeOrQueue(message),
    admitUser: ({ id }) => {
      if (usage !== null) return usage;
      const entered = users.addConnection(authenticate === allowAnyone ? null : id);
      usage = entered;
      client.user = id;
      client.admitted?.(entered);
      for (const message of probation.end()) hear(message);
      return entered;
    },
    close: () => {
      usage?.release();
      probation.close();
    },
  };
};

/**
 * Whether a user who may read a realm waits for somebody who makes it: its connection is as good as one that has bound.
 */
const isAwaitingRealm = (message: ServerMessage): boolean =>
  message.type === 'error' && message.code === 'no-such-realm' && message.retry === 'later';

/**
 * One connection of a server. Routes what is said to its sessions by their number. A session that fails ends alone,
 * with an `error`; a client that breaks the protocol, is refused, binds nothing in time or too much at once, or whose
 * token ends, is hung up on: the mouth errors with a `ConnectionError`. Never completes by itself. Everything it made
 * goes with it.
 *
 * A plain machine, and an edge, as its sessions are (docs/DECISIONS.md, D36): questions about tokens run until it ends.
 */
export const createServerConnection = (
  ports: ServerConnectionPorts,
  { client, sink, closed }: ServerConnectionOptions,
): ServerConnection => {
  const { authenticate, clock, limits, log, tokenRefused } = ports;
  const counts = createConnectionCounters(ports.serverCounters);
  const mayBind = createRateLimit(limits.bindsPerSecondMax, clock.now);
  const held = new Subscription();
  const entrance = createConnectionAdmission(ports, client, (message) => hearNext(message));
  const leave = (): void => {
    if (isClosed()) return;
    end();
    entrance.close();
    unbound.unsubscribe();
    identity.close();
    lanes.closeAll();
    held.unsubscribe();
    counts.ended();
    closed();
  };
  const told = (message: ServerMessage): void => {
    counts.sent(message);
    if (message.type === 'bound') client.sessions += 1;
    else if (!isAwaitingRealm(message)) return;
    unbound.unsubscribe();
  };
  const closeSessions = (): void => lanes.closeAll();
  const speech = createMessageSender({ sink, beforeSend: told, tokenRefused, closeSessions, close: leave });
  const { isClosed, send, end, sendLast, failed } = speech;
  const identity = createConnectionAuth({ authenticate, clock, expired: failed });
  const lanes = createSessionTable(ports, speech);
  const known = map((user: User) => ({ user, usage: entrance.admitUser(user) }));
  const tooLate = (): void =>
    failed(createCloseError(closeCodes.notBound, `nothing was bound within ${limits.bindMsMax} ms`));
  const unbound = clock.scheduler.schedule(tooLate, limits.bindMsMax);

  const renewed = (thrown: unknown): void => {
    if (thrown instanceof AccessRefusedError) failed(thrown);
    else log({ level: 'error', event: 'failed', realm: null, error: thrown }); // Nobody has said no: the next bind asks again.
  };
  const heard = (message: ClientMessage): void => {
    counts.received(message);
    if (message.type === 'ping') send({ type: 'pong', sentAt: message.sentAt });
    else if (message.type === 'token') held.add(identity.renew(message.token).subscribe({ error: renewed }));
    else if (message.type !== 'bind') lanes.route(message);
    else if (mayBind()) lanes.open(message, identity.resolveUser(message.token).pipe(known));
    else throw createCloseError(closeCodes.tooMuch, `more than ${limits.bindsPerSecondMax} binds a second`);
  };
  const hear = (message: ClientMessage): void => {
    if (isClosed()) return;
    try {
      if (entrance.takeOrQueue(message)) heard(message);
    } catch (thrown) {
      failed(thrown);
    }
  };
  const restart = (): void => sendLast(createRestartMessage(ports), closeCodes.restarting, restartText);

  // One message after the other, also when an answer is answered on the spot.
  const hearNext = (message: ClientMessage): void => void queueScheduler.schedule(() => hear(message));
  return { receive: hearNext, close: leave, restart };
};
