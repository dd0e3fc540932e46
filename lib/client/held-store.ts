import type { Observable } from 'rxjs';
import type { StorageHealth } from '../storage/reopening-storage.js';
import type { StoreOptions } from '../store/open-store.js';
import type { LocalStore } from '../store/store.js';

/** An open store with the streams of its storage. */
export interface HeldStore<S extends LocalStore> {
  readonly store: S;
  /**
   * The health of the storage. It must stay subscribed while the realm is open: the subscription reopens a lost
   * storage.
   */
  readonly health$: Observable<StorageHealth>;
  /** Emits once and completes when both are closed. Cold; never errors. */
  readonly closing$: Observable<void>;
}

/** Opens a store, and prepares it for its first handle. */
export interface StoreOpening<S extends LocalStore> {
  readonly open: (options: StoreOptions) => Observable<S>;
  readonly prepare: (store: S) => Observable<never>;
  /** Milliseconds that a call of the storage may take before it is reported. */
  readonly callMs: number;
}
