import { map, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { createDamageError } from '../model/stored-data.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageEntry } from '../storage/storage.js';
import type { LogKeys } from './log-keys.js';
import type { LogPage } from './log.js';
import { pageOf, type Versioned } from './log-page.js';

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

/**
 * Decodes the entry of a version.
 *
 * @throws StorageError for a missing or corrupt entry.
 */
export const decodeEntry = <Entry extends Versioned>(
  { keys, decode }: Pick<StoredLog<Entry>, 'keys' | 'decode'>,
  version: Version,
  [key, bytes]: StorageEntry,
): Entry => {
  if (key !== keys.entry(version)) throw createMissingError(keys, version);
  const entry = decode(key, bytes);
  if (entry.version === version) return entry;
  throw createDamageError('record', key, `its version is ${entry.version}`);
};

/**
 * Reads the page after a version, up to `head`, from the storage. Such a page may end earlier than the same page from
 * memory, because the storage limits encoded bytes and memory the result of `sizeOf`. Cold. Emits once and completes;
 * errors with a `StorageError`, also for a missing entry.
 */
export const readStoredPage = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  after: Version,
  head: Version,
): Observable<LogPage<Entry>> =>
  stored.storage
    .range({
      from: stored.keys.entry(after + 1),
      to: stored.keys.entry(head + 1),
      limit: limits.pageChangesetsMax,
      bytesMax: limits.pageBytesMax,
    })
    .pipe(
      map((found) => {
        if (found.length === 0) throw createMissingError(stored.keys, after + 1);
        const entries = found.map((entry, index) => decodeEntry(stored, after + 1 + index, entry));
        return pageOf(after, entries, 0, stored.sizeOf);
      }),
    );
