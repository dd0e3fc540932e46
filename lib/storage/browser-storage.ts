import { indexedDbStorage } from './indexeddb.js';
import type { OpenStorage } from './storage.js';

/**
 * What the name of a storage stands for where there is no Node. `node-storage.ts` is the other; `imports` in
 * package.json chooses.
 */
export const openNamedStorage = (name: string): OpenStorage => indexedDbStorage(name);

/** What two names of one storage have in common: databases whose names differ in anything are different ones. */
export const storageIdentityOf = (name: string): string => name;
