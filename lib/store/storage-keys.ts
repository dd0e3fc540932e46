import type { Key } from '../model/value.js';

/*
 * The keys of a realm's storage: `meta` (the metadata), `owner` (see `owner.ts`), `runs` (see `replica-runs.ts`),
 * `o/<type>/<s or n><key>` (objects), `u/…` (the outbox), `r/…` (rejected writes), `schema` (see
 * `schema-fingerprint.ts`), `limits`. Storage keys are ASCII, so other characters are escaped as in URLs.
 */
export const metadataKey = 'meta';
export const schemaKey = 'schema';
export const ownerKey = 'owner';
export const runsKey = 'runs';
/** The limits of the server. */
export const limitsKey = 'limits';
export const outboxPrefix = 'u/';
export const objectKeysFrom = 'o/';
/** The first key after all objects: "0" follows "/". */
export const objectKeysTo = 'o0';

const plainKeyPattern = /^[A-Za-z0-9._~-]+$/;

export const objectKeyOf = (type: string, key: Key): string =>
  typeof key === 'number'
    ? `o/${type}/n${key}`
    : `o/${type}/s${plainKeyPattern.test(key) ? key : encodeURIComponent(key)}`;

/** The type and key that a storage key encodes; `null` if it is not the key of an object. */
export const parseObjectKey = (storageKey: string): { readonly type: string; readonly key: Key } | null => {
  const [, type, text] = storageKey.split('/');
  if (type === undefined || text === undefined || text.length < 2) return null;
  const rest = text.slice(1);
  if (text.startsWith('n')) return /^-?\d{1,16}$/.test(rest) ? { type, key: Number(rest) } : null;
  if (!text.startsWith('s')) return null;
  try {
    return { type, key: rest.includes('%') ? decodeURIComponent(rest) : rest };
  } catch {
    return null;
  }
};
