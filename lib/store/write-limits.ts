import { EMPTY, map, type Observable } from 'rxjs';
import { encodeOperations } from '../merge/body.js';
import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { partIn, type Part } from '../merge/part.js';
import { encodeState } from '../merge/state.js';
import { fromBytes, toBytes, valuesInBytes } from '../model/bytes.js';
import type { WriteLimits } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { limits as known } from '../model/limits.js';
import { isLeft } from '../model/result.js';
import type { Key } from '../model/value.js';
import { isVersion } from '../model/version.js';
import { WriteLimitError } from '../model/write-limit-error.js';
import { rangeAt, type Storage, type StorageChange } from '../storage/storage.js';
import type { Desk } from './desk.js';
import { limitsKey } from './keys.js';
import type { Touched } from './objects.js';

const names = ['changesetBytesMax', 'operationsMax', 'valuesMax', 'elementsMax', 'objectBytesMax'] as const;

const limitsFrom = (given: readonly unknown[]): WriteLimits => {
  const read = names.map((name, at) => {
    const value = given[at];
    return [name, isVersion(value) ? Math.min(value, known[name]) : known[name]] as const;
  });
  return Object.fromEntries(read) as unknown as WriteLimits;
};

/** What is assumed before a server has said what it takes. */
const usualLimits: WriteLimits = limitsFrom([]);

export const limitsPut = (limits: WriteLimits): StorageChange => ({
  type: 'put',
  key: limitsKey,
  value: toBytes(names.map((name) => limits[name])),
});

/** What the server of this realm last said that it takes. Emits once and completes. */
export const storedLimits = (storage: Storage): Observable<WriteLimits> =>
  storage.range(rangeAt(limitsKey)).pipe(
    map(([found]) => {
      if (!found) return usualLimits;
      const read = fromBytes(found[1]);
      if (isLeft(read) || !Array.isArray(read.right))
        throw new StorageError('The limits of this realm cannot be read.');
      return limitsFrom(read.right as readonly unknown[]);
    }),
  );

interface Site {
  readonly type: string;
  readonly key: Key;
  readonly property?: string;
}

/** Throws a `WriteLimitError` when there is more than a limit allows. */
const atMost = (limits: WriteLimits, limit: keyof WriteLimits, received: number, site?: Site): void => {
  if (received > limits[limit]) throw new WriteLimitError(limit, limits[limit], received, site);
};

const elementsIn = ({ list, entries }: Part, most: number): number => {
  if (entries.size <= most) return list.elements.length;
  let present = 0;
  for (const { gone } of entries.values()) if (!gone) present += 1;
  return Math.max(list.elements.length, present);
};

/** Throws a `WriteLimitError` for an object that is larger than the server takes, or a collection with more elements, when the write made it larger. */
export const checkObject = (
  limits: WriteLimits,
  before: ObjectState | undefined,
  { type, key, state }: Touched,
  bytes: number,
): void => {
  for (const property of Object.keys(state.parts ?? {})) {
    const most = limits.elementsMax;
    const count = elementsIn(partIn(state.parts, property), most);
    if (count > most && count > elementsIn(partIn(before?.parts ?? null, property), most))
      atMost(limits, 'elementsMax', count, { type, key, property });
  }
  if (bytes > limits.objectBytesMax && (before === undefined || bytes > encodeState(before).byteLength))
    atMost(limits, 'objectBytesMax', bytes, { type, key });
};

/** The body of a write. Throws a `WriteLimitError` for one that the server would not take. */
export const bodyWithin = (limits: WriteLimits, operations: readonly Operation[]): Uint8Array => {
  atMost(limits, 'operationsMax', operations.length);
  const body = encodeOperations(operations);
  atMost(limits, 'changesetBytesMax', body.byteLength);
  // Each value takes a byte at least.
  if (body.byteLength > limits.valuesMax) atMost(limits, 'valuesMax', valuesInBytes(body));
  return body;
};

/** Checks each write by what a server takes, from now on, and stores that. What it takes more than this library can send counts for nothing. */
export const limit = ({ writeLimits, added }: Desk, given: WriteLimits): Observable<never> => {
  const next = limitsFrom(names.map((name) => given[name]));
  if (names.every((name) => writeLimits.now[name] === next[name])) return EMPTY;
  return added({
    changes: [limitsPut(next)],
    meta: {},
    durable: true,
    stored: () => (writeLimits.now = next),
  });
};
