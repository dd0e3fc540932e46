import { decodeState } from '../../merge/state-codec.js';
import { requireStored } from '../../model/stored-data.js';
import type { StorageEntry } from '../../storage/storage.js';
import { parseObjectKey } from '../storage-keys.js';
import type { ObjectWithState } from './objects.js';

/** Decodes an object in the storage of a realm. Throws a `StorageError` for an invalid key or state. */
export const decodeStoredObject = ([storageKey, bytes]: StorageEntry): ObjectWithState => {
  const { type, key } = parseObjectKey(storageKey);
  return { type, key, state: requireStored(decodeState(bytes), type, key) };
};
