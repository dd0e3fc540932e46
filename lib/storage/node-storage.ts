import { resolveFolder } from './folder-identity.js';
import { levelStorage } from './level.js';
import type { OpenStorage } from './storage.js';

/**
 * Opens the storage with this name in Node: a folder. `imports` in package.json chooses this file or
 * `browser-storage.ts`.
 */
export const openNamedStorage = (name: string): OpenStorage => levelStorage(name);

/** The identity of a folder, the same for all spellings of its path. Creates the folder. */
export const storageIdentityOf = (name: string): string => resolveFolder(name).id;
