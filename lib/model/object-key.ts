import type { ObjectName } from './changeset.js';
import { createDamageError } from './stored-data.js';
import type { Key } from './value.js';

const plainKeyPattern = /^[A-Za-z0-9._~-]+$/;

/**
 * Returns the text of an object in storage keys: `<type>/<n or s><key>`. Storage keys are ASCII, so other characters
 * are escaped as in URLs.
 */
export const objectTextOf = (type: string, key: Key): string =>
  typeof key === 'number' ? `${type}/n${key}` : `${type}/s${plainKeyPattern.test(key) ? key : encodeURIComponent(key)}`;

/**
 * Returns the type and key of such a text, which is the end of the storage key `storageKey`.
 *
 * @throws StorageError, which names the storage key, for any other text.
 */
export const parseObjectText = (text: string, storageKey = text): ObjectName => {
  const [, type = '', kind, rest = ''] = /^([A-Za-z]\w*)\/([ns])([^/]+)$/.exec(text) ?? [];
  try {
    if (kind === 'n' && /^-?\d{1,16}$/.test(rest)) return { type, key: Number(rest) };
    if (kind === 's') return { type, key: rest.includes('%') ? decodeURIComponent(rest) : rest };
  } catch {
    // An incomplete escape: the error below reports it.
  }
  throw createDamageError('key', storageKey);
};
