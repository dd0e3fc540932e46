import { fromBytes, toBytes } from '../model/bytes.js';
import { isLeft } from '../model/result.js';
import type { StorageChange } from '../storage/storage.js';
import { ownerKey } from './keys.js';

/** Whose copy of a realm a storage holds. Each is `null` as long as it is not known. */
export interface Owner {
  /** The realm's name on the server; `null` for a realm that has only been local. */
  readonly realm: string | null;
  /** A hash of the user who opened or synced it. */
  readonly user: string | null;
}

export const nobody: Owner = { realm: null, user: null };

export const ownerPut = ({ realm, user }: Owner): StorageChange => ({
  type: 'put',
  key: ownerKey,
  value: toBytes([realm, user]),
});

const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string';

/** `null` for bytes that are none. */
export const ownerFrom = (bytes: Uint8Array): Owner | null => {
  const read = fromBytes(bytes);
  const [realm, user] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as unknown[]);
  return isTextOrNull(realm) && isTextOrNull(user) ? { realm, user } : null;
};

/**
 * A hash of a user, of 106 bits (two of cyrb53, with seeds): it tells users apart, and is not their id. Not a secret: who guesses the id can
 * check the guess.
 */
export const userHash = (realm: string, user: string): string => {
  const text = `${realm}\n${user}`;
  return [1, 2].map((seed) => hash53(text, seed).toString(36)).join('-');
};

const hash53 = (text: string, seed: number): number => {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
};
