import { isBytes } from '../model/built-ins.js';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { StorageChange } from './storage.js';

const keyPattern = new RegExp(`^[\\x20-\\x7e]{1,${limits.storageKeyCharsMax}}$`);

/** A batch as it came, or a `StorageError` thrown before anything of it was done. */
export const checkChanges = (changes: readonly StorageChange[]): readonly StorageChange[] => {
  for (const change of changes) {
    if (!keyPattern.test(change.key)) {
      throw new StorageError(
        `a key is 1 to ${limits.storageKeyCharsMax} characters of printable ASCII, received ${change.key.length} characters: ${JSON.stringify(change.key.slice(0, 60))}`,
      );
    }
    if (change.type === 'put' && !isBytes(change.value)) {
      throw new StorageError(`the value of ${change.key} is no Uint8Array`);
    }
  }
  return changes;
};

/** What everything after `close` errors with. */
export const createClosedError = (): StorageError => new StorageError('the storage is closed');
