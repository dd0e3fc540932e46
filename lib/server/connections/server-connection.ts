import { map, queueScheduler, Subscription, type Observer } from 'rxjs';
import { closeCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';
import { createCloseError, type Receiver } from '../../transport/wire.js';
import { allowAnyone, type Authenticate, type User } from '../auth/access.js';
import { TokenRejectedError } from '../server-errors.js';
import { createConnectionAuth } from './connection-auth.js';
import { createSessionTable, createWireError } from './session-table.js';
import { createHandshakeLimit, type WaitingMessages } from './handshake-limit.js';
import { createRateLimit } from './rate-limit.js';
import type { ServerSessionPorts } from '../sessions/server-session.js';
import { createConnectionCounters, type ServerCounters } from '../http/counters.js';
import { createFailedEvent } from '../http/server-events.js';
import type { ConnectionUsage } from './user-limits.js';

export interface ServerConnectionPorts extends ServerSessionPorts {
  readonly authenticate: Authenticate;
  readonly serverCounters: ServerCounters;
  /** Called with the code of each rejected token. */
  readonly logInvalidToken: (code: string) => void;
  /** Messages that wait on connections without a user. */
  readonly waiting: WaitingMessages;
}

/** Facts about a connection for the log, filled in as they become known. */
export interface ClientInfo {
  /** The user's id, once a token is valid. */
  user: string | null;
  /** Number of sessions that were bound. */
  sessions: number;
  /** Called once, when the user is known and may have another connection. */
  readonly admitted?: (usage: ConnectionUsage) => void;
}

export interface ServerConnectionOptions {
  readonly client: ClientInfo;
  readonly sink: Observer<ServerMessage>;
  /** Called once, after the connection has released everything. */
  readonly closed: () => void;
}

/** The server's side of one connection. */
export interface ServerConnection extends Receiver<ClientMessage> {
  /**
   * Sends the client a time to reconnect, and closes the connection. The times are spread at random, so that clients do
   * not reconnect all at once.
   */
  readonly restart: () => void;
}

/** Sends messages on one connection until it ends. */
interface MessageSender {
  readonly isClosed: () => boolean;
  readonly send: (message: ServerMessage) => void;
  /** Stops sending. */
  readonly end: () => void;
  /** Sends a last message and ends the connection. */
  readonly sendLast: (message: ServerMessage, code: number, text: string) => void;
  /** Ends the connection with an error. */
  readonly failed: (thrown: unknown) => void;
}

interface MessageSenderOptions {
  readonly sink: Observer<ServerMessage>;
  /** Called before each message is sent. */
  readonly beforeSend: (message: ServerMessage) => void;
  /** Called with the code of each rejected token. */
  readonly logInvalidToken: (code: string) => void;
  /** Closes all sessions. `close` releases the whole connection. */
  readonly closeSessions: () => void;
  readonly close: () => void;
}

const createMessageSender = ({
  sink,
  beforeSend,
  logInvalidToken,
  closeSessions,
  close,
}: MessageSenderOptions): MessageSender => {
  let isOver = false;

  const send = (message: ServerMessage): void => {
    if (isOver) return;
    beforeSend(message);
    try {
      sink.next(message);
    } catch (thrown) {
      failed(thrown); // A failing sink must not make its caller fail.
    }
  };
  const closeWith = (thrown: unknown): void => {
    if (isOver) return;
    close();
    sink.error(thrown);
  };
  const sendLast: MessageSender['sendLast'] = (message, code, text) => {
    send(message);
    closeWith(createCloseError(code, text));
  };
  const failed = (thrown: unknown): void => {
    if (isOver || !(thrown instanceof TokenRejectedError)) {
      closeWith(thrown);
      return;
    }
    closeSessions();
    if (thrown.code !== 'token-expired') logInvalidToken(thrown.code);
    sendLast(createWireError(null, thrown.code, thrown.message, thrown.retry), closeCodes.normal, thrown.code);
  };
  return { isClosed: () => isOver, send, end: () => void (isOver = true), sendLast, failed };
};

const restartText = 'The server is shutting down.';

/** Creates the message that has a client reconnect, at a random time. */
const createRestartMessage = ({ limits, clock }: ServerConnectionPorts): ServerMessage => {
  const after = limits.restartMs + Math.floor(clock.random() * limits.restartSpreadMs);
  return createWireError(null, 'restarting', restartText, { after });
};

/** Admits a connection once its user is known. */
interface ConnectionAdmission {
  /**
   * Whether a message is handled now; otherwise it waits until the user is known. Throws a `ConnectionError` when too
   * many messages wait.
   */
  readonly takeOrQueue: (message: ClientMessage) => boolean;
  /**
   * Admits the connection of a user with a valid token. Throws a `SessionFailure` when the user has too many
   * connections.
   */
  readonly admitUser: (user: User) => ConnectionUsage;
  readonly close: () => void;
}

const createConnectionAdmission = (
  { authenticate, users, waiting }: ServerConnectionPorts,
  client: ClientInfo,
  receive: (message: ClientMessage) => void,
): ConnectionAdmission => {
  const handshake = createHandshakeLimit(waiting);
  let usage: ConnectionUsage | null = null;
  return {
    takeOrQueue: (message) => usage !== null || handshake.takeOrQueue(message),
    admitUser: ({ id }) => {
      if (usage !== null) return usage;
      const usageOfUser = users.addConnection(authenticate === allowAnyone ? null : id);
      usage = usageOfUser;
      client.user = id;
      client.admitted?.(usageOfUser);
      for (const message of handshake.end()) receive(message);
      return usageOfUser;
    },
    close: () => {
      usage?.release();
      handshake.close();
    },
  };
};

/** Whether a user with read access waits until the realm is created. Such a connection counts as bound. */
const isAwaitingRealm = (message: ServerMessage): boolean =>
  message.type === 'error' && message.code === 'no-such-realm' && message.retry === 'later';

/**
 * Creates one connection of the server, which routes messages to its sessions by their number. A session that fails
 * ends alone, with an `error`. The connection ends, and the sink errors with a `ConnectionError`, if the client
 * violates the protocol, is rejected, binds nothing in time, binds too often, or if its token expires. It never
 * completes by itself, and releases everything when it ends.
 *
 * Connections and sessions are plain state machines and subscribe themselves (docs/DECISIONS.md, D36): checks of tokens
 * run until the connection ends.
 */
export const createServerConnection = (
  ports: ServerConnectionPorts,
  { client, sink, closed }: ServerConnectionOptions,
): ServerConnection => {
  const { authenticate, clock, limits, log, logInvalidToken } = ports;
  const counts = createConnectionCounters(ports.serverCounters);
  const mayBind = createRateLimit(limits.bindsPerSecondMax, clock.now);
  const checks = new Subscription();
  const admission = createConnectionAdmission(ports, client, (message) => receive(message));
  const release = (): void => {
    if (isClosed()) return;
    end();
    admission.close();
    bindTimer.unsubscribe();
    auth.close();
    sessions.closeAll();
    checks.unsubscribe();
    counts.ended();
    closed();
  };
  const noteSent = (message: ServerMessage): void => {
    counts.sent(message);
    if (message.type === 'bound') client.sessions += 1;
    else if (!isAwaitingRealm(message)) return;
    bindTimer.unsubscribe();
  };
  const closeSessions = (): void => sessions.closeAll();
  const sender = createMessageSender({ sink, beforeSend: noteSent, logInvalidToken, closeSessions, close: release });
  const { isClosed, send, end, sendLast, failed } = sender;
  const auth = createConnectionAuth({ authenticate, clock, expired: failed });
  const sessions = createSessionTable(ports, sender);
  const admitUser$ = map((user: User) => ({ user, usage: admission.admitUser(user) }));
  const failUnbound = (): void =>
    failed(createCloseError(closeCodes.notBound, `No session was bound within ${limits.bindMsMax} ms.`));
  const bindTimer = clock.scheduler.schedule(failUnbound, limits.bindMsMax);

  // Any other error does not reject the token: the next bind checks it again.
  const onRenewalFailed = (thrown: unknown): void => {
    if (thrown instanceof TokenRejectedError) failed(thrown);
    else log(createFailedEvent(null, thrown));
  };
  const handle = (message: ClientMessage): void => {
    counts.received(message);
    if (message.type === 'ping') send({ type: 'pong', sentAt: message.sentAt });
    else if (message.type === 'token') checks.add(auth.renew(message.token).subscribe({ error: onRenewalFailed }));
    else if (message.type !== 'bind') sessions.route(message);
    else if (mayBind()) sessions.open(message, auth.resolveUser(message.token).pipe(admitUser$));
    else throw createCloseError(closeCodes.tooMuch, `More than ${limits.bindsPerSecondMax} binds in one second.`);
  };
  const handleQueued = (message: ClientMessage): void => {
    if (isClosed()) return;
    try {
      if (admission.takeOrQueue(message)) handle(message);
    } catch (thrown) {
      failed(thrown);
    }
  };
  const restart = (): void => sendLast(createRestartMessage(ports), closeCodes.restarting, restartText);

  // Handles one message after the other, even if the client answers synchronously.
  const receive = (message: ClientMessage): void => void queueScheduler.schedule(() => handleQueued(message));
  return { receive, close: release, restart };
};
