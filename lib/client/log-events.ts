import type { SyncError } from '../model/errors.js';
import type { Reason } from '../session/state/status.js';

/** What an app may want to have in its log. Never a token, never data. */
export type ClientEvent =
  /**
   * The connection was lost or cannot be had. Told once for an outage, not for every attempt, until it is connected
   * again.
   */
  | { readonly level: 'warn'; readonly event: 'outage'; readonly reason: Reason }
  /** Something went wrong with one realm, or with the user of all of them (`realm` is `null`). */
  | {
      readonly level: 'warn' | 'error';
      readonly event: 'failed';
      readonly realm: string | null;
      readonly error: SyncError;
    };

export type ClientLog = (event: ClientEvent) => void;

/** An app's log that can harm nobody: what it throws is thrown away. */
export const catchLogErrors =
  (log: ClientLog | undefined): ClientLog =>
  (event) => {
    try {
      log?.(event);
    } catch {
      // There is nobody left to tell.
    }
  };

/** An error of one realm, or of the user; those of the connection are told as an outage. */
export const failureEventOf = (realm: string, error: SyncError): ClientEvent | null =>
  error.level === 'connection' && !error.fatal
    ? null
    : {
        level: error.fatal ? 'error' : 'warn',
        event: 'failed',
        realm: error.level === 'session' || error.level === 'object' ? realm : null,
        error,
      };
