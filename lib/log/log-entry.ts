import { map, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageEntry } from '../storage/storage.js';
import type { LogKeys } from './log-keys.js';
import type { LogPage } from './log.js';
import { pageOf, type Versioned } from './log-page.js';

/** How a log lies on its storage. */
export interface StoredLog<Entry> {
  readonly storage: Storage;
  readonly keys: LogKeys;
  /** May throw whatever it likes for bytes that are no entry. */
  readonly decode: (bytes: Uint8Array) => Entry;
  readonly sizeOf: (entry: Entry) => number;
}

/** Reads an entry that has to be of a version. Throws a `StorageError` for one that is not. */
export const decodeEntry = <Entry extends Versioned>(
  { keys, decode }: Pick<StoredLog<Entry>, 'keys' | 'decode'>,
  version: Version,
  [key, bytes]: StorageEntry,
): Entry => {
  if (key !== keys.entry(version)) throw new StorageError(`entry ${version} of a log is missing`);
  let entry: Entry;
  try {
    entry = decode(bytes);
  } catch (cause) {
    throw new StorageError(`entry ${version} of a log is torn`, { cause });
  }
  if (entry.version === version) return entry;
  throw new StorageError(`entry ${version} of a log is torn: it calls itself ${entry.version}`);
};

/**
 * The page after a version, not past `head`, from the storage. It may end a little earlier than the same page from
 * memory: an entry's bytes are not exactly what `sizeOf` says. Cold; emits once, completes; errors with a
 * `StorageError`, also when nothing is where an entry has to be.
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
        if (found.length === 0) throw new StorageError(`entry ${after + 1} of a log is missing`);
        const entries = found.map((entry, index) => decodeEntry(stored, after + 1 + index, entry));
        return pageOf(after, entries, 0, stored.sizeOf);
      }),
    );
