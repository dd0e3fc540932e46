import { Subject } from 'rxjs';
import type { ClientMessage, ServerMessage, Wire } from '../lib/index.js';
import { isLeft } from '../lib/model/result.js';
import { decodeClient, decodeServer } from '../lib/protocol/codec.js';
import { closeCodes } from '../lib/protocol/messages.js';
import { serverWire } from '../lib/protocol/message-wire.js';
import { ConnectionError } from '../lib/transport/wire.js';

/** What a line knows of one of its sessions. */
export interface SessionState {
  /** Whether the server has answered its bind, and not ended it since. */
  state: 'binding' | 'bound' | 'unbinding';
  history: string | null;
  /** The client version that comes next. */
  next: number;
  /** The last server version that was sent here. */
  downloadedTo: number;
  snapshot: number | null;
  /** Client versions of uploads that have to be answered. */
  readonly uploads: number[];
  fetching: boolean;
}

/**
 * A connection that holds the server to its word. What is owed: at once a `pong` to a `ping`, and the end with 4400 to
 * what is no message; in the end `bound`, `copied` or `error` to a `bind`, `unbound` to an `unbind`, `accepted` to an
 * `upload`, `snapshot` to a `fetch`, unless `error` ends the session or a documented code the line. To everything else
 * silence is an answer.
 */
export interface CheckedConnection {
  readonly sessions: ReadonlyMap<number, SessionState>;
  readonly send: (frame: Uint8Array) => void;
  readonly isOpen: () => boolean;
  /** How it ended; `null`: it is open. */
  readonly end: () => string | number | null;
  /** What is still owed, in words. */
  readonly missingAnswer: () => string | null;
  readonly close: () => void;
  readonly disconnect: () => void;
  /** What the server did that it must not do. */
  readonly problems: readonly string[];
  /** The frames so far, to say them again. */
  readonly frames: readonly Uint8Array[];
}

/** Codes with which a server may hang up on what clients say; 4500 is none of them. */
const codes: readonly number[] = [
  ...[closeCodes.normal, closeCodes.restarting, closeCodes.protocolViolation, closeCodes.notBound],
  ...[closeCodes.tooLarge, closeCodes.tooMuch],
];

const createSessionState = (): SessionState => ({
  ...{ state: 'binding', history: null, next: 1, downloadedTo: 0, snapshot: null, uploads: [], fetching: false },
});

/** Notes in the lanes what a message makes of them. */
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

/** Notes in the lanes what a message that was understood asks for. */
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
      applySent(lanes, message.right); // First: the answer may come on the spot.
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
