import type { SyncErrorCode } from '../../model/error-catalogue.js';
import type { Version } from '../../model/version.js';

/**
 * Whether a realm is to be kept in sync. The table is in `transitions.ts`.
 *
 * `active`: in sync as far as the connection allows. `dying`: the last handle was closed, and the remaining changes are
 * being uploaded. `inactive`: stopped by an error, a log-out or a close. `waitingForAccessToken`: the token has
 * expired, and the app was asked for another one. `paused`: by `pause()`.
 */
export type SyncState = 'active' | 'dying' | 'inactive' | 'waitingForAccessToken' | 'paused';

/**
 * Whether a realm can sync now.
 *
 * Transitions: `disconnected` → `connecting` → `connected` → `disconnected`, or `connecting` → `disconnected`.
 */
export type ConnectionState = 'disconnected' | 'connecting' | 'connected';

/** The reason why a session is disconnected. */
export type Reason =
  /** The session has not tried to connect yet. */
  | { readonly kind: 'idle' }
  /** `pause()`. */
  | { readonly kind: 'paused' }
  /** The last handle of the realm or its client was closed. */
  | { readonly kind: 'closed' }
  /** No user is logged in. */
  | { readonly kind: 'logged-out' }
  /**
   * No connection could be opened: name lookup, network or TLS failed, or the server answered the handshake with an
   * error.
   */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /**
   * The server did not answer (`connect`, `bind`), the connection was silent for too long (`read`, `probe`), or no work
   * progressed on it (`stall`).
   */
  | { readonly kind: 'timed-out'; readonly what: 'connect' | 'bind' | 'read' | 'probe' | 'stall' }
  /** The WebSocket was closed with this close code. 1006: the connection broke. */
  | { readonly kind: 'closed-by-server'; readonly code: number; readonly text: string }
  /** The server ended the connection and sent the reason: for example a restart or too much load. */
  | { readonly kind: 'server-error'; readonly code: string; readonly text: string }
  /** The access token has expired, and the app is asked for another one. */
  | { readonly kind: 'token-expired' }
  /**
   * The app was asked for an access token and has not given it yet. If `accessToken` failed, the client calls it again
   * at `retryAt` of the status.
   */
  | { readonly kind: 'token-wanted' }
  /** Only this session is disconnected: the server asked for a pause, or could not serve the realm. */
  | { readonly kind: 'suspended'; readonly code: string; readonly text: string }
  /** An error ended the session. `errors$` emitted it. */
  | { readonly kind: 'failed'; readonly code: SyncErrorCode };

/** Returns the part of a reason that distinguishes failures of the same kind. `null`: the kind has no such part. */
export const reasonDetailOf = (reason: Reason): string | number | null => {
  switch (reason.kind) {
    case 'closed-by-server':
    case 'server-error':
    case 'suspended':
    case 'failed':
      return reason.code;
    case 'timed-out':
      return reason.what;
    case 'idle':
    case 'paused':
    case 'closed':
    case 'logged-out':
    case 'unreachable':
    case 'token-expired':
    case 'token-wanted':
      return null;
  }
};

/**
 * The state of the connection, with the numbers that belong to each state.
 *
 * @example
 * ```ts
 * const textOf = (status: ConnectionStatus) =>
 *   status.state === 'disconnected' ? `Offline: ${status.reason.kind}` : status.state;
 * ```
 */
export type ConnectionStatus =
  | {
      readonly state: 'disconnected';
      /** The reason for the disconnect. */
      readonly reason: Reason;
      /** Number of attempts that failed in a row. */
      readonly attempt: number;
      /** Start of the next attempt, milliseconds since the epoch. `null`: no attempt is planned. */
      readonly retryAt: number | null;
    }
  | {
      readonly state: 'connecting';
      /** Number of this attempt, from 1. */
      readonly attempt: number;
    }
  | {
      readonly state: 'connected';
      /** Start of the connection, milliseconds since the epoch. */
      readonly since: number;
      /** Milliseconds between the last answered ping and its answer. `null` before the first answer. */
      readonly roundTripMs: number | null;
    };

/**
 * The whole status of a session. All other state streams of `SyncSession` are views of this record.
 *
 * @example
 * ```ts
 * session.status$.subscribe(({ connection, pending }) => {
 *   const isSaved = pending.changesets === 0;
 *   showBanner(connection.state, isSaved ? 'All changes are saved' : `${pending.changesets} changes are pending`);
 * });
 * ```
 */
export interface SyncStatus {
  /** Whether the realm is to be kept in sync. */
  readonly sync: SyncState;
  /** Whether the realm can sync now, with the reason if it cannot. */
  readonly connection: ConnectionStatus;
  /** Changesets written on this device that are not known to be durable on the server. All are saved when 0. */
  readonly pending: { readonly changesets: number; readonly bytes: number };
  /**
   * The server version up to which this replica has everything, and the number of changesets that follow. `behind` is
   * `null` until the server has sent that number.
   */
  readonly downloaded: { readonly version: Version; readonly behind: number | null };
  /**
   * Last time when client and server had the same data, milliseconds since the epoch. `null`: not since the realm was
   * opened.
   */
  readonly lastSyncedAt: number | null;
  /**
   * Time since which nothing has moved although the session is connected and work waits, milliseconds since the epoch.
   * `null`: the session is not stalled.
   */
  readonly stalledSince: number | null;
}
