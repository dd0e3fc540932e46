import { decodeState } from '../../merge/state-codec.js';
import { requireStored } from '../../model/stored-data.js';
import type { StorageEntry } from '../../storage/storage.js';
import { parseObjectKey } from '../storage-keys.js';
import type { ObjectWithState } from './object-change.js';

/** The value of a record of which nothing is left, although a block may have an earlier state of its object. */
export const goneMark = new Uint8Array(0);

/** Whether a record says that nothing is left of its object. */
export const isGoneMark = (bytes: Uint8Array): boolean => bytes.byteLength === 0;

/** Decodes an object in the storage of a realm. Throws a `StorageError` for an invalid key or state. */
export const decodeStoredObject = ([storageKey, bytes]: StorageEntry): ObjectWithState => {
  const { type, key } = parseObjectKey(storageKey);
  return { type, key, state: requireStored(decodeState(bytes), type, key) };
};
