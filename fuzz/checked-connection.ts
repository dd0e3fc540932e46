import { Subject } from 'rxjs';
import type { ClientMessage, ServerMessage, Wire } from '../lib/index.js';
import { isLeft } from '../lib/model/result.js';
import { decodeClient, decodeServer } from '../lib/protocol/codec.js';
import { closeCodes } from '../lib/protocol/messages.js';
import { serverWire } from '../lib/protocol/message-wire.js';
import { ConnectionError } from '../lib/transport/wire.js';

/** The state of one session of a connection. */
export interface SessionState {
  /** Whether the server has answered the bind and not ended the session since. */
  state: 'binding' | 'bound' | 'unbinding';
  history: string | null;
  /** The next client version. */
  next: number;
  /** The last server version that was sent to this session. */
  downloadedTo: number;
  snapshot: number | null;
  /** Client versions of uploads without an answer. */
  readonly uploads: number[];
  fetching: boolean;
}

/**
 * A connection that checks the answers of the server. Required immediately: a `pong` to a `ping`, and the close with
 * 4400 after an invalid message. Required in the end: `bound`, `copied` or `error` to a `bind`, `unbound` to an
 * `unbind`, `accepted` to an `upload`, `snapshot` to a `fetch`, unless an `error` ends the session or a documented code
 * the connection. All other messages need no answer.
 */
export interface CheckedConnection {
  readonly sessions: ReadonlyMap<number, SessionState>;
  readonly send: (frame: Uint8Array) => void;
  readonly isOpen: () => boolean;
  /** The end of the connection; `null` while it is open. */
  readonly end: () => string | number | null;
  /** The missing answers, as text. */
  readonly missingAnswer: () => string | null;
  readonly close: () => void;
  readonly disconnect: () => void;
  /** The violations of the server. */
  readonly problems: readonly string[];
  /** All sent frames, to repeat them. */
  readonly frames: readonly Uint8Array[];
}

/** Codes with which a server may close after messages of clients. 4500 is not among them. */
const codes: readonly number[] = [
  ...[closeCodes.normal, closeCodes.restarting, closeCodes.protocolViolation, closeCodes.notBound],
  ...[closeCodes.tooLarge, closeCodes.tooMuch],
];

const createSessionState = (): SessionState => ({
  ...{ state: 'binding', history: null, next: 1, downloadedTo: 0, snapshot: null, uploads: [], fetching: false },
});

/** Updates the sessions with a received message. */
const applyReceived = (sessions: Map<number, SessionState>, message: ServerMessage): void => {
  const session = 'session' in message ? message.session : null;
  const state = session === null ? undefined : sessions.get(session);
  if (session === null || state === undefined) return;
  switch (message.type) {
    case 'bound':
      if (state.state === 'binding') state.state = 'bound';
      state.history = message.history;
      state.next = message.accepted + 1;
      state.snapshot = message.snapshot;
      break;
    case 'download':
      state.downloadedTo = message.upTo;
      break;
    case 'accepted':
      while (state.uploads[0] !== undefined && state.uploads[0] <= message.version) state.uploads.shift();
      break;
    case 'snapshot':
      state.fetching = false;
      break;
    case 'unbound':
    case 'copied':
    case 'error':
      sessions.delete(session);
      break;
    default:
  }
};

/** Updates the sessions with the expected answers to a valid message. */
const applySent = (sessions: Map<number, SessionState>, message: ClientMessage): void => {
  if (message.type === 'bind') {
    sessions.set(message.session, createSessionState());
    return;
  }
  const state = 'session' in message ? sessions.get(message.session) : undefined;
  if (state === undefined) return;
  if (message.type === 'unbind') state.state = 'unbinding';
  if (message.type === 'fetch') state.fetching = true;
  const last =
    message.type === 'upload' ? message.changesets.at(-1) : message.type === 'withdraw' ? message : undefined;
  if (last === undefined || state.state !== 'bound') return;
  state.uploads.push(last.version);
  state.next = Math.max(state.next, last.version + 1);
};

const missingAnswerOf = (sessions: ReadonlyMap<number, SessionState>): string | null => {
  for (const [session, { state, uploads, fetching }] of sessions) {
    if (state === 'binding') return `session ${session}: bound or error`;
    if (state === 'unbinding') return `session ${session}: unbound`;
    if (uploads.length > 0) return `session ${session}: accepted for ${uploads.join(', ')}`;
    if (fetching) return `session ${session}: snapshot`;
  }
  return null;
};

export const createCheckedConnection = (wire: Wire<ClientMessage, ServerMessage>): CheckedConnection => {
  const sessions = new Map<number, SessionState>();
  const problems: string[] = [];
  const frames: Uint8Array[] = [];
  const sent$ = new Subject<Uint8Array>();
  let end: string | number | null = null;
  const isOpen = (): boolean => end === null;
  let isClosedHere = false;
  let pinged: number | null = null;

  const receive = (frame: Uint8Array): void => {
    const message = decodeServer(frame);
    if (isLeft(message)) {
      problems.push(`sent an invalid message: ${message.left}`);
      return;
    }
    if (message.right.type === 'part') return;
    if (message.right.type === 'pong' && Object.is(message.right.sentAt, pinged)) pinged = null;
    if (message.right.type === 'error' && message.right.code === 'internal') problems.push('sent an internal error');
    applyReceived(sessions, message.right);
  };
  const handleError = (thrown: unknown): void => {
    end = thrown instanceof ConnectionError && thrown.failure.kind === 'closed' ? thrown.failure.code : String(thrown);
    if (!codes.includes(Number(end))) problems.push(`ended with ${String(end)}`);
    sessions.clear();
  };
  const handleComplete = (): void => {
    if (!isClosedHere) problems.push('completed by itself');
    end = 'completed';
  };
  const subscription = serverWire(wire)(sent$).subscribe({
    next: receive,
    error: handleError,
    complete: handleComplete,
  });

  return {
    sessions,
    problems,
    frames,
    send: (frame) => {
      if (end !== null) return;
      frames.push(frame);
      const message = decodeClient(frame);
      if (isLeft(message)) {
        sent$.next(frame);
        if (String(end) !== String(closeCodes.protocolViolation))
          problems.push(`did not close after an invalid message: ${message.left}`);
        return;
      }
      if (message.right.type === 'ping') pinged = message.right.sentAt;
      applySent(sessions, message.right); // First, because the answer may arrive synchronously.
      sent$.next(frame);
      if (pinged !== null && isOpen()) problems.push('did not answer a ping');
      pinged = null;
    },
    isOpen,
    end: () => end,
    missingAnswer: () => (end === null ? missingAnswerOf(sessions) : null),
    close: () => {
      if (end !== null) return;
      isClosedHere = true;
      sent$.complete();
      if (isOpen()) problems.push('did not complete when the client closed the connection');
    },
    disconnect: () => {
      subscription.unsubscribe();
      end ??= 'disconnected';
    },
  };
};
