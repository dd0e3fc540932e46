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
const applyReceived = (lanes: Map<number, SessionState>, message: ServerMessage): void => {
  const session = 'session' in message ? message.session : null;
  const known = session === null ? undefined : lanes.get(session);
  if (session === null || known === undefined) return;
  switch (message.type) {
    case 'bound':
      if (known.state === 'binding') known.state = 'bound';
      known.history = message.history;
      known.next = message.accepted + 1;
      known.snapshot = message.snapshot;
      break;
    case 'download':
      known.downloadedTo = message.upTo;
      break;
    case 'accepted':
      while (known.uploads[0] !== undefined && known.uploads[0] <= message.version) known.uploads.shift();
      break;
    case 'snapshot':
      known.fetching = false;
      break;
    case 'unbound':
    case 'copied':
    case 'error':
      lanes.delete(session);
      break;
    default:
  }
};

/** Updates the sessions with the expected answers to a valid message. */
const applySent = (lanes: Map<number, SessionState>, message: ClientMessage): void => {
  if (message.type === 'bind') {
    lanes.set(message.session, createSessionState());
    return;
  }
  const known = 'session' in message ? lanes.get(message.session) : undefined;
  if (known === undefined) return;
  if (message.type === 'unbind') known.state = 'unbinding';
  if (message.type === 'fetch') known.fetching = true;
  const last =
    message.type === 'upload' ? message.changesets.at(-1) : message.type === 'withdraw' ? message : undefined;
  if (last === undefined || known.state !== 'bound') return;
  known.uploads.push(last.version);
  known.next = Math.max(known.next, last.version + 1);
};

const missingAnswerOf = (lanes: ReadonlyMap<number, SessionState>): string | null => {
  for (const [session, { state, uploads, fetching }] of lanes) {
    if (state === 'binding') return `session ${session}: bound or error`;
    if (state === 'unbinding') return `session ${session}: unbound`;
    if (uploads.length > 0) return `session ${session}: accepted for ${uploads.join(', ')}`;
    if (fetching) return `session ${session}: snapshot`;
  }
  return null;
};

export const createCheckedConnection = (wire: Wire<ClientMessage, ServerMessage>): CheckedConnection => {
  const lanes = new Map<number, SessionState>();
  const wrongs: string[] = [];
  const frames: Uint8Array[] = [];
  const said = new Subject<Uint8Array>();
  let end: string | number | null = null;
  const isOpen = (): boolean => end === null;
  let hasHungUp = false;
  let pinged: number | null = null;

  const heard = (frame: Uint8Array): void => {
    const message = decodeServer(frame);
    if (isLeft(message)) {
      wrongs.push(`said what is no message: ${message.left}`);
      return;
    }
    if (message.right.type === 'part') return;
    if (message.right.type === 'pong' && Object.is(message.right.sentAt, pinged)) pinged = null;
    if (message.right.type === 'error' && message.right.code === 'internal') wrongs.push('said that it had failed');
    applyReceived(lanes, message.right);
  };
  const failed = (thrown: unknown): void => {
    end = thrown instanceof ConnectionError && thrown.failure.kind === 'closed' ? thrown.failure.code : String(thrown);
    if (!codes.includes(Number(end))) wrongs.push(`ended with ${String(end)}`);
    lanes.clear();
  };
  const completed = (): void => {
    if (!hasHungUp) wrongs.push('completed by itself');
    end = 'completed';
  };
  const line = serverWire(wire)(said).subscribe({ next: heard, error: failed, complete: completed });

  return {
    sessions: lanes,
    problems: wrongs,
    frames,
    send: (frame) => {
      if (end !== null) return;
      frames.push(frame);
      const message = decodeClient(frame);
      if (isLeft(message)) {
        said.next(frame);
        if (String(end) !== String(closeCodes.protocolViolation))
          wrongs.push(`bore what is no message: ${message.left}`);
        return;
      }
      if (message.right.type === 'ping') pinged = message.right.sentAt;
      applySent(lanes, message.right); // First, because the answer may arrive synchronously.
      said.next(frame);
      if (pinged !== null && isOpen()) wrongs.push('did not answer a ping');
      pinged = null;
    },
    isOpen,
    end: () => end,
    missingAnswer: () => (end === null ? missingAnswerOf(lanes) : null),
    close: () => {
      if (end !== null) return;
      hasHungUp = true;
      said.complete();
      if (isOpen()) wrongs.push('did not complete when the client hung up');
    },
    disconnect: () => {
      line.unsubscribe();
      end ??= 'dropped';
    },
  };
};
