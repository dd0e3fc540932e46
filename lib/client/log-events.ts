import type { SyncError } from '../model/errors.js';
import type { Reason } from '../session/state/status.js';

/**
 * An event that an app may log. It never contains a token or data of the user.
 *
 * @example
 * ```ts
 * const textOf = (event: ClientEvent) => (event.event === 'outage' ? event.reason.kind : event.error.code);
 * ```
 */
export type ClientEvent =
  /** The connection was lost or cannot be opened. Logged once per outage, not for every attempt. */
  | { readonly level: 'warn'; readonly event: 'outage'; readonly reason: Reason }
  /** An error of one realm, or of the user and so of all realms (`realm` is `null`). */
  | {
      readonly level: 'warn' | 'error';
      readonly event: 'failed';
      readonly realm: string | null;
      readonly error: SyncError;
    };

/**
 * The log of an app, given as the option `log` of `createSyncClient`. Errors that it throws are ignored.
 *
 * @example
 * ```ts
 * const log: ClientLog = (event) => console[event.level](event.event, event);
 * ```
 */
export type ClientLog = (event: ClientEvent) => void;

/** Wraps the log of an app so that its errors cannot disturb the client. */
export const catchLogErrors =
  (log: ClientLog | undefined): ClientLog =>
  (event) => {
    try {
      log?.(event);
    } catch {
      // An error of the log cannot be logged.
    }
  };

/**
 * Returns the event of an error of a realm or of the user. An error of the connection is logged as an outage instead.
 */
export const failureEventOf = (realm: string, error: SyncError): ClientEvent | null =>
  error.level === 'connection' && !error.fatal
    ? null
    : {
        level: error.fatal ? 'error' : 'warn',
        event: 'failed',
        realm: error.level === 'session' || error.level === 'object' ? realm : null,
        error,
      };
