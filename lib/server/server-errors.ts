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

/**
 * The codes of a `TokenRejectedError`. `token-expired`: the client gets a fresh token. `token-refused`: the token is
 * invalid. `user-refused`: the token is valid, but its user may not use this server.
 */
export type TokenRejectionCode = 'token-expired' | 'token-refused' | 'user-refused';

/**
 * Thrown by `authenticate` to reject a token. After `token-expired` the client gets a fresh token from the app.
 * `token-refused` and `user-refused` log the user out on the client. With the `retry` `'later'`, the client instead
 * reconnects with a fresh token after its backoff.
 *
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
  /** The name of the class. Minifiers do not change it. */
  override readonly name = 'TokenRejectedError';
  constructor(
    /** The kind of the rejection, sent to the client. */
    readonly code: TokenRejectionCode,
    /** The reason, sent to the client. */
    text: string,
    /** Whether the client may try again: by default `later` for `token-expired`, and `never` otherwise. */
    readonly retry: 'never' | 'later' = code === 'token-expired' ? 'later' : 'never',
  ) {
    super(text);
  }
}

/** Creates the error that ends a connection whose client violates the protocol. */
export const createProtocolViolation = (text: string): ConnectionError =>
  createCloseError(closeCodes.protocolViolation, text);

/**
 * `listen`, `attach` or `backup` was called after `close`.
 *
 * @see {@link SyncServer.close}
 */
export class ServerClosedError extends TidemarkError {
  override readonly name = 'ServerClosedError';
  readonly code = 'server-closed';
}
