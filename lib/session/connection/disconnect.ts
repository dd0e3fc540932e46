import { ConnectionError, type ConnectionFailure } from '../../transport/wire.js';
import { closeCodes, type Retry, type WireError } from '../../protocol/messages.js';
import { messageOf, SyncError, UnreadableChangeError, StorageError } from '../../model/errors.js';
import { type SyncErrorCode } from '../../model/error-catalogue.js';
import type { Version } from '../../model/version.js';
import type { Reason } from '../state/status.js';

/** Properties of a disconnect besides its reason. */
export interface DisconnectOptions {
  /** Whether and when to reconnect. */
  readonly retry?: Retry;
  /** The error that ends the session without a reconnect. The session shows it. */
  readonly fatal?: SyncError;
  /** The error for `errors$` when this disconnect begins an outage. Plain disconnects and read timeouts have none. */
  readonly report?: SyncError;
  /**
   * Set when this replica is a copy and must continue under a new id: the client version up to which the server has its
   * changes.
   */
  readonly copiedAt?: Version;
}

/** The end of one connection attempt or connection. It is thrown between the wire and `reconnect`, and nowhere else. */
export class Disconnect extends Error {
  override readonly name = 'Disconnect';
  readonly retry: Retry;
  readonly fatal: SyncError | null;
  readonly report: SyncError | null;
  readonly copiedAt: Version | null;
  /** Milliseconds for which the connection was open, set when it ends. 0 for a failed attempt. */
  livedMs = 0;
  constructor(
    readonly reason: Reason,
    { retry = 'later', fatal, report, copiedAt }: DisconnectOptions = {},
  ) {
    super(reason.kind);
    this.retry = retry;
    this.fatal = fatal ?? null;
    this.report = report ?? null;
    this.copiedAt = copiedAt ?? null;
  }
}

/** Creates the disconnect that ends a session with an error. */
export const createFatalDisconnect = (error: SyncError): Disconnect =>
  new Disconnect({ kind: 'failed', code: error.code }, { retry: 'never', fatal: error });

/** Creates the disconnect of an attempt without an answer. Reported, because the address may be wrong. */
export const createUnansweredDisconnect = (what: 'connect' | 'bind'): Disconnect =>
  new Disconnect(
    { kind: 'timed-out', what },
    { report: new SyncError('connection-failed', 'The server did not answer in time.') },
  );

/** Creates the disconnect of a connection that was silent for too long. Not reported, because networks do that. */
export const createSilenceDisconnect = (what: 'read' | 'probe' | 'stall'): Disconnect =>
  new Disconnect({ kind: 'timed-out', what });

/**
 * Creates the disconnect of a connection that was closed because of a large frame, when none of this client's was
 * large.
 */
export const createTooLargeDisconnect = (code: number, text: string): Disconnect =>
  createFatalDisconnect(
    new SyncError(
      'too-large',
      `The connection was closed with ${code}, because a frame was too large${text === '' ? '' : ` (${text})`}.`,
    ),
  );

const convertFailure = (failure: ConnectionFailure, cause: ConnectionError): Disconnect => {
  if (failure.kind === 'unreachable') {
    const report = new SyncError('connection-failed', `The server cannot be reached (${failure.detail}).`, { cause });
    return new Disconnect({ kind: 'unreachable', detail: failure.detail }, { report });
  }
  const { code, text } = failure;
  if (code === closeCodes.protocolViolation)
    return createFatalDisconnect(new SyncError('protocol-violation', text, { cause }));
  if (code === closeCodes.tooLarge || code === 1009) return createTooLargeDisconnect(code, text);
  return new Disconnect({ kind: 'closed-by-server', code, text });
};

const sessionCodes: Readonly<Record<string, SyncErrorCode>> = {
  'token-refused': 'token-refused',
  'user-refused': 'user-refused',
  'no-such-realm': 'no-such-realm',
  'permission-denied': 'permission-denied',
  'needs-subscriptions': 'needs-subscriptions',
  'bad-changeset': 'bad-changeset',
  'bad-cursor': 'history-changed',
  'history-changed': 'history-changed',
  'replica-taken': 'other-user',
  replaced: 'replaced',
};

/** Converts an `error` message, of a session (E1, E2) or of the whole connection. */
export const convertWireError = ({ code, text, retry, session }: WireError): Disconnect => {
  if (code === 'token-expired' || (code === 'token-refused' && retry !== 'never'))
    return new Disconnect({ kind: 'token-expired' });
  const known = sessionCodes[code];
  // The other user of the replica may be this session itself, by a late bind: `ReplacedLimit` finds out.
  if (session !== null && code === 'replaced')
    return new Disconnect(
      { kind: 'suspended', code, text },
      { report: new SyncError('suspended', `${text} (${code})`) },
    );
  if (session !== null && retry === 'never')
    return createFatalDisconnect(new SyncError(known ?? 'unknown', `${text} (${code})`));
  if (known === 'token-refused' || known === 'user-refused') return createFatalDisconnect(new SyncError(known, text));
  return session === null
    ? new Disconnect(
        { kind: 'server-error', code, text },
        { retry, report: new SyncError(retry === 'never' ? 'server-refused' : 'server-error', text) },
      )
    : new Disconnect(
        { kind: 'suspended', code, text },
        { retry, report: new SyncError('suspended', `${text} (${code})`) },
      );
};

/**
 * Creates the disconnect for a message that breaks the protocol. Fatal, because the server would send it again.
 *
 * @param received - The message and what is wrong with it, to follow "The server sent".
 */
export const createProtocolViolation = (received: string): Disconnect =>
  createFatalDisconnect(new SyncError('protocol-violation', `The server sent ${received}.`));

/** Creates the disconnect of a copied replica: after this client version the server has changes of another copy. */
export const createCopyDisconnect = (version: Version): Disconnect => {
  const text =
    'The local data is a copy: another device, or this one before it was restored, has uploaded other changes.';
  const report = new SyncError('replica-copied', text);
  return new Disconnect({ kind: 'suspended', code: report.code, text }, { report, copiedAt: version });
};

/** Converts any error of an attempt. An unknown error is a defect of this library, and ends the session. */
export const toDisconnect = (thrown: unknown): Disconnect => {
  if (thrown instanceof Disconnect) return thrown;
  if (thrown instanceof ConnectionError) return convertFailure(thrown.failure, thrown);
  if (thrown instanceof SyncError) return createFatalDisconnect(thrown as SyncError);
  if (thrown instanceof UnreadableChangeError)
    return createFatalDisconnect(new SyncError('unreadable-change', thrown.message, { cause: thrown }));
  if (thrown instanceof StorageError)
    return createFatalDisconnect(new SyncError('storage', thrown.message, { cause: thrown }));
  return createFatalDisconnect(new SyncError('unknown', messageOf(thrown), { cause: thrown }));
};
