import { TidemarkError } from '../model/errors.js';
import type { Version } from '../model/version.js';
import { closeCodes, type Retry, type WireErrorCode } from '../protocol/messages.js';
import { createCloseError, type ConnectionError } from '../transport/wire.js';

/** Why a session ends: travels the error channel from where it is found to where the session becomes messages. */
export class SessionFailure extends Error {
  override readonly name = 'SessionFailure';
  constructor(
    readonly code: WireErrorCode | 'too-many-refused',
    text: string,
    readonly retry: Retry = 'never',
  ) {
    super(text);
  }
}

/** Why a session ends: its replica is a copy, and what it has after this client version is not what the history has. */
export class ReplicaCopiedError extends Error {
  override readonly name = 'ReplicaCopiedError';
  constructor(readonly version: Version) {
    super(`the replica is a copy: it has other changesets after ${version}`);
  }
}

export type RefusalCode = 'token-expired' | 'token-refused' | 'user-refused';

/**
 * What `authenticate` throws, or errors with, to say no. `token-expired` has the client ask for a fresh token,
 * `token-refused` and `user-refused` log it out, unless `retry` is `later`: then it comes again with a fresh token, by
 * its backoff. Any other error is a failure of the server's: the client tries again later.
 */
export class AccessRefusedError extends Error {
  override readonly name = 'AccessRefusedError';
  constructor(
    readonly code: RefusalCode,
    text: string,
    readonly retry: 'never' | 'later' = code === 'token-expired' ? 'later' : 'never',
  ) {
    super(text);
  }
}

/** The end of a connection whose client does not keep to the protocol. */
export const createProtocolViolation = (text: string): ConnectionError =>
  createCloseError(closeCodes.protocolViolation, text);

/** A server was asked to listen after it was closed. */
export class ServerClosedError extends TidemarkError {
  override readonly name = 'ServerClosedError';
  readonly code = 'server-closed';
}
