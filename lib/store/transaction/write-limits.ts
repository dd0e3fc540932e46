import { countLiveEntries } from '../../merge/lww-map.js';
import { EMPTY, type Observable } from 'rxjs';
import { encodeOperations } from '../../merge/operation-codec.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { collectionStateOf, type CollectionState } from '../../merge/collection-state.js';
import { encodeState } from '../../merge/state-codec.js';
import { encodeValue, countEncodedValues } from '../../model/msgpack.js';
import type { WriteLimits } from '../../model/changeset.js';
import { limits as ownLimits } from '../../model/limits.js';
import { createDamageError, decodeStoredFields } from '../../model/stored-data.js';
import type { Key } from '../../model/value.js';
import { isCount } from '../../model/version.js';
import { WriteLimitError } from '../../model/write-limit-error.js';
import { readRecord, type Storage, type StorageChange } from '../../storage/storage.js';
import type { CommitContext } from '../commit/commit-context.js';
import { limitsKey } from '../storage-keys.js';
import type { ObjectWithState } from '../objects/object-change.js';

const limitNames = ['changesetBytesMax', 'operationsMax', 'valuesMax', 'elementsMax', 'objectBytesMax'] as const;

const toWriteLimits = (given: readonly unknown[]): WriteLimits => {
  const read = limitNames.map((name, at) => {
    const value = given[at];
    return [name, isCount(value) ? Math.min(value, ownLimits[name]) : ownLimits[name]] as const;
  });
  return Object.fromEntries(read) as unknown as WriteLimits;
};

/** Limits that apply until a server has reported its own. */
export const defaultLimits: WriteLimits = toWriteLimits([]);

export const toLimitsPut = (limits: WriteLimits): StorageChange => ({
  type: 'put',
  key: limitsKey,
  value: encodeValue(limitNames.map((name) => limits[name])),
});

/** Decodes stored limits. Throws a `StorageError` for other bytes. An older version may have stored fewer limits. */
export const decodeLimits = (key: string, bytes: Uint8Array): WriteLimits => {
  const fields = decodeStoredFields(key, bytes);
  if (fields.every(isCount)) return toWriteLimits(fields);
  throw createDamageError('record', key);
};

/** Reads the limits that the server of this realm last reported. Emits once and completes. */
export const readWriteLimits = (storage: Storage): Observable<WriteLimits> =>
  readRecord(storage, limitsKey, decodeLimits, defaultLimits);

interface LimitTarget {
  readonly type: string;
  readonly key: Key;
  readonly property?: string;
}

/** Throws a `WriteLimitError` when a value exceeds a limit. */
const checkLimit = (limits: WriteLimits, limit: keyof WriteLimits, received: number, target?: LimitTarget): void => {
  if (received > limits[limit]) throw new WriteLimitError(limit, limits[limit], received, target);
};

const elementCountOf = ({ list, entries }: CollectionState, max: number): number => {
  if (entries.size <= max) return list.elements.length;
  return Math.max(list.elements.length, countLiveEntries(entries));
};

/**
 * Throws a `WriteLimitError` for an object or a collection that exceeds the limits of the server, if this write has
 * made it larger.
 */
export const checkObject = (
  limits: WriteLimits,
  before: ObjectState | undefined,
  { type, key, state }: ObjectWithState,
  bytes: number,
): void => {
  for (const property of Object.keys(state.collections ?? {})) {
    const max = limits.elementsMax;
    const count = elementCountOf(collectionStateOf(state.collections, property), max);
    if (count > max && count > elementCountOf(collectionStateOf(before?.collections ?? null, property), max))
      checkLimit(limits, 'elementsMax', count, { type, key, property });
  }
  if (bytes > limits.objectBytesMax && (before === undefined || bytes > encodeState(before).byteLength))
    checkLimit(limits, 'objectBytesMax', bytes, { type, key });
};

/** Encodes the body of a write. Throws a `WriteLimitError` for a body that exceeds the limits of the server. */
export const encodeBody = (limits: WriteLimits, operations: readonly Operation[]): Uint8Array => {
  checkLimit(limits, 'operationsMax', operations.length);
  const body = encodeOperations(operations);
  checkLimit(limits, 'changesetBytesMax', body.byteLength);
  // Each value takes at least one byte.
  if (body.byteLength > limits.valuesMax) checkLimit(limits, 'valuesMax', countEncodedValues(body));
  return body;
};

/**
 * Stores the limits of a server and applies them to all later writes. Limits above those of this library are lowered to
 * them.
 */
export const setWriteLimits = ({ writeLimits, commit }: CommitContext, given: WriteLimits): Observable<never> => {
  const next = toWriteLimits(limitNames.map((name) => given[name]));
  if (limitNames.every((name) => writeLimits.now[name] === next[name])) return EMPTY;
  return commit({
    changes: [toLimitsPut(next)],
    metadata: {},
    durable: true,
    stored: () => (writeLimits.now = next),
  });
};
