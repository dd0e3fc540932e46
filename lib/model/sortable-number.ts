import { createDamageError } from './stored-data.js';
import { isCount } from './version.js';

/** Number of base-36 digits that hold every whole number up to 2^53. */
export const sortableDigits = 11;

/** Returns a whole number as text for a storage key: with leading zeros, the order of texts is the order of numbers. */
export const sortableTextOf = (value: number): string => value.toString(36).padStart(sortableDigits, '0');

/**
 * Returns the number that a part of a storage key encodes.
 *
 * @throws StorageError, which names the whole key, for any other text.
 */
export const parseSortableText = (text: string, key: string): number => {
  const value = /^[0-9a-z]{11}$/.test(text) ? parseInt(text, 36) : NaN;
  if (isCount(value)) return value;
  throw createDamageError('key', key);
};
