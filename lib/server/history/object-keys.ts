import type { Key } from '../../model/value.js';

const plainKeyPattern = /^[A-Za-z0-9._~-]+$/;

/**
 * What an object of a realm is called where its state is kept: `<type>/<n or s><key>`. Keys of a storage are ASCII, so
 * what is not is escaped as in URLs.
 */
export const objectTextOf = (type: string, key: Key): string =>
  typeof key === 'number' ? `${type}/n${key}` : `${type}/s${plainKeyPattern.test(key) ? key : encodeURIComponent(key)}`;

/** The type and key that such a text stands for; `null`: it is none. */
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
