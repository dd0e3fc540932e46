import type { SyncErrorCode } from '../../model/error-catalogue.js';
import type { Version } from '../../model/version.js';

/** Whether this realm wants to sync. `transitions.ts` has the table and draws it. */
export type SyncState = 'active' | 'dying' | 'inactive' | 'waitingForAccessToken' | 'paused';

/**
 * Whether it can right now: `disconnected` → `connecting` → `connected` → `disconnected`, or `connecting` →
 * `disconnected`.
 */
export type ConnectionState = 'disconnected' | 'connecting' | 'connected';

/** Why a session is not connected. */
export type Reason =
  /** It has not tried yet. */
  | { readonly kind: 'idle' }
  /** `pause()`. */
  | { readonly kind: 'paused' }
  /** Its last handle or its client was closed. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'logged-out' }
  /** No socket could be had: name lookup, network, TLS, or the handshake was answered with something else than yes. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /**
   * Nobody answered (`connect`, `bind`), nothing was heard for too long (`read`, `probe`), or nothing moved (`stall`).
   */
  | { readonly kind: 'timed-out'; readonly what: 'connect' | 'bind' | 'read' | 'probe' | 'stall' }
  /** The socket was closed, with this close code. 1006: it broke. */
  | { readonly kind: 'closed-by-server'; readonly code: number; readonly text: string }
  /** The server said why it ends the connection: it restarts, it has too much to do … */
  | { readonly kind: 'server-error'; readonly code: string; readonly text: string }
  | { readonly kind: 'token-expired' }
  /**
   * The app has been asked for an access token, and has not given one yet. `retryAt`: it failed, and is asked again.
   */
  | { readonly kind: 'token-wanted' }
  /** Only this session: the server asked for a pause, or could not serve it just now. */
  | { readonly kind: 'suspended'; readonly code: string; readonly text: string }
  /** An error ended the session; `errors$` has it. */
  | { readonly kind: 'failed'; readonly code: SyncErrorCode };

export type ConnectionStatus =
  | {
      readonly state: 'disconnected';
      readonly reason: Reason;
      /** How many attempts have failed in a row; 0: none. */
      readonly attempt: number;
      /** When the next attempt begins, milliseconds since the epoch; `null`: not by itself. */
      readonly retryAt: number | null;
    }
  | {
      readonly state: 'connecting';
      /** Which attempt this is, from 1. */
      readonly attempt: number;
    }
  | {
      readonly state: 'connected';
      /** Milliseconds since the epoch. */
      readonly since: number;
      /** Of the last answered ping; `null` before the first. */
      readonly roundTripMs: number | null;
    };

/** Everything there is to know of a session: the one record, all other state streams are views of it. */
export interface SyncStatus {
  readonly sync: SyncState;
  readonly connection: ConnectionStatus;
  /** What was written here and is not known to be durable on the server: all saved when 0. */
  readonly pending: { readonly changesets: number; readonly bytes: number };
  /** The server version up to which everything is here; how many follow, `null` before the server has said it. */
  readonly downloaded: { readonly version: Version; readonly behind: number | null };
  /** When both ends last had the same, milliseconds since the epoch; `null`: not since the realm was opened. */
  readonly lastSyncedAt: number | null;
  /**
   * Since when nothing has moved although it is connected and work waits, milliseconds since the epoch; `null`: it is
   * not stuck.
   */
  readonly stalledSince: number | null;
}
