import { Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { createOrderedWrite, type WriteBatch } from './log-switches.js';
import { createPromiseStorage } from './promise-storage.js';
import { toStorageError, throwStorageError, fieldOf } from './storage-failure.js';
import {
  isOneKey,
  type OpenStorage,
  type Storage,
  type StorageChange,
  type StorageEntry,
  type StorageRange,
} from './storage.js';

/** Entries in one request: most pages at once, without building arrays that are then cut. */
const readEntriesMax = 1_000;
/**
 * Entries in the first request. LevelDB reserves memory for all of them, and frees it only when JavaScript collects the
 * iterator, whose size it does not know. Most ranges have few entries.
 */
const firstEntriesMax = 32;
/** Bytes in one request: a page, with room for its keys. */
const readBytesMax = 256 * 1024;

const encoding = { keyEncoding: 'utf8', valueEncoding: 'view' } as const;

/**
 * The part of an abstract-level database that the storage uses. Any version with these methods is accepted.
 *
 * @see {@link abstractLevelStorage}
 */
export interface LevelDatabase {
  /**
   * Opens the database.
   *
   * @returns A promise that resolves when the database is open.
   */
  open(): Promise<void>;
  /**
   * Closes the database.
   *
   * @returns A promise that resolves when the database is closed.
   */
  close(): Promise<void>;
  /**
   * Applies all changes or none.
   *
   * @param changes - The entries to put and to delete.
   * @param options - The encodings. `sync`: whether the changes must survive a power cut.
   * @returns A promise that resolves when the changes are applied; with `sync` when they would survive a power cut.
   */
  batch(changes: StorageChange[], options: typeof encoding & { readonly sync: boolean }): Promise<void>;
  /**
   * Reads one value.
   *
   * @param key - The key of the value.
   * @param options - The encodings.
   * @returns A promise of the value; `undefined` for a missing key.
   */
  get(key: string, options: typeof encoding): Promise<Uint8Array | undefined>;
  /**
   * Reads several values. Optional: without it, each is read by `get`.
   *
   * @param keys - The keys of the values.
   * @param options - The encodings.
   * @returns A promise of the values in the order of the keys; `undefined` for a missing key.
   */
  getMany?(keys: string[], options: typeof encoding): Promise<(Uint8Array | undefined)[]>;
  /**
   * Reads the keys from `gte` up to `lt`, without `lt`, in the order of their codes.
   *
   * @param options - The encodings, the range, its direction, and the bytes to read ahead.
   * @returns An iterator of entries.
   */
  iterator(
    options: typeof encoding & {
      readonly gte: string;
      readonly lt: string;
      readonly reverse: boolean;
      readonly highWaterMarkBytes: number;
    },
  ): LevelIterator;
  /**
   * Stores what is only in the log file, and begins another log file. Optional: LevelDB has this method. With it, a
   * power cut loses only the last batches, as long as `writeBufferSize` of the database is not below its default.
   *
   * @param start - The first key of a range to compact.
   * @param end - The last key of the range.
   * @param options - The encoding of the keys.
   * @returns A promise that resolves when the range is compacted.
   */
  compactRange?(start: string, end: string, options: { readonly keyEncoding: 'utf8' }): Promise<void>;
}

interface LevelIterator {
  nextv(size: number): Promise<[key: string, value: Uint8Array][]>;
  close(): Promise<void>;
}

/** The error of a database that is open already. */
export const createLockedError = (location: string, cause: unknown): StorageError =>
  new StorageError(
    `${location} is in use by another process, or by another realm or server of this process. Close it, or use another storage.`,
    { cause },
  );

const toOpenError = (location: string, thrown: unknown): StorageError => {
  const cause = fieldOf(thrown, 'cause') ?? thrown;
  return fieldOf(cause, 'code') === 'LEVEL_LOCKED'
    ? createLockedError(location, cause)
    : toStorageError(`${location} cannot be opened`, cause);
};

type ReadMany = (keys: string[]) => Promise<(Uint8Array | undefined)[]>;

const createReadMany =
  (db: LevelDatabase): ReadMany =>
  (keys) =>
    db.getMany?.(keys, encoding) ?? Promise.all(keys.map((key) => db.get(key, encoding)));

type ReadValue = (key: string) => Promise<Uint8Array | undefined>;

/** Creates the function that reads one value. Reads that begin together are one call, at a fifth of the cost. */
const createReadValue = (readMany: ReadMany): ReadValue => {
  let keys: string[] = [];
  let joined: Promise<(Uint8Array | undefined)[]> | null = null;
  const readJoined = (): Promise<(Uint8Array | undefined)[]> => {
    const all = keys;
    [keys, joined] = [[], null];
    return readMany(all);
  };
  return async (key) => {
    const at = keys.push(key) - 1;
    return (await (joined ??= Promise.resolve().then(readJoined)))[at]; // Further reads join until then.
  };
};

const readRange = async (
  db: LevelDatabase,
  readValue: ReadValue,
  range: StorageRange,
): Promise<readonly StorageEntry[]> => {
  const { from: gte, to: lt, limit, bytesMax, reverse = false } = range;
  if (limit < 1) return [];
  if (isOneKey(range)) {
    const value = await readValue(gte);
    return value === undefined ? [] : [[gte, value]];
  }
  const iterator = db.iterator({ ...encoding, gte, lt, reverse, highWaterMarkBytes: Math.min(bytesMax, readBytesMax) });
  try {
    const found: StorageEntry[] = [];
    let bytes = 0;
    for (;;) {
      const entriesMax = found.length === 0 ? firstEntriesMax : readEntriesMax;
      const read = await iterator.nextv(Math.min(limit - found.length, entriesMax));
      for (const entry of read) {
        found.push(entry);
        bytes += entry[1].byteLength;
        if (found.length === limit || bytes >= bytesMax) return found;
      }
      if (read.length === 0) return found;
    }
  } finally {
    await iterator.close();
  }
};

/** Copies all entries: an iterator of LevelDB sees the entries at its creation. */
const copyEntries = async (
  db: LevelDatabase,
  sink: (entries: readonly StorageEntry[]) => Promise<unknown>,
): Promise<void> => {
  const range = { gte: ' ', lt: '\x7f', reverse: false } as const;
  const iterator = db.iterator({ ...encoding, ...range, highWaterMarkBytes: readBytesMax });
  try {
    for (;;) {
      const read = await iterator.nextv(readEntriesMax).catch(throwStorageError('The database cannot be read'));
      if (read.length === 0) return;
      await sink(read);
    }
  } finally {
    await iterator.close();
  }
};

/** Creates the function that writes batches, of which only the last ones can be lost in a power cut. */
const createWrite = (db: LevelDatabase, writeBatch: WriteBatch): WriteBatch => {
  const write: WriteBatch = (changes, durable) =>
    writeBatch(changes, durable).catch(throwStorageError('The database cannot be written'));
  // The range has no keys, so that LevelDB only stores its table and begins another log file.
  const switchLog = async (): Promise<void> => db.compactRange?.('\x7f', '\x7f', { keyEncoding: 'utf8' });
  return db.compactRange === undefined ? write : createOrderedWrite(write, switchLog);
};

const createDatabaseStorage = (db: LevelDatabase, writeBatch: WriteBatch, released: () => void): Storage => {
  const readMany = createReadMany(db);
  const readValue = createReadValue(readMany);
  const throwReadError = throwStorageError('The database cannot be read');
  return createPromiseStorage({
    read: (range) => readRange(db, readValue, range).catch(throwReadError),
    readMany: (keys) => readMany([...keys]).catch(throwReadError),
    write: createWrite(db, writeBatch),
    copy: (sink) => copyEntries(db, sink),
    close: () => db.close().catch(throwStorageError('The database cannot be closed')).finally(released),
  });
};

/**
 * Opens the storage on a database. `released` is called when the database is closed or could not be opened. When the
 * stream is unsubscribed while the database opens, the database is closed as soon as it is open.
 */
export const openLevelStorage = (
  db: LevelDatabase,
  location: string,
  released: () => void,
  writeBatch: WriteBatch = (changes, durable) => db.batch([...changes], { ...encoding, sync: durable }),
): OpenStorage =>
  new Observable((subscriber) => {
    db.open().then(
      () => {
        if (subscriber.closed) {
          db.close().then(released, released);
          return;
        }
        subscriber.next(createDatabaseStorage(db, writeBatch, released));
        subscriber.complete();
      },
      (thrown: unknown) => {
        released();
        subscriber.error(toOpenError(location, thrown));
      },
    );
  });

/**
 * Makes a storage of any abstract-level database. Cold: opens the database on subscription. Emits the storage once and
 * completes. Errors with a `StorageError` when the database does not open; the database is then unchanged.
 *
 * The storage owns the database and closes it. It writes keys and values as `utf8` and `view`, whatever encodings the
 * database has. A `durable` batch sets the option `sync`, which an engine without it ignores.
 *
 * @param db - The database.
 * @param location - The name of the database in error messages, "The database" by default.
 * @returns A stream of one storage, for the option `storage` of `openRealm`.
 *
 * @example
 * ```ts
 * const realm = await openRealm({ schema, storage: abstractLevelStorage(new MemoryLevel()) });
 * ```
 */
export const abstractLevelStorage = (db: LevelDatabase, location = 'The database'): OpenStorage =>
  openLevelStorage(db, location, () => undefined);
