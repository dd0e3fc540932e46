import { indexedDbStorage } from './indexeddb.js';
import type { OpenStorage } from './storage.js';

/** Opens the storage with this name outside Node. `imports` in package.json chooses this file or `node-storage.ts`. */
export const openNamedStorage = (name: string): OpenStorage => indexedDbStorage(name);

/** The identity of a named storage: databases with different names are different. */
export const storageIdentityOf = (name: string): string => name;
