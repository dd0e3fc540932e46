import { TidemarkError } from '../model/errors.js';
import type { Version } from '../model/version.js';
import { closeCodes, type Retry, type WireErrorCode } from '../protocol/messages.js';
import { createCloseError, type ConnectionError } from '../transport/wire.js';

/** Ends one session. The session turns it into an `error` message for the client. */
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

/** Ends a session whose replica is a copy: its changesets after `version` differ from those in the history. */
export class ReplicaCopiedError extends Error {
  override readonly name = 'ReplicaCopiedError';
  constructor(readonly version: Version) {
    super(`The replica is a copy: its changesets after ${version} differ from those in the history.`);
  }
}

/** The codes of a `TokenRejectedError`. */
export type TokenRejectionCode = 'token-expired' | 'token-refused' | 'user-refused';

/**
 * Thrown by `authenticate` to reject a token. After `token-expired` the client gets a fresh token from the app.
 * `token-refused` and `user-refused` log the user out on the client, unless `retry` is `'later'`: then the client
 * reconnects with a fresh token after its backoff. Any other error is logged, and the client tries again later.
 *
 * @param code - `token-expired`, `token-refused` or `user-refused`
 * @param text - the reason, sent to the client
 * @param retry - whether the client may try again
 * @defaultValue for `retry`: `'later'` for `token-expired`, `'never'` otherwise
 * @example
 * ```ts
 * const authenticate: Authenticate = async (token) => {
 *   const account = await sessions.find(token);
 *   if (account === null) throw new TokenRejectedError('token-refused', 'This token is unknown.');
 *   return { id: account.id };
 * };
 * ```
 */
export class TokenRejectedError extends Error {
  override readonly name = 'TokenRejectedError';
  constructor(
    readonly code: TokenRejectionCode,
    text: string,
    readonly retry: 'never' | 'later' = code === 'token-expired' ? 'later' : 'never',
  ) {
    super(text);
  }
}

/** Creates the error that ends a connection whose client violates the protocol. */
export const createProtocolViolation = (text: string): ConnectionError =>
  createCloseError(closeCodes.protocolViolation, text);

/** `listen`, `attach` or `backup` was called after `close`. */
export class ServerClosedError extends TidemarkError {
  override readonly name = 'ServerClosedError';
  readonly code = 'server-closed';
}
