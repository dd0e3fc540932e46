import type { Key } from '../model/value.js';

/*
 * Hashes of objects, by type and primary key: 32 bits, so that maps by hash are small and fast. Two objects may have
 * the same hash, and users can choose such keys. So a hash may only decide which objects need an exact check.
 */

const prime = 0x01000193; // FNV-1a, whose steps take one byte or one UTF-16 code unit each.
const start = 0x811c9dc5 | 0;
const afterType = { string: 0x2f, number: 0x2e } as const;

const addUnit = (hash: number, unit: number): number => Math.imul(hash ^ unit, prime);

/** Adds ASCII bytes to a hash: the same as `addText` for their text. */
export const addAscii = (hash: number, bytes: Uint8Array, from: number, to: number): number => {
  let sum = hash;
  for (let at = from; at < to; at += 1) sum = addUnit(sum, bytes[at] as unknown as number);
  return sum;
};

const addText = (hash: number, text: string): number => {
  let sum = hash;
  for (let at = 0; at < text.length; at += 1) sum = addUnit(sum, text.charCodeAt(at));
  return sum;
};

/** Returns the hash of the bytes of a type's name, which must be ASCII. */
export const typeHashOf = (bytes: Uint8Array, from: number, to: number): number => addAscii(start, bytes, from, to);

/** Returns the hash of an object whose key is ASCII bytes. */
export const asciiHashOf = (typeHash: number, bytes: Uint8Array, from: number, to: number): number =>
  addAscii(addUnit(typeHash, afterType.string), bytes, from, to);

/** Returns the hash of an object by the hash of its type. */
export const keyHashOf = (typeHash: number, key: Key): number =>
  typeof key === 'string'
    ? addText(addUnit(typeHash, afterType.string), key)
    : addUnit(addUnit(addUnit(typeHash, afterType.number), key | 0), Math.floor(key / 2 ** 32) | 0);

/** Returns the hash of an object. */
export const objectHashOf = (type: string, key: Key): number => keyHashOf(addText(start, type), key);
