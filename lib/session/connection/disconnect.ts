import { ConnectionError, type ConnectionFailure } from '../../transport/wire.js';
import { closeCodes, type Retry, type WireError } from '../../protocol/messages.js';
import { SyncError, TidemarkError, UnreadableChangeError, StorageError } from '../../model/errors.js';
import { type SyncErrorCode } from '../../model/error-catalogue.js';
import type { Version } from '../../model/version.js';
import type { Reason } from '../state/status.js';

/** What a drop carries besides its reason. */
export interface DisconnectOptions {
  /** Whether and when to call again. */
  readonly retry?: Retry;
  /** Set when this is the end: no retry, and the session shows it. */
  readonly fatal?: SyncError;
  /** What `errors$` shows of it when it begins an outage; plain drops and read timeouts are not shown. */
  readonly report?: SyncError;
  /**
   * Set when this replica is a copy, and cannot go on under its name: the client version up to which the server has
   * what it wrote.
   */
  readonly copiedAt?: Version;
}

/** The end of one call, as it travels the error channel between the wire and `redial`, and nowhere else. */
export class Disconnect extends Error {
  override readonly name = 'Disconnect';
  readonly retry: Retry;
  readonly fatal: SyncError | null;
  readonly report: SyncError | null;
  readonly copiedAt: Version | null;
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

/** The end of a session, with what it shows. */
export const createFatalDisconnect = (error: SyncError): Disconnect =>
  new Disconnect({ kind: 'failed', code: error.code }, { retry: 'never', fatal: error });

/** A call that nobody answered in time. Reported: it may mean a wrong address. */
export const createUnansweredDisconnect = (what: 'connect' | 'bind'): Disconnect =>
  new Disconnect(
    { kind: 'timed-out', what },
    { report: new SyncError('connection-failed', 'The server did not answer in time.') },
  );

/** A line on which nothing was heard for too long. Not reported: networks do that. */
export const createSilenceDisconnect = (what: 'read' | 'probe' | 'stall'): Disconnect =>
  new Disconnect({ kind: 'timed-out', what });

/** A line that ended because of a frame that was too large, and none of ours was. */
export const createTooLargeDisconnect = (code: number, text: string): Disconnect =>
  createFatalDisconnect(
    new SyncError(
      'too-large',
      `The connection was closed with ${code}, because a frame was too large${text === '' ? '' : ` (${text})`}.`,
    ),
  );

const convertFailure = (failure: ConnectionFailure, cause: ConnectionError): Disconnect => {
  if (failure.kind === 'unreachable') {
    const report = new SyncError('connection-failed', `The server cannot be reached: ${failure.detail}`, { cause });
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
  'bad-changeset': 'bad-changeset',
  'bad-cursor': 'history-changed',
  'history-changed': 'history-changed',
  'replica-taken': 'other-user',
  replaced: 'replaced',
};

/** The drop that an `error` message means; of a session (E1, E2) or of the whole connection. */
export const convertWireError = ({ code, text, retry, session }: WireError): Disconnect => {
  if (code === 'token-expired' || (code === 'token-refused' && retry !== 'never'))
    return new Disconnect({ kind: 'token-expired' });
  const known = sessionCodes[code];
  // Whoever has it now may be this session itself, by a bind that came late: `unlessContested` says when it is somebody
  // else.
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

/** What broke the protocol on our side of the wire: the end, because it would come again. */
export const createProtocolViolation = (text: string): Disconnect =>
  createFatalDisconnect(new SyncError('protocol-violation', text));

/** This replica is a copy: the server has what it wrote up to a version, and after that what another copy wrote. */
export const createCopyDisconnect = (version: Version): Disconnect => {
  const text =
    'The local data is a copy: another device, or this one before it was restored, has uploaded other changes.';
  const report = new SyncError('replica-copied', text);
  return new Disconnect({ kind: 'suspended', code: report.code, text }, { report, copiedAt: version });
};

/** Any error of a call as a drop. What nobody foresaw is a defect of ours and ends the session, loudly. */
export const toDisconnect = (thrown: unknown): Disconnect => {
  if (thrown instanceof Disconnect) return thrown;
  if (thrown instanceof ConnectionError) return convertFailure(thrown.failure, thrown);
  if (thrown instanceof SyncError) return createFatalDisconnect(thrown as SyncError);
  if (thrown instanceof UnreadableChangeError)
    return createFatalDisconnect(new SyncError('unreadable-change', thrown.message, { cause: thrown }));
  if (thrown instanceof StorageError)
    return createFatalDisconnect(new SyncError('storage', thrown.message, { cause: thrown }));
  const text = thrown instanceof TidemarkError || thrown instanceof Error ? thrown.message : String(thrown);
  return createFatalDisconnect(new SyncError('unknown', text, { cause: thrown }));
};
