import type { Observable } from 'rxjs';
import type { SessionStore } from '../session/state/session-store.js';

/** A realm that a client has open, as far as the client cares. */
export interface RealmMember {
  readonly machine: SessionStore;
  readonly realm: string;
  /** The storage as the app named it, and its name; empty for one without. */
  readonly storage: unknown;
  readonly name: string;
  /**
   * Discards what is only here: the realm is what the server has, once it has been downloaded again. Starts at the
   * call; emits nothing. Throws a `RealmClosedError` when its storage is being closed.
   */
  readonly discard: () => Observable<never>;
  /** Whether the function of a write is running. */
  readonly isWriting: () => boolean;
  /**
   * Emits once and completes when its storage is closed, which follows the end of its session. Replays; never errors.
   */
  readonly released$: Observable<unknown>;
}
