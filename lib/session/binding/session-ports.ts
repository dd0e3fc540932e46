import type { Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { SyncError } from '../../model/errors.js';
import type { ClientConnection } from '../connection/connection.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import type { InitialDownload, OutboxState, SyncedRealm } from '../../model/sync-port.js';
import type { ClientReset } from './client-reset.js';
import type { SessionState } from '../state/session-state.js';
import type { Tokens } from './tokens.js';

/** The ports of a session. Streams only, because a promise can be neither cancelled nor drawn in marbles. */
export interface ClientSessionPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly connection: Pick<ClientConnection, 'state$'>;
  readonly tokens: Tokens;
  /** The id of the user, if the app has set it. `null`: taken from the token, if the token has it. */
  readonly user?: () => string | null;
  /** Reconnect triggers: each one ends the wait of a suspended session. Events, not a state. */
  readonly reconnect$: Observable<unknown>;
  readonly clientReset: ClientReset;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
  /** Initial state: `inactive` when no user is logged in, `paused` when the session was left paused. */
  readonly start: 'active' | 'inactive' | 'paused';
  /** The user had logged out before. The session waits for a log-in and ignores other inputs. */
  readonly loggedOut?: boolean;
  readonly outbox: OutboxState;
  readonly initialDownload: InitialDownload;
  /** The state that earlier sessions of the realm knew. */
  readonly known?: Partial<Pick<SessionState, 'rejected' | 'downloaded' | 'lastSyncedAt'>>;
  /** Is called with every error of this session, from its creation on. */
  readonly onError?: (error: SyncError) => void;
  /** Is called with the last state when the session has ended, before its streams complete. */
  readonly onReleased?: (last: SessionState) => void;
  /** Is called with each fatal error synchronously, before the session shows anything of it. */
  readonly onFatalError?: (error: SyncError) => void;
}
