import { isBytes } from '../model/built-ins.js';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { StorageChange } from './storage.js';

const keyPattern = new RegExp(`^[\\x20-\\x7e]{1,${limits.storageKeyCharsMax}}$`);

/** Returns a valid batch. Throws a `StorageError` before any change is applied. */
export const checkChanges = (changes: readonly StorageChange[]): readonly StorageChange[] => {
  for (const change of changes) {
    if (!keyPattern.test(change.key)) {
      throw new StorageError(
        `A key must be 1 to ${limits.storageKeyCharsMax} characters of printable ASCII, received ${change.key.length} characters: ${JSON.stringify(change.key.slice(0, 60))}.`,
      );
    }
    if (change.type === 'put' && !isBytes(change.value)) {
      throw new StorageError(`The value of ${change.key} must be a Uint8Array.`);
    }
  }
  return changes;
};

/** The error of every call after `close`. */
export const createClosedError = (): StorageError => new StorageError('The storage is closed.');
