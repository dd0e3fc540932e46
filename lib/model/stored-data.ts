import type { RejectedWrite } from './changeset.js';
import { StorageError } from './errors.js';
import { decodeValue } from './msgpack.js';
import { isLeft, type Either } from './result.js';

/*
 * Decodes bytes that this library stored itself. All functions throw a `StorageError` for other bytes. Decoders of
 * bytes from another party return an `Either` instead; `requireStored` is for codecs that serve both.
 */

/**
 * Creates the error for stored data that cannot be read.
 *
 * @param kind - The kind of data, such as `record` or an object type.
 * @param id - The storage key, primary key or version of the data.
 * @param reason - The fault of the data.
 */
export const createDamageError = (kind: string, id: string | number, reason = 'its form is invalid'): StorageError =>
  new StorageError(
    `The storage is damaged: ${kind} ${String(id).slice(0, 80)} cannot be read (${reason}). It was left as it is. Restore a backup, or use another storage.`,
  );

/**
 * Returns the value that a codec decoded from stored bytes. `kind` and `id` are separate, so that their text is made
 * only for the error.
 *
 * @throws StorageError when the codec returned a reason instead.
 */
export const requireStored = <A>(decoded: Either<string, A>, kind: string, id: string | number): A => {
  if (isLeft(decoded)) throw createDamageError(kind, id, decoded.left);
  return decoded.right;
};

/** Decodes the value of a storage key. Throws a `StorageError` for bytes that are not MessagePack. */
export const decodeStoredValue = (key: string, bytes: Uint8Array): unknown =>
  requireStored(decodeValue(bytes), 'record', key);

/** Returns the fields of the decoded value of a storage key. Throws a `StorageError` for a value without fields. */
export const storedFieldsOf = (key: string, value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw createDamageError('record', key);
};

/** Decodes the fields of the value of a storage key. Throws a `StorageError` for other bytes. */
export const decodeStoredFields = (key: string, bytes: Uint8Array): readonly unknown[] =>
  storedFieldsOf(key, decodeStoredValue(key, bytes));

/** Returns the rejected objects in a record: `[type, key, reason]` each. Throws a `StorageError` for other rows. */
export const storedWritesOf = (key: string, value: unknown): readonly RejectedWrite[] =>
  storedFieldsOf(key, value).map((row): RejectedWrite => {
    const [type, objectKey, reason] = storedFieldsOf(key, row);
    const isKey = typeof objectKey === 'string' || typeof objectKey === 'number';
    if (typeof type === 'string' && isKey && typeof reason === 'string') return { type, key: objectKey, reason };
    throw createDamageError('record', key);
  });
