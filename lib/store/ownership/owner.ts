import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { isLeft } from '../../model/result.js';
import type { StorageChange } from '../../storage/storage.js';
import { hashText } from './sha-256.js';
import { ownerKey } from '../storage-keys.js';

/** Whose copy of a realm a storage holds. Each is `null` as long as it is not known. */
export interface Owner {
  /** The realm's name on the server; `null` for a realm that has only been local. */
  readonly realm: string | null;
  /** A hash of the user who opened or synced it. */
  readonly user: string | null;
}

export const noOwner: Owner = { realm: null, user: null };

export const toOwnerPut = ({ realm, user }: Owner): StorageChange => ({
  type: 'put',
  key: ownerKey,
  value: encodeValue([realm, user]),
});

const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string';

/** `null` for bytes that are none. */
export const decodeOwner = (bytes: Uint8Array): Owner | null => {
  const read = decodeValue(bytes);
  const [realm, user] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as unknown[]);
  return isTextOrNull(realm) && isTextOrNull(user) ? { realm, user } : null;
};

/**
 * A hash of a user: it tells users apart, and is not their id. Not a secret: who guesses the id can check the guess.
 */
export const hashUser = (realm: string, user: string): string => hashText(`${realm}\n${user}`);
