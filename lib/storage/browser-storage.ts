import { createBrowserTabs } from './browser-tabs.js';
import { indexedDbStorage } from './indexeddb.js';
import type { OpenStorage } from './storage.js';
import { shareBetweenTabs } from './tab-platform.js';

/**
 * Opens the storage with this name outside Node, and lets tabs share it where the browser can. `imports` in
 * package.json chooses this file or `node-storage.ts`.
 */
export const openNamedStorage = (name: string): OpenStorage => {
  const storage = indexedDbStorage(name);
  const platform = createBrowserTabs(name);
  return platform ? shareBetweenTabs(storage, platform) : storage;
};

/** The identity of a named storage: databases with different names are different. */
export const storageIdentityOf = (name: string): string => name;
