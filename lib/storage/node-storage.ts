import { resolveFolder } from './folder-identity.js';
import { levelStorage } from './level.js';
import type { OpenStorage } from './storage.js';

/**
 * What the name of a storage stands for in Node: a folder. `browser-storage.ts` is the other; `imports` in package.json
 * chooses.
 */
export const openNamedStorage = (name: string): OpenStorage => levelStorage(name);

/** What two names of one storage have in common. Makes the folder. */
export const storageIdentityOf = (name: string): string => resolveFolder(name).id;
