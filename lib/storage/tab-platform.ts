import type { Observable } from 'rxjs';
import type { OpenStorage, Storage } from './storage.js';

/** One end of a channel between the tabs of an origin. */
export interface TabChannel {
  /** Sends a structured clone of a message to all other open ends of this name, in order. Does nothing when closed. */
  readonly post: (message: unknown) => void;
  readonly close: () => void;
}

/**
 * The state of a page. `leaving`: the page may stop running at any moment, because it is being frozen, cached for the
 * back button, or left. It may come back later.
 */
export type PageState = 'visible' | 'hidden' | 'leaving';

/**
 * The parts of a platform that a realm needs to be shared by several tabs. A tab is a page, a frame or a worker. The
 * storages of all tabs have the same name.
 */
export interface TabPlatform {
  /** The name of the storage. Different names have different locks, channels and data. */
  readonly name: string;
  /** Opens an end of a channel. `receive` is called with every message of the other ends, never synchronously. */
  readonly openChannel: (name: string, receive: (message: unknown) => void) => TabChannel;
  /**
   * Requests a lock, which has one holder among all tabs. Cold. Emits once, when it is held. Never completes; releases
   * the lock, or withdraws the request, when it is unsubscribed. Errors with a `StorageTakenOverError` when another tab
   * has stolen the lock, and with a `StorageError` when the platform denies it. `wait`: behind all earlier requests.
   * `steal`: takes it at once.
   *
   * The platform releases the locks of a tab that ends. A page that is frozen, or cached for the back button, has not
   * ended and keeps its locks, unless it unsubscribes when its state becomes `leaving`.
   */
  readonly lock: (name: string, how: 'wait' | 'steal') => Observable<void>;
  /** The state of the page of this tab. Emits the current state on subscription. Never completes or errors. */
  readonly page$: Observable<PageState>;
  /**
   * Opens the storage for the tab that leads. Cold. Emits once and completes. From the first value on, no batch of an
   * earlier leader can be stored any more; such a batch errors, and then `lost$` of its storage emits a
   * `StorageTakenOverError`. Errors with a `StorageError`, after half a second when a tab that does not share holds the
   * storage.
   *
   * Subscribed again after its storage was lost, it opens the storage again for the same leader. It then errors with a
   * `StorageTakenOverError` when another tab has taken over meanwhile.
   */
  readonly openStorage: () => Observable<Storage>;
}

const platforms = new WeakMap<OpenStorage, TabPlatform>();

/** Marks a storage as one that several tabs can share. Returns it. */
export const shareBetweenTabs = (storage: OpenStorage, platform: TabPlatform): OpenStorage => {
  platforms.set(storage, platform);
  return storage;
};

/** The platform of a storage that several tabs can share; `undefined` for any other storage. */
export const tabPlatformOf = (storage: OpenStorage): TabPlatform | undefined => platforms.get(storage);
