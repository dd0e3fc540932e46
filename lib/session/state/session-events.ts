import type { CompensatingWriteError, SessionClosedError, SyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { Bound } from '../../protocol/messages.js';
import type { RoundTrip } from '../connection/mux.js';
import type { OutboxState } from '../../model/sync-port.js';
import type { ConnectionStatus } from './status.js';

/**
 * An error that ends the pending waits of a session: `uploadComplete$`, `downloadComplete$`, `progress$` and
 * `written$`.
 */
export type SessionEndError = SessionClosedError | SyncError;

/** An event that the reducer of a session applies to its state. */
export type SessionEvent =
  // Requests of the app and of the client.
  | {
      readonly type: 'input';
      readonly input: 'open' | 'pause' | 'resume' | 'expired' | 'token' | 'logIn';
      readonly isOld?: boolean;
    }
  | { readonly type: 'closed'; readonly immediately: boolean; readonly by: SessionClosedError }
  | { readonly type: 'loggedOut'; readonly by: SessionEndError }
  | { readonly type: 'markWanted' }
  // News from the realm.
  | { readonly type: 'outbox'; readonly outbox: OutboxState }
  // News from the connection.
  | { readonly type: 'connection'; readonly connection: ConnectionStatus }
  | RoundTrip
  // Messages of the server, after their effects are stored in the realm.
  | {
      readonly type: 'bound';
      readonly bound: Bound;
      readonly downloadedTo: Version;
      readonly isFresh: boolean;
      readonly at: number;
    }
  | { readonly type: 'accepted'; readonly at: number }
  | { readonly type: 'sent'; readonly version: Version; readonly bytes: number }
  | { readonly type: 'stalled'; readonly since: number }
  /** The realm goes through a client reset. */
  | { readonly type: 'reset' }
  /** The server rejected a write. Its rollback follows. */
  | { readonly type: 'rejected'; readonly error: CompensatingWriteError }
  | {
      readonly type: 'downloaded';
      readonly version: Version;
      readonly behind: number;
      readonly bytes: number;
      readonly remainingBytes: number;
      readonly at: number;
    }
  /** A page of a snapshot was received. It is buffered until the last page has arrived. */
  | { readonly type: 'collected'; readonly bytes: number; readonly remainingBytes: number }
  | { readonly type: 'marked'; readonly request: number; readonly version: Version; readonly at: number }
  // Errors that `errors$` emits. A `fatal` one ends the session.
  | { readonly type: 'trouble'; readonly error: SyncError }
  | { readonly type: 'fatal'; readonly error: SyncError };
