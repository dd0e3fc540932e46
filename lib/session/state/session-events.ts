import type { CompensatingWriteError, SessionClosedError, SyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { Bound } from '../../protocol/messages.js';
import type { RoundTrip } from '../connection/connection-attempt.js';
import type { OutboxState } from '../sync-port.js';
import type { ConnectionStatus } from './status.js';

/** What breaks the waits that are under way. */
export type SessionEndError = SessionClosedError | SyncError;

/** All that can happen to a session. */
export type SessionEvent =
  // What the app and the client ask for.
  | {
      readonly type: 'input';
      readonly input: 'open' | 'pause' | 'resume' | 'expired' | 'token' | 'logIn';
      readonly isOld?: boolean;
    }
  | { readonly type: 'closed'; readonly immediately: boolean; readonly by: SessionClosedError }
  | { readonly type: 'loggedOut'; readonly by: SessionEndError }
  | { readonly type: 'markWanted' }
  // What the realm says.
  | { readonly type: 'outbox'; readonly outbox: OutboxState }
  // What the line does.
  | { readonly type: 'connection'; readonly connection: ConnectionStatus }
  | RoundTrip
  // What the server says, once it has been taken to heart.
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
  /** The realm starts over with another history. */
  | { readonly type: 'reset' }
  /** A write was refused, and is about to be taken back. */
  | { readonly type: 'refused'; readonly error: CompensatingWriteError }
  | {
      readonly type: 'downloaded';
      readonly version: Version;
      readonly behind: number;
      readonly bytes: number;
      readonly remainingBytes: number;
      readonly at: number;
    }
  /** A page of a snapshot has come, and is kept until the last one has. */
  | { readonly type: 'collected'; readonly bytes: number; readonly remainingBytes: number }
  | { readonly type: 'marked'; readonly request: number; readonly version: Version; readonly at: number }
  // What goes wrong: shown in `errors$`; `fatal` ends the session.
  | { readonly type: 'trouble'; readonly error: SyncError }
  | { readonly type: 'fatal'; readonly error: SyncError };
