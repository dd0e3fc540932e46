import type { Key } from '../../model/value.js';

const plainKeyPattern = /^[A-Za-z0-9._~-]+$/;

/**
 * Returns the storage name of an object: `<type>/<n or s><key>`. Storage keys are ASCII, so other characters are
 * escaped as in URLs.
 */
export const objectTextOf = (type: string, key: Key): string =>
  typeof key === 'number' ? `${type}/n${key}` : `${type}/s${plainKeyPattern.test(key) ? key : encodeURIComponent(key)}`;

/** Returns the type and key of an object's storage name; `null` if the name is invalid. */
export const objectOf = (text: string): { readonly type: string; readonly key: Key } | null => {
  const [, type = '', kind, rest = ''] = /^([A-Za-z]\w*)\/([ns])([^/]+)$/.exec(text) ?? [];
  if (kind === 'n') return /^-?\d{1,16}$/.test(rest) ? { type, key: Number(rest) } : null;
  if (kind !== 's') return null;
  try {
    return { type, key: decodeURIComponent(rest) };
  } catch {
    return null;
  }
};
