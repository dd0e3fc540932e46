import { concatMap, EMPTY, expand, map, mergeMap, of, type Observable } from 'rxjs';
import type { RejectedWrite } from '../../model/changeset.js';
import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { StorageError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';
import { isCount, type Version } from '../../model/version.js';
import { keyRangeOf, type Storage, type StorageChange, type StorageEntry } from '../../storage/storage.js';
import type { RejectionDetails } from '../uploads/incoming-changeset.js';

/*
 * How what a realm keeps besides its log is written: one MessagePack value a key. Everything here throws a `StorageError` for
 * bytes that are none of ours.
 */

/** How far the states of a realm's objects are. */
export interface ProjectionCursor {
  /** They are what the history up to here makes of them. */
  readonly version: Version;
  /** Bytes of the history up to there. */
  readonly total: number;
  /** How many objects there are, those that are known to be deleted included. */
  readonly objects: number;
  /** Bytes of all of them, by `rowBytesOf`. */
  readonly bytes: number;
}

/** Until when a replica has been seen, and with what. */
export interface ReplicaCursor {
  /** The server version up to which it had everything. */
  readonly downloadedTo: Version;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly seenAt: number;
}

export const decodeStoredValue = (what: string, bytes: Uint8Array): unknown => {
  const value = decodeValue(bytes);
  if (isLeft(value)) throw new StorageError(`${what} is torn: ${value.left}`);
  return value.right;
};

/** The value of a key, `undefined` where there is none. Emits once and completes. */
export const readValue = (storage: Storage, key: string): Observable<unknown> =>
  storage
    .range(keyRangeOf(key))
    .pipe(map(([entry]) => (entry === undefined ? undefined : decodeStoredValue(`the value of ${key}`, entry[1]))));

/** The first key behind all that start with a prefix, which ends with a slash. */
export const endOf = (prefix: string): string => `${prefix.slice(0, -1)}0`;

/**
 * All entries whose keys start with a prefix, page by page; after a key of theirs, when one is given. Completes behind
 * the last.
 */
export const readPagesUnder = (
  storage: Storage,
  prefix: string,
  { after, to = endOf(prefix) }: { readonly after?: string | null; readonly to?: string } = {},
): Observable<readonly StorageEntry[]> => {
  const pageFrom = (from: string): Observable<readonly StorageEntry[]> =>
    storage.range({ from, to, limit: limits.pageChangesetsMax, bytesMax: limits.pageBytesMax });
  return pageFrom(after === undefined || after === null ? prefix : `${after} `).pipe(
    expand((page) => {
      const last = page.at(-1);
      return last === undefined ? EMPTY : pageFrom(`${last[0]} `);
    }),
    concatMap((page) => (page.length > 0 ? of(page) : EMPTY)),
  );
};

/**
 * The latest stamp of a history is kept in steps of so many milliseconds, never too early: it is written once in a
 * step.
 */
export const latestStepMs = 60 * 60 * 1000;

export const encodeLatest = (time: number): Uint8Array => encodeValue(time);

export const checkLatest = (value: unknown): number => {
  if (typeof value === 'number') return value;
  throw new StorageError('the latest stamp of a history is torn');
};

export const decodeLatest = (bytes: Uint8Array): number =>
  checkLatest(decodeStoredValue('the latest stamp of a history', bytes));

export const partsOf = (what: string, value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw new StorageError(`${what} is torn`);
};

export const encodeCursor = ({ version, total, objects, bytes }: ProjectionCursor): Uint8Array =>
  encodeValue([version, total, objects, bytes]);

export const decodeCursor = (value: unknown): ProjectionCursor => {
  const [version, total, objects, bytes] = partsOf('the cursor of the objects', value);
  if (isCount(version) && isCount(total) && isCount(objects) && isCount(bytes))
    return { version, total, objects, bytes };
  throw new StorageError('the cursor of the objects is torn');
};

export const encodeReplicaCursor = ({ downloadedTo, seenAt }: ReplicaCursor): Uint8Array =>
  encodeValue([downloadedTo, seenAt]);

export const decodeReplicaCursor = (bytes: Uint8Array): ReplicaCursor => {
  const [seen, at] = partsOf('what a replica has seen', decodeStoredValue('what a replica has seen', bytes));
  if (isCount(seen) && typeof at === 'number') return { downloadedTo: seen, seenAt: at };
  throw new StorageError('what a replica has seen is torn');
};

export const encodeRejection = ({ code, writes }: RejectionDetails): Uint8Array =>
  encodeValue([code, writes.map(({ type, key, reason }) => [type, key, reason])]);

const decodeWrites = (value: unknown): readonly RejectedWrite[] =>
  partsOf('a refusal', value).map((row): RejectedWrite => {
    const [type, key, reason] = partsOf('a refusal', row);
    const isKey = typeof key === 'string' || typeof key === 'number';
    if (typeof type === 'string' && isKey && typeof reason === 'string') return { type, key, reason };
    throw new StorageError('a refusal is torn');
  });

export const decodeRejection = (bytes: Uint8Array): RejectionDetails => {
  const [code, writes] = partsOf('a refusal', decodeStoredValue('a refusal', bytes));
  if (typeof code !== 'string') throw new StorageError('a refusal is torn');
  return { code, writes: decodeWrites(writes) };
};

/** Deletes all entries whose keys start with a prefix. Completes when done; not yet durable. */
export const deleteUnder = (storage: Storage, prefix: string): Observable<never> =>
  readPagesUnder(storage, prefix).pipe(
    mergeMap(
      (page) =>
        storage.batch(
          page.map(([key]): StorageChange => ({ type: 'del', key })),
          { durable: false },
        ),
      1,
    ),
  );
