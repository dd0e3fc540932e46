import type { Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { SyncError } from '../../model/errors.js';
import type { ClientConnection } from '../connection/connection.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import type { InitialDownload, OutboxState, SyncedRealm } from '../sync-port.js';
import type { ClientReset } from './client-reset.js';
import type { Tokens } from './tokens.js';

/**
 * Everything a session needs from the world. Streams only: a promise could be neither cancelled nor drawn in marbles.
 */
export interface ClientSessionPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly connection: Pick<ClientConnection, 'state$'>;
  readonly tokens: Tokens;
  /** The id of the user, if the app has said it; `null`: a token may say it. */
  readonly user?: () => string | null;
  /** "Try now": ends a suspension. An event, not a state. */
  readonly reconnect$: Observable<unknown>;
  /** What to do when the server has another history. */
  readonly clientReset: ClientReset;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
  /** Where it starts: `inactive` when nobody is logged in, `paused` when it was left so. */
  readonly start: 'active' | 'inactive' | 'paused';
  /** The user had logged out before: it waits for a log-in, whatever else it is told. */
  readonly loggedOut?: boolean;
  readonly outbox: OutboxState;
  readonly initialDownload: InitialDownload;
  /** Hears of every error of this session, from its first moment on. */
  readonly onError?: (error: SyncError) => void;
  /** Is called with each fatal error at once, before the session shows anything of it. */
  readonly onFatalError?: (error: SyncError) => void;
}
