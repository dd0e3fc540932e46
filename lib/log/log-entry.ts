import { forkJoin, map, of, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { createDamageError } from '../model/stored-data.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageEntry } from '../storage/storage.js';
import { decodeEntryBlock, type EntryBlocks } from './entry-blocks.js';
import { blockKeyOf, blocksEndOf, type LogKeys } from './log-keys.js';
import type { LogPage } from './log.js';
import { type BlockBounds, pageOf, type Versioned } from './log-page.js';

/** The storage of a log, with the functions that read its entries. */
export interface StoredLog<Entry> {
  readonly storage: Storage;
  readonly keys: LogKeys;
  /** Decodes the entry under a storage key. Throws a `StorageError` for invalid bytes. */
  readonly decode: (key: string, bytes: Uint8Array) => Entry;
  readonly sizeOf: (entry: Entry) => number;
}

export const createTrimmedError = (after: Version, floor: Version): StorageError =>
  new StorageError(`Entry ${after + 1} of a log was trimmed: its floor is ${floor}.`);

export const createMissingError = ({ entry }: LogKeys, version: Version): StorageError =>
  createDamageError('record', entry(version), 'it is missing');

/** Decodes the entry of a version. Throws a `StorageError` for corrupt bytes, and for an entry of another version. */
const decodeEntry = <Entry extends Versioned>(
  { decode }: StoredLog<Entry>,
  key: string,
  version: Version,
  bytes: Uint8Array,
): Entry => {
  const entry = decode(key, bytes);
  if (entry.version === version) return entry;
  throw createDamageError('record', key, `its version is ${entry.version} instead of ${version}`);
};

/** Adds the entries of a block after a version to `all`, and returns which versions it has. */
export const addBlockEntries = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  after: Version,
  [key, record]: StorageEntry,
  all: Map<Version, Entry>,
): BlockBounds => {
  const encoded = decodeEntryBlock(key, record);
  const first = stored.keys.versionOf(key);
  encoded.forEach((bytes, at) => {
    if (first + at > after) all.set(first + at, decodeEntry(stored, key, first + at, bytes));
  });
  return { first, last: first + encoded.length - 1 };
};

/** Adds an entry with a record of its own to `all`. Adds its version to `replaced` when a block has it, too. */
export const addSingleEntry = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  [key, bytes]: StorageEntry,
  all: Map<Version, Entry>,
  replaced?: Set<Version>,
): void => {
  const version = stored.keys.versionOf(key);
  if (all.has(version)) replaced?.add(version);
  all.set(version, decodeEntry(stored, key, version, bytes));
};

/**
 * Reads the page after a version, up to `head`. Such a page may end earlier than the same page from memory, because the
 * storage limits encoded bytes and memory the result of `sizeOf`. Both reads begin in one event-loop turn, so that no
 * batch comes between them. Cold. Emits once and completes; errors with a `StorageError`, also for a missing entry.
 */
export const readStoredPage = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  blocks: EntryBlocks,
  after: Version,
  head: Version,
): Observable<LogPage<Entry>> => {
  const { storage, keys, sizeOf } = stored;
  const size = { limit: limits.pageChangesetsMax, bytesMax: limits.pageBytesMax };
  const first = blocks.firstFrom(after + 1);
  return forkJoin([
    first === null ? of([]) : storage.range({ from: blockKeyOf(keys, first), to: blocksEndOf(keys), ...size }),
    storage.range({ from: keys.entry(after + 1), to: keys.entry(head + 1), ...size }),
  ]).pipe(
    map(([found, singles]) => {
      const all = new Map<Version, Entry>();
      for (const record of found) addBlockEntries(stored, after, record, all);
      let bytes = 0;
      for (const single of singles) {
        addSingleEntry(stored, single, all);
        bytes += single[1].byteLength;
      }
      // Entries after a full page of single records may be replaced by records that it does not contain.
      const isFull = singles.length === size.limit || bytes >= size.bytesMax;
      const last = isFull ? keys.versionOf(singles.at(-1)?.[0] ?? '') : head;
      const entries: Entry[] = [];
      for (let next = all.get(after + 1); next && next.version <= last; next = all.get(next.version + 1))
        entries.push(next);
      if (entries.length === 0) throw createMissingError(keys, after + 1);
      return pageOf(after, entries, 0, sizeOf);
    }),
  );
};
