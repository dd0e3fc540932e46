import { map, queueScheduler, Subscription, type Observable, type Observer } from 'rxjs';
import { closeCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';
import { createCloseError, type Receiver } from '../../transport/wire.js';
import { allowAnyone, type Authenticate, type User } from '../auth/access.js';
import { TokenRejectedError } from '../server-errors.js';
import { ConnectionAuth } from './connection-auth.js';
import { createWireError, SessionTable } from './session-table.js';
import { createHandshakeLimit, type HandshakeLimit, type WaitingMessages } from './handshake-limit.js';
import { createRateLimit, type RateLimit } from './rate-limit.js';
import type { ConnectionUser } from '../sessions/bind.js';
import type { ServerSessionPorts, BoundSessionReport } from '../sessions/server-session.js';
import { ConnectionCounters, type ServerCounters } from '../http/counters.js';
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

/** The present state of a socket, for the inspector. Counts begin with the connection. */
export interface SocketReport {
  /** Number of the connection, from 1. */
  readonly connection: number;
  readonly address: string;
  /** Start of the connection, milliseconds since the epoch. */
  readonly since: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** The present state of a connection, for the inspector. */
export interface ConnectionReport {
  /** The user's id; `null` until a token is valid. */
  readonly user: string | null;
  /** `null` for a client in this process. */
  readonly socket: SocketReport | null;
  readonly sessions: readonly BoundSessionReport[];
}

/** Facts about a connection for the log, filled in as they become known. */
export interface ClientInfo {
  /** The user's id, once a token is valid. */
  user: string | null;
  /** Number of sessions that were bound. */
  sessions: number;
  /** Called once, when the user is known and may have another connection. */
  admitted?(usage: ConnectionUsage): void;
  /** Returns the present state of the socket. */
  report?(): SocketReport;
}

export interface ServerConnectionOptions {
  readonly client: ClientInfo;
  readonly sink: Observer<ServerMessage>;
  /** Called once, after the connection has released everything. */
  readonly closed: (connection: ServerConnection) => void;
}

/** The server's side of one connection. */
export interface ServerConnection extends Receiver<ClientMessage> {
  /**
   * Sends the client a time to reconnect, and closes the connection. The times are spread at random, so that clients do
   * not reconnect all at once.
   */
  restart(): void;
  /** Returns the present state of the connection. */
  report(): ConnectionReport;
}

const restartText = 'The server is shutting down.';

/** Creates the message that has a client reconnect, at a random time. */
const createRestartMessage = ({ limits, clock }: ServerConnectionPorts): ServerMessage => {
  const after = limits.restartMs + Math.floor(clock.random() * limits.restartSpreadMs);
  return createWireError(null, 'restarting', restartText, { after });
};

/** Whether a user with read access waits until the realm is created. Such a connection counts as bound. */
const isAwaitingRealm = (message: ServerMessage): boolean =>
  message.type === 'error' && message.code === 'no-such-realm' && message.retry === 'later';

/**
 * One connection of the server, which routes messages to its sessions by their number. A session that fails ends alone,
 * with an `error`. The connection ends, and the sink errors with a `ConnectionError`, if the client violates the
 * protocol, is rejected, binds nothing in time, binds too often, or if its token expires. It never completes by itself,
 * and releases everything when it ends.
 *
 * Connections and sessions are plain state machines and subscribe themselves (docs/DECISIONS.md, D36): checks of tokens
 * run until the connection ends. They are classes, because closures for each of ten thousand took four kilobytes.
 */
class PlainConnection implements ServerConnection {
  private readonly counters: ConnectionCounters;
  private readonly auth: ConnectionAuth;
  private readonly sessions: SessionTable;
  private readonly mayBind: RateLimit;
  /** `null` once the user is known. */
  private handshake: HandshakeLimit | null;
  private usage: ConnectionUsage | null = null;
  /** `null` once a session is bound. */
  private bindTimer: Subscription | null;
  /** Checks of renewed tokens; `null` before the first one. */
  private checks: Subscription | null = null;
  private isOver = false;

  constructor(
    private readonly ports: ServerConnectionPorts,
    private readonly client: ClientInfo,
    private readonly sink: Observer<ServerMessage>,
    private readonly closed: (connection: ServerConnection) => void,
  ) {
    const { serverCounters, limits, clock, waiting } = ports;
    this.counters = new ConnectionCounters(serverCounters);
    this.auth = new ConnectionAuth(ports, this);
    this.sessions = new SessionTable(ports, this);
    this.mayBind = createRateLimit(limits.bindsPerSecondMax, clock.now);
    this.handshake = createHandshakeLimit(waiting);
    this.bindTimer = clock.scheduler.schedule(() => this.failUnbound(), limits.bindMsMax);
  }

  /** Handles one message after the other, even if the client answers synchronously. */
  receive(message: ClientMessage): void {
    queueScheduler.schedule(() => this.handleQueued(message));
  }

  restart(): void {
    this.sendLast(createRestartMessage(this.ports), closeCodes.restarting, restartText);
  }

  report(): ConnectionReport {
    const { client, sessions } = this;
    return { user: client.user, socket: client.report?.() ?? null, sessions: sessions.report() };
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.usage?.release();
    this.handshake?.close();
    this.stopBindTimer();
    this.auth.close();
    this.sessions.closeAll();
    this.checks?.unsubscribe();
    this.counters.ended();
    this.closed(this);
  }

  send(message: ServerMessage): void {
    if (this.isOver) return;
    this.noteSent(message);
    try {
      this.sink.next(message);
    } catch (thrown) {
      this.failed(thrown); // A failing sink must not make its caller fail.
    }
  }

  renewed(user: User): void {
    this.sessions.renewUser(user);
  }

  /** Ends the connection with an error. */
  failed(thrown: unknown): void {
    if (this.isOver || !(thrown instanceof TokenRejectedError)) {
      this.closeWith(thrown);
      return;
    }
    this.sessions.closeAll();
    if (thrown.code !== 'token-expired') this.ports.logInvalidToken(thrown.code);
    this.sendLast(createWireError(null, thrown.code, thrown.message, thrown.retry), closeCodes.normal, thrown.code);
  }

  /** Sends a last message and ends the connection. */
  private sendLast(message: ServerMessage, code: number, text: string): void {
    this.send(message);
    this.closeWith(createCloseError(code, text));
  }

  private closeWith(thrown: unknown): void {
    if (this.isOver) return;
    this.close();
    this.sink.error(thrown);
  }

  private failUnbound(): void {
    const { bindMsMax } = this.ports.limits;
    this.failed(createCloseError(closeCodes.notBound, `No session was bound within ${bindMsMax} ms.`));
  }

  private stopBindTimer(): void {
    this.bindTimer?.unsubscribe();
    this.bindTimer = null;
  }

  private noteSent(message: ServerMessage): void {
    this.counters.sent(message);
    if (message.type === 'bound') this.client.sessions += 1;
    else if (!isAwaitingRealm(message)) return;
    this.stopBindTimer();
  }

  private handleQueued(message: ClientMessage): void {
    if (this.isOver) return;
    try {
      if (this.handshake === null || this.handshake.takeOrQueue(message)) this.handle(message);
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  private handle(message: ClientMessage): void {
    this.counters.received(message);
    if (message.type === 'ping') this.send({ type: 'pong', sentAt: message.sentAt });
    else if (message.type === 'token') this.renew(message.token);
    else if (message.type !== 'bind') this.sessions.route(message);
    else if (this.mayBind()) this.sessions.open(message, this.admit(message.token));
    else {
      const { bindsPerSecondMax } = this.ports.limits;
      throw createCloseError(closeCodes.tooMuch, `More than ${bindsPerSecondMax} binds in one second.`);
    }
  }

  private renew(token: string): void {
    // Any other error does not reject the token: the next bind checks it again.
    const onError = (thrown: unknown): void => {
      if (thrown instanceof TokenRejectedError) this.failed(thrown);
      else this.ports.log(createFailedEvent(null, thrown));
    };
    this.checks ??= new Subscription();
    this.checks.add(this.auth.resolveUser(token).subscribe({ error: onError }));
  }

  /** Emits the user of a token once it is admitted. Errors with a `SessionFailure` when it has too many connections. */
  private admit(token: string | null): Observable<ConnectionUser> {
    return this.auth.resolveUser(token).pipe(map((user) => ({ user, usage: this.admitUser(user) })));
  }

  private admitUser({ id }: User): ConnectionUsage {
    if (this.usage !== null) return this.usage;
    const { authenticate, users } = this.ports;
    const usage = users.addConnection(authenticate === allowAnyone ? null : id);
    this.usage = usage;
    this.client.user = id;
    this.client.admitted?.(usage);
    const waiting = this.handshake?.end() ?? [];
    this.handshake = null;
    for (const message of waiting) this.receive(message);
    return usage;
  }
}

/** Creates one connection of the server. */
export const createServerConnection = (
  ports: ServerConnectionPorts,
  { client, sink, closed }: ServerConnectionOptions,
): ServerConnection => new PlainConnection(ports, client, sink, closed);
