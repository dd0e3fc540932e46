import type { Observable } from 'rxjs';
import { limits } from '../../model/limits.js';
import type { Bind, ServerMessage, WireError } from '../../protocol/messages.js';
import { ConnectionError } from '../../transport/wire.js';
import { AccessRefusedError, ReplicaCopiedError, SessionFailure, createProtocolViolation } from '../server-errors.js';
import type { ConnectionUser } from '../sessions/bind.js';
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
   * Opens a session: it says what it says, down to the `unbound` or `error` that ends it. Then its number is free
   * again. Throws for a `bind` that breaks the protocol.
   */
  readonly open: (bind: Bind, known$: Observable<ConnectionUser>) => void;
  /**
   * Gives a message to its session. What was on its way when that ended is nobody's fault; throws for one that never
   * was.
   */
  readonly route: (message: SessionMessage) => void;
  /** Lets go of all of them, without a word. */
  readonly closeAll: () => void;
}

export interface SessionTableOptions {
  readonly send: (message: ServerMessage) => void;
  /** Told of what has to end the whole connection. */
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

/** The last word of a session that has ended; `null` when it takes the connection with it. */
const lastMessageOf = (
  { log }: ServerSessionPorts,
  { session: number, realm }: Bind,
  end: SessionEnd,
): ServerMessage | null => {
  if (end.kind === 'unbound') return { type: 'unbound', session: number };
  const { thrown } = end;
  if (thrown instanceof ReplicaCopiedError) return { type: 'copied', session: number, version: thrown.version };
  if (thrown instanceof SessionFailure) return createWireError(number, thrown.code, thrown.message, thrown.retry);
  if (thrown instanceof ConnectionError || thrown instanceof AccessRefusedError) return null;
  log({ level: 'error', event: 'failed', realm, error: thrown });
  return createWireError(
    number,
    'internal',
    'the server failed; what it did not accept is not in the history',
    'later',
  );
};

export const createSessionTable = (ports: ServerSessionPorts, { send, failed }: SessionTableOptions): SessionTable => {
  const lanes = new Map<number, ServerSession>();
  let highest = -1;

  const ended = (bind: Bind, end: SessionEnd): void => {
    lanes.delete(bind.session);
    const word = lastMessageOf(ports, bind, end);
    if (word !== null) send(word);
    else if (end.kind === 'failed') failed(end.thrown);
  };

  return {
    open: (bind, known$) => {
      const { session: number } = bind;
      if (lanes.has(number)) throw createProtocolViolation(`bind: session ${number} is bound already`);
      if (!isReplicaId(bind.replica))
        throw createProtocolViolation(`bind: a replica's id is 1 to ${limits.idCharsMax} printable characters`);
      highest = Math.max(highest, number);
      if (lanes.size >= ports.limits.sessionsPerConnectionMax) {
        const text = `this connection has ${lanes.size} sessions; sessionsPerConnectionMax is ${ports.limits.sessionsPerConnectionMax}`;
        send(createWireError(number, 'too-many-sessions', text, 'later'));
        return;
      }
      const session = createServerSession(ports, { bind, user$: known$, send, ended: (end) => ended(bind, end) });
      lanes.set(number, session); // First: it may end on the spot.
      session.start();
    },
    route: (message) => {
      const lane = lanes.get(message.session);
      if (lane === undefined && message.session > highest)
        throw createProtocolViolation(`${message.type}: session ${message.session} was never bound`);
      lane?.receive(message);
    },
    closeAll: () => {
      const all = [...lanes.values()];
      lanes.clear();
      for (const lane of all) lane.close();
    },
  };
};
