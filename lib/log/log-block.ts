import { map, of, switchMap, type Observable } from 'rxjs';
import { limits } from '../model/limits.js';
import { createDamageError } from '../model/stored-data.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageEntry } from '../storage/storage.js';
import { createMissingError } from './log-entry.js';
import type { LogKeys } from './log-keys.js';
import { type BlockBounds, pageOf, type Versioned } from './log-page.js';
import type { LogPage } from './log.js';

/*
 * Blocks: consecutive entries of a log in one record, under the key of the first one. A block is at most a page, so
 * that a page is one read and one decoding.
 */

/** Encodes and decodes the entries of a block. */
export interface BlockForm<Entry extends Versioned> {
  readonly encode: (entries: readonly Entry[]) => Uint8Array;
  /** Decodes the entries under a storage key: at least one. Throws a `StorageError` for invalid bytes. */
  readonly decode: (key: string, bytes: Uint8Array) => readonly Entry[];
  /** Returns the version of the last entry, without decoding the others. Throws a `StorageError` for invalid bytes. */
  readonly lastVersionOf: (key: string, bytes: Uint8Array) => Version;
  /** Returns the bytes that an entry counts for in pages and in memory. Always the same for the same entry. */
  readonly sizeOf: (entry: Entry) => number;
}

/** The storage of a log of blocks. */
export interface StoredBlocks<Entry extends Versioned> extends BlockForm<Entry> {
  readonly storage: Pick<Storage, 'range'>;
  readonly keys: LogKeys;
}

/** Divides consecutive entries into blocks, each of which is a page. */
export const blocksOf = <Entry extends Versioned>(
  entries: readonly Entry[],
  sizeOf: (entry: Entry) => number,
): readonly (readonly [Entry, ...Entry[]])[] => {
  const blocks: [Entry, ...Entry[]][] = [];
  for (let at = 0; at < entries.length;) {
    const { entries: block } = pageOf(0, entries, at, sizeOf);
    blocks.push(block as [Entry, ...Entry[]]); // A page has at least one entry.
    at += block.length;
  }
  return blocks;
};

/**
 * Decodes a block and checks its versions.
 *
 * @throws StorageError for invalid bytes.
 */
const decodeBlock = <Entry extends Versioned>(
  { keys, decode }: Pick<StoredBlocks<Entry>, 'keys' | 'decode'>,
  [key, bytes]: StorageEntry,
): readonly Entry[] => {
  const entries = decode(key, bytes);
  const first = keys.versionOf(key);
  for (let at = 0; at < entries.length; at += 1)
    if (entries[at]?.version !== first + at)
      throw createDamageError('record', key, `version ${first + at} of its entries is ${entries[at]?.version}`);
  return entries;
};

/** Reads the last block that begins between two versions. Cold. Emits the record or `undefined` once and completes. */
const readLastRecord = <Entry extends Versioned>(
  { storage, keys }: Pick<StoredBlocks<Entry>, 'storage' | 'keys'>,
  first: Version,
  last: Version,
): Observable<StorageEntry | undefined> =>
  storage
    .range({
      from: keys.entry(Math.max(1, first)),
      to: keys.entry(last + 1),
      reverse: true,
      limit: 1,
      bytesMax: Infinity,
    })
    .pipe(map(([record]) => record));

const boundsOf = <Entry extends Versioned>(
  { keys, lastVersionOf }: Pick<StoredBlocks<Entry>, 'keys' | 'lastVersionOf'>,
  [key, bytes]: StorageEntry,
): BlockBounds => ({ first: keys.versionOf(key), last: lastVersionOf(key, bytes) });

/** Reads which block contains a version. Cold. Emits it or `null` once and completes; errors with a `StorageError`. */
export const readBlockBounds = <Entry extends Versioned>(
  stored: StoredBlocks<Entry>,
  version: Version,
): Observable<BlockBounds | null> =>
  readLastRecord(stored, version + 1 - limits.pageChangesetsMax, version).pipe(
    map((record) => {
      const bounds = record === undefined ? null : boundsOf(stored, record);
      return bounds === null || bounds.last < version ? null : bounds;
    }),
  );

/** Reads the version of the last entry; `floor` for an empty log. Cold. Emits once and completes. */
export const readLastVersion = <Entry extends Versioned>(
  stored: StoredBlocks<Entry>,
  floor: Version,
): Observable<Version> =>
  stored.storage
    .range({ from: stored.keys.entry(1), to: stored.keys.end, reverse: true, limit: 1, bytesMax: Infinity })
    .pipe(map(([record]) => (record === undefined ? floor : Math.max(floor, boundsOf(stored, record).last))));

/** Returns the entries after a version of a block that begins before it. */
const restOf = <Entry extends Versioned>(
  stored: StoredBlocks<Entry>,
  after: Version,
  record: StorageEntry | undefined,
): readonly Entry[] => {
  const entries = record === undefined ? [] : decodeBlock(stored, record);
  const rest = entries.filter(({ version }) => version > after);
  if (rest.length === 0) throw createMissingError(stored.keys, after + 1);
  return rest;
};

/** Returns the entries of consecutive blocks after a version, as many blocks as fit a page. */
const joinBlocks = <Entry extends Versioned>(
  stored: StoredBlocks<Entry>,
  after: Version,
  records: readonly StorageEntry[],
): readonly Entry[] => {
  const joined: Entry[] = [];
  let bytes = 0;
  for (const record of records) {
    const next = after + 1 + joined.length;
    if (record[0] !== stored.keys.entry(next)) throw createMissingError(stored.keys, next);
    const entries = decodeBlock(stored, record);
    bytes += entries.reduce((sum, entry) => sum + stored.sizeOf(entry), 0);
    const isTooMuch = bytes > limits.pageBytesMax || joined.length + entries.length > limits.pageChangesetsMax;
    if (joined.length > 0 && isTooMuch) break;
    joined.push(...entries);
  }
  return joined;
};

/**
 * Reads the page after a version, up to `head`. Such a page may end earlier than the same page from memory, because it
 * has whole blocks. Cold. Emits once and completes; errors with a `StorageError`, also for a missing entry.
 */
export const readBlockPage = <Entry extends Versioned>(
  stored: StoredBlocks<Entry>,
  after: Version,
  head: Version,
): Observable<LogPage<Entry>> => {
  const { storage, keys, sizeOf } = stored;
  return storage
    .range({
      from: keys.entry(after + 1),
      to: keys.entry(head + 1),
      limit: limits.pageChangesetsMax,
      bytesMax: limits.pageBytesMax,
    })
    .pipe(
      switchMap((records) =>
        records[0]?.[0] === keys.entry(after + 1)
          ? of(joinBlocks(stored, after, records))
          : readLastRecord(stored, after + 2 - limits.pageChangesetsMax, after).pipe(
              map((record) => restOf(stored, after, record)),
            ),
      ),
      map((entries) => pageOf(after, entries, 0, sizeOf)),
    );
};
