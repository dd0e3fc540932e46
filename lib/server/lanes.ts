import type { Observable } from 'rxjs';
import { limits } from '../model/limits.js';
import type { Bind, ServerMessage, WireError } from '../protocol/messages.js';
import { LineError } from '../transport/wire.js';
import { AccessRefusedError, ReplicaCopied, SessionFailure, violation } from './failure.js';
import type { Known } from './admission.js';
import { createSession, type Session, type SessionEnd, type SessionMessage, type SessionPorts } from './session.js';

/** The sessions of one connection, by their numbers. */
export interface Lanes {
  /**
   * Opens a session: it says what it says, down to the `unbound` or `error` that ends it. Then its number is free again.
   * Throws for a `bind` that breaks the protocol.
   */
  readonly begin: (bind: Bind, known$: Observable<Known>) => void;
  /** Gives a message to its session. What was on its way when that ended is nobody's fault; throws for one that never was. */
  readonly route: (message: SessionMessage) => void;
  /** Lets go of all of them, without a word. */
  readonly leave: () => void;
}

export interface LanesOptions {
  readonly say: (message: ServerMessage) => void;
  /** Told of what has to end the whole connection. */
  readonly failed: (thrown: unknown) => void;
}

export const wireError = (
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

const isId = (id: string): boolean => id.length <= limits.idCharsMax && /^[!-~]+$/.test(id);

/** The last word of a session that has ended; `null` when it takes the connection with it. */
const lastWord = ({ tell }: SessionPorts, { session: number, realm }: Bind, end: SessionEnd): ServerMessage | null => {
  if (end.kind === 'unbound') return { type: 'unbound', session: number };
  const { thrown } = end;
  if (thrown instanceof ReplicaCopied) return { type: 'copied', session: number, version: thrown.version };
  if (thrown instanceof SessionFailure) return wireError(number, thrown.code, thrown.message, thrown.retry);
  if (thrown instanceof LineError || thrown instanceof AccessRefusedError) return null;
  tell({ level: 'error', event: 'failed', realm, error: thrown });
  return wireError(number, 'internal', 'the server failed; what it did not accept is not in the history', 'later');
};

export const createLanes = (ports: SessionPorts, { say, failed }: LanesOptions): Lanes => {
  const lanes = new Map<number, Session>();
  let highest = -1;

  const ended = (bind: Bind, end: SessionEnd): void => {
    lanes.delete(bind.session);
    const word = lastWord(ports, bind, end);
    if (word !== null) say(word);
    else if (end.kind === 'failed') failed(end.thrown);
  };

  return {
    begin: (bind, known$) => {
      const { session: number } = bind;
      if (lanes.has(number)) throw violation(`bind: session ${number} is bound already`);
      if (!isId(bind.replica))
        throw violation(`bind: a replica's id is 1 to ${limits.idCharsMax} printable characters`);
      highest = Math.max(highest, number);
      if (lanes.size >= ports.limits.sessionsPerConnectionMax) {
        const text = `this connection has ${lanes.size} sessions; sessionsPerConnectionMax is ${ports.limits.sessionsPerConnectionMax}`;
        say(wireError(number, 'too-many-sessions', text, 'later'));
        return;
      }
      const lane = createSession(ports, { bind, known$, say, ended: (end) => ended(bind, end) });
      lanes.set(number, lane); // First: it may end on the spot.
      lane.start();
    },
    route: (message) => {
      const lane = lanes.get(message.session);
      if (lane === undefined && message.session > highest)
        throw violation(`${message.type}: session ${message.session} was never bound`);
      lane?.hear(message);
    },
    leave: () => {
      const all = [...lanes.values()];
      lanes.clear();
      for (const lane of all) lane.leave();
    },
  };
};
