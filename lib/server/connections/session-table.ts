import type { Observable } from 'rxjs';
import { limits } from '../../model/limits.js';
import type { Bind, ServerMessage, WireError } from '../../protocol/messages.js';
import { ConnectionError } from '../../transport/wire.js';
import { TokenRejectedError, ReplicaCopiedError, SessionFailure, createProtocolViolation } from '../server-errors.js';
import type { User } from '../auth/access.js';
import type { ConnectionUser } from '../sessions/bind.js';
import { createFailedEvent } from '../http/server-events.js';
import {
  createServerSession,
  type ServerSession,
  type SessionEnd,
  type SessionMessage,
  type SessionOwner,
  type BoundSessionReport,
  type ServerSessionPorts,
} from '../sessions/server-session.js';

/** The connection of some sessions. */
export interface SessionConnection {
  send(message: ServerMessage): void;
  /** Called with an error that must end the whole connection. */
  failed(thrown: unknown): void;
}

export const createWireError = (
  session: number | null,
  code: string,
  text: string,
  retry: WireError['retry'],
): WireError => ({
  type: 'error',
  session,
  code,
  text: text.slice(0, limits.errorTextCharsMax),
  retry,
});

const isReplicaId = (id: string): boolean => id.length <= limits.idCharsMax && /^[!-~]+$/.test(id);

/** Returns the last message of a session that has ended; `null` when its error ends the connection. */
const lastMessageOf = (
  { log }: ServerSessionPorts,
  { session: number, realm }: Bind,
  end: SessionEnd,
): ServerMessage | null => {
  if (end.kind === 'unbound') return { type: 'unbound', session: number };
  const { thrown } = end;
  if (thrown instanceof ReplicaCopiedError) return { type: 'copied', session: number, version: thrown.version };
  if (thrown instanceof SessionFailure) return createWireError(number, thrown.code, thrown.message, thrown.retry);
  if (thrown instanceof ConnectionError || thrown instanceof TokenRejectedError) return null;
  log(createFailedEvent(realm, thrown));
  return createWireError(
    number,
    'internal',
    'The server failed; its log has the reason. Changesets that it did not accept are not in the history. Try again later.',
    'later',
  );
};

/** The sessions of one connection, by their numbers. A class, because a server has one for each connection. */
export class SessionTable implements SessionOwner {
  private readonly sessions = new Map<number, ServerSession>();
  private highest = -1;

  constructor(
    private readonly ports: ServerSessionPorts,
    private readonly connection: SessionConnection,
  ) {}

  /**
   * Opens a session, which sends its messages until its `unbound` or `error`. Then its number is free again. Throws for
   * a `bind` that violates the protocol.
   */
  open(bind: Bind, user$: Observable<ConnectionUser>): void {
    const { sessions, ports } = this;
    const { session: number } = bind;
    if (sessions.has(number)) throw createProtocolViolation(`bind: session ${number} is already bound.`);
    if (!isReplicaId(bind.replica))
      throw createProtocolViolation(`bind: a replica's id must have 1 to ${limits.idCharsMax} printable characters.`);
    this.highest = Math.max(this.highest, number);
    const { sessionsPerConnectionMax } = ports.limits;
    if (sessions.size >= sessionsPerConnectionMax) {
      const text = `The connection has ${sessions.size} sessions. sessionsPerConnectionMax is ${sessionsPerConnectionMax}.`;
      this.send(createWireError(number, 'too-many-sessions', text, 'later'));
      return;
    }
    const session = createServerSession(ports, bind, this);
    sessions.set(number, session); // Before the start, because the session may end synchronously.
    session.start(user$);
  }

  /**
   * Passes a message to its session. Messages for a session that has ended are ignored, because they may have been in
   * flight. Throws for a session that was never bound.
   */
  route(message: SessionMessage): void {
    const session = this.sessions.get(message.session);
    if (session === undefined && message.session > this.highest)
      throw createProtocolViolation(`${message.type}: session ${message.session} was never bound.`);
    session?.receive(message);
  }

  /** Notes the user of a fresh token. */
  renewUser(user: User): void {
    for (const session of [...this.sessions.values()]) session.renewUser(user);
  }

  /** Returns the present states of the bound sessions. */
  report(): readonly BoundSessionReport[] {
    return [...this.sessions.values()].flatMap((session) => session.report() ?? []);
  }

  /** Closes all sessions without a message. */
  closeAll(): void {
    const all = [...this.sessions.values()];
    this.sessions.clear();
    for (const session of all) session.close();
  }

  send(message: ServerMessage): void {
    this.connection.send(message);
  }

  ended(bind: Bind, end: SessionEnd): void {
    this.sessions.delete(bind.session);
    const message = lastMessageOf(this.ports, bind, end);
    if (message !== null) this.send(message);
    else if (end.kind === 'failed') this.connection.failed(end.thrown);
  }
}
