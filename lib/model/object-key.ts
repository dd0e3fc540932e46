import type { ObjectName } from './changeset.js';
import type { Key } from './value.js';

const plainKeyPattern = /^[A-Za-z0-9._~-]+$/;

/**
 * Returns the text of an object in storage keys: `<type>/<n or s><key>`. Storage keys are ASCII, so other characters
 * are escaped as in URLs.
 */
export const objectTextOf = (type: string, key: Key): string =>
  typeof key === 'number' ? `${type}/n${key}` : `${type}/s${plainKeyPattern.test(key) ? key : encodeURIComponent(key)}`;

/** Returns the type and key of such a text; `null` for any other text. */
export const parseObjectText = (text: string): ObjectName | null => {
  const [, type = '', kind, rest = ''] = /^([A-Za-z]\w*)\/([ns])([^/]+)$/.exec(text) ?? [];
  if (kind === 'n') return /^-?\d{1,16}$/.test(rest) ? { type, key: Number(rest) } : null;
  if (kind !== 's') return null;
  try {
    return { type, key: rest.includes('%') ? decodeURIComponent(rest) : rest };
  } catch {
    return null;
  }
};
