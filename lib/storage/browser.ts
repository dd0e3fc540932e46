import { indexedDbStorage } from './indexeddb.js';
import type { OpenStorage } from './storage.js';

/** What the name of a storage stands for where there is no Node. `node.ts` is the other; `imports` in package.json chooses. */
export const namedStorage = (name: string): OpenStorage => indexedDbStorage(name);
