import { indexedDbStorage } from '../../storage/indexeddb.js';
import type { OpenStorage } from '../../storage/storage.js';

/** Opens the IndexedDB database with this name. */
export const openFolder = (name: string): OpenStorage => indexedDbStorage(name);
