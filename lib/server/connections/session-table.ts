import type { Observable } from 'rxjs';
import { limits } from '../../model/limits.js';
import type { Bind, ServerMessage, WireError } from '../../protocol/messages.js';
import { ConnectionError } from '../../transport/wire.js';
import { TokenRejectedError, ReplicaCopiedError, SessionFailure, createProtocolViolation } from '../server-errors.js';
import type { ConnectionUser } from '../sessions/bind.js';
import { createFailedEvent } from '../http/server-events.js';
import {
  createServerSession,
  type ServerSession,
  type SessionEnd,
  type SessionMessage,
  type ServerSessionPorts,
} from '../sessions/server-session.js';

/** The sessions of one connection, by their numbers. */
export interface SessionTable {
  /**
   * Opens a session, which sends its messages until its `unbound` or `error`. Then its number is free again. Throws for
   * a `bind` that violates the protocol.
   */
  readonly open: (bind: Bind, user$: Observable<ConnectionUser>) => void;
  /**
   * Passes a message to its session. Messages for a session that has ended are ignored, because they may have been in
   * flight. Throws for a session that was never bound.
   */
  readonly route: (message: SessionMessage) => void;
  /** Closes all sessions without a message. */
  readonly closeAll: () => void;
}

export interface SessionTableOptions {
  readonly send: (message: ServerMessage) => void;
  /** Called with an error that must end the whole connection. */
  readonly failed: (thrown: unknown) => void;
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

export const createSessionTable = (ports: ServerSessionPorts, { send, failed }: SessionTableOptions): SessionTable => {
  const sessions = new Map<number, ServerSession>();
  let highest = -1;

  const endSession = (bind: Bind, end: SessionEnd): void => {
    sessions.delete(bind.session);
    const message = lastMessageOf(ports, bind, end);
    if (message !== null) send(message);
    else if (end.kind === 'failed') failed(end.thrown);
  };

  return {
    open: (bind, user$) => {
      const { session: number } = bind;
      if (sessions.has(number)) throw createProtocolViolation(`bind: session ${number} is already bound.`);
      if (!isReplicaId(bind.replica))
        throw createProtocolViolation(`bind: a replica's id must have 1 to ${limits.idCharsMax} printable characters.`);
      highest = Math.max(highest, number);
      if (sessions.size >= ports.limits.sessionsPerConnectionMax) {
        const text = `The connection has ${sessions.size} sessions. sessionsPerConnectionMax is ${ports.limits.sessionsPerConnectionMax}.`;
        send(createWireError(number, 'too-many-sessions', text, 'later'));
        return;
      }
      const session = createServerSession(ports, { bind, user$, send, ended: (end) => endSession(bind, end) });
      sessions.set(number, session); // Before the start, because the session may end synchronously.
      session.start();
    },
    route: (message) => {
      const session = sessions.get(message.session);
      if (session === undefined && message.session > highest)
        throw createProtocolViolation(`${message.type}: session ${message.session} was never bound.`);
      session?.receive(message);
    },
    closeAll: () => {
      const all = [...sessions.values()];
      sessions.clear();
      for (const session of all) session.close();
    },
  };
};
