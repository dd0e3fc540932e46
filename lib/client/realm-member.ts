import type { Observable } from 'rxjs';
import type { SessionStore } from '../session/state/session-store.js';

/** An open realm as its client sees it. */
export interface RealmMember {
  readonly machine: SessionStore;
  readonly realm: string;
  /** The `storage` option that the app gave. */
  readonly storage: unknown;
  /** The name of the storage; empty for a storage without a name. */
  readonly name: string;
  /**
   * Deletes all data of the realm on this device, to be downloaded again. Starts at the call; emits nothing. Throws a
   * `RealmClosedError` when the storage is being closed.
   */
  readonly discard: () => Observable<never>;
  /** Asks the tab that has the session to reconnect. Missing where no other tab can have it. */
  readonly reconnect?: () => void;
  /** Whether the function of a write is running. */
  readonly isWriting: () => boolean;
  /** Emits once and completes when the storage is closed, after the end of the session. Replays; never errors. */
  readonly released$: Observable<unknown>;
}
