import { encodeValue } from '../../model/msgpack.js';
import { createDamageError, decodeStoredFields } from '../../model/stored-data.js';
import type { StorageChange } from '../../storage/storage.js';
import { hashText } from './text-hash.js';
import { ownerKey } from '../storage-keys.js';

/** Owner of the copy of a realm in a storage. Each field is `null` until it is known. */
export interface Owner {
  /** The realm's name on the server; `null` for a realm that has only been local. */
  readonly realm: string | null;
  /** A hash of the id of the user who opened or synced the realm. */
  readonly user: string | null;
}

export const noOwner: Owner = { realm: null, user: null };

export const toOwnerPut = ({ realm, user }: Owner): StorageChange => ({
  type: 'put',
  key: ownerKey,
  value: encodeValue([realm, user]),
});

const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string';

/** Decodes the owner record. Throws a `StorageError` for other bytes. */
export const decodeOwner = (key: string, bytes: Uint8Array): Owner => {
  const [realm, user] = decodeStoredFields(key, bytes);
  if (isTextOrNull(realm) && isTextOrNull(user)) return { realm, user };
  throw createDamageError('record', key);
};

/**
 * Hashes a user's id, to distinguish users without storing the id. The hash is not secret: a guessed id can be checked
 * against it.
 */
export const hashUser = (realm: string, user: string): string => hashText(`${realm}\n${user}`);
