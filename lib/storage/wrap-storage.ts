import { EMPTY } from 'rxjs';
import type { Storage } from './storage.js';

/**
 * Returns a storage in which some members are replaced. The others are called on the storage itself, because a storage
 * of the app may be an instance of a class. `readMany` is left out: see `readManyPartOf`.
 */
export const wrapStorage = (storage: Storage, parts: Partial<Storage>): Storage => ({
  range: (range) => storage.range(range),
  batch: (changes, options) => storage.batch(changes, options),
  close: () => storage.close(),
  ...(storage.copy && { copy: (sink) => storage.copy?.(sink) ?? EMPTY }),
  ...(storage.lost$ && { lost$: storage.lost$ }),
  ...(storage.isAsynchronous === true && { isAsynchronous: true }),
  ...parts,
});
