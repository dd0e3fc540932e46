import { levelStorage } from './level.js';
import type { OpenStorage } from './storage.js';

/** What the name of a storage stands for in Node: a folder. `browser.ts` is the other; `imports` in package.json chooses. */
export const namedStorage = (name: string): OpenStorage => levelStorage(name);
