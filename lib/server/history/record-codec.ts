import { mergeMap, type Observable, takeWhile } from 'rxjs';
import { encodeValue } from '../../model/msgpack.js';
import { limits } from '../../model/limits.js';
import {
  createDamageError,
  decodeStoredFields,
  decodeStoredValue,
  storedFieldsOf,
  storedWritesOf,
} from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';
import {
  readRecord,
  readStoragePages,
  type Storage,
  type StorageChange,
  type StorageEntry,
} from '../../storage/storage.js';
import type { RejectionDetails } from '../uploads/incoming-changeset.js';

/*
 * Encodes the records that a realm stores besides its log: one MessagePack value per key. All functions throw a
 * `StorageError` for corrupt bytes.
 */

/** The version of a realm's stored objects. */
export interface ProjectionCursor {
  /** The version of the history that the objects correspond to. */
  readonly version: Version;
  /** Bytes of the history up to that version. */
  readonly total: number;
  /** Number of objects, including deleted ones with a tombstone. */
  readonly objects: number;
  /** Bytes of all objects, by `rowBytesOf`. */
  readonly bytes: number;
}

/** The progress of a replica, and when it was last bound. */
export interface ReplicaCursor {
  /** The server version up to which the replica had everything. */
  readonly downloadedTo: Version;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly confirmedAt: number;
}

/** Emits the value of a key, or `undefined`, once and completes. */
export const readValue = (storage: Storage, key: string): Observable<unknown> =>
  readRecord(storage, key, decodeStoredValue, undefined);

/** Returns the first key after all keys with a prefix. The prefix must end with a slash. */
export const endOf = (prefix: string): string => `${prefix.slice(0, -1)}0`;

/**
 * Emits all entries whose keys start with a prefix, page by page, optionally after one of these keys. Completes after
 * the last.
 */
export const readPagesUnder = (
  storage: Storage,
  prefix: string,
  { after, to = endOf(prefix) }: { readonly after?: string | null; readonly to?: string } = {},
): Observable<readonly StorageEntry[]> => {
  const from = after === undefined || after === null ? prefix : `${after} `;
  const { pageChangesetsMax: limit, pageBytesMax: bytesMax } = limits;
  return readStoragePages(storage, { from, to, limit, bytesMax }).pipe(takeWhile((page) => page.length > 0));
};

/** Milliseconds of a step of the latest stamp, which is rounded up to a step and so written once per step. */
export const latestStepMs = 60 * 60 * 1000;

export const encodeLatest = (time: number): Uint8Array => encodeValue(time);

export const checkStoredTime = (key: string, value: unknown): number => {
  if (typeof value === 'number') return value;
  throw createDamageError('record', key);
};

export const decodeLatest = (key: string, bytes: Uint8Array): number =>
  checkStoredTime(key, decodeStoredValue(key, bytes));

/** `isIndexKept`: the index has every change up to the cursor. Servers that do not know the index leave that out. */
export const encodeCursor = ({ version, total, objects, bytes }: ProjectionCursor, isIndexKept: boolean): Uint8Array =>
  encodeValue([version, total, objects, bytes, ...(isIndexKept ? [true] : [])]);

/** Whether the stored cursor says that the index has every change up to it. */
export const isIndexKeptTo = (key: string, value: unknown): boolean => storedFieldsOf(key, value)[4] === true;

export const decodeCursor = (key: string, value: unknown): ProjectionCursor => {
  const [version, total, objects, bytes] = storedFieldsOf(key, value);
  if (isCount(version) && isCount(total) && isCount(objects) && isCount(bytes))
    return { version, total, objects, bytes };
  throw createDamageError('record', key);
};

export const encodeReplicaCursor = ({ downloadedTo, confirmedAt }: ReplicaCursor): Uint8Array =>
  encodeValue([downloadedTo, confirmedAt]);

export const decodeReplicaCursor = (key: string, bytes: Uint8Array): ReplicaCursor => {
  const [downloadedTo, confirmedAt] = decodeStoredFields(key, bytes);
  if (isCount(downloadedTo) && typeof confirmedAt === 'number') return { downloadedTo, confirmedAt };
  throw createDamageError('record', key);
};

export const encodeRejection = ({ code, writes }: RejectionDetails): Uint8Array =>
  encodeValue([code, writes.map(({ type, key, reason }) => [type, key, reason])]);

export const decodeRejection = (key: string, bytes: Uint8Array): RejectionDetails => {
  const [code, writes] = decodeStoredFields(key, bytes);
  if (typeof code !== 'string') throw createDamageError('record', key);
  return { code, writes: storedWritesOf(key, writes) };
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
