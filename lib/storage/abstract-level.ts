import { Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
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

/** Entries asked for in one go: fills most pages at once without building arrays that are then cut. */
const readEntriesMax = 1_000;
/** Bytes asked for in one go: what a page takes, with room for its keys. */
const readBytesMax = 256 * 1024;

const encoding = { keyEncoding: 'utf8', valueEncoding: 'view' } as const;

/** What is asked of an abstract-level database. Named by shape, so that any version of it with these will do. */
export interface LevelDatabase {
  open(): Promise<void>;
  close(): Promise<void>;
  batch(changes: StorageChange[], options: typeof encoding & { readonly sync: boolean }): Promise<void>;
  /** `undefined` where there is none. */
  get(key: string, options: typeof encoding): Promise<Uint8Array | undefined>;
  iterator(
    options: typeof encoding & {
      readonly gte: string;
      readonly lt: string;
      readonly reverse: boolean;
      readonly highWaterMarkBytes: number;
    },
  ): LevelIterator;
}

interface LevelIterator {
  nextv(size: number): Promise<[key: string, value: Uint8Array][]>;
  close(): Promise<void>;
}

/** The database is open already. */
export const createLockedError = (place: string, cause: unknown): StorageError =>
  new StorageError(`${place} is in use by another process, or by another realm or server of this one`, { cause });

const toOpenError = (place: string, thrown: unknown): StorageError => {
  const cause = fieldOf(thrown, 'cause') ?? thrown;
  return fieldOf(cause, 'code') === 'LEVEL_LOCKED'
    ? createLockedError(place, cause)
    : toStorageError(`${place} cannot be opened`, cause);
};

const readRange = async (db: LevelDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { from: gte, to: lt, limit, bytesMax, reverse = false } = range;
  if (limit < 1) return [];
  if (isOneKey(range)) {
    const value = await db.get(gte, encoding);
    return value === undefined ? [] : [[gte, value]];
  }
  const iterator = db.iterator({ ...encoding, gte, lt, reverse, highWaterMarkBytes: Math.min(bytesMax, readBytesMax) });
  try {
    const found: StorageEntry[] = [];
    let bytes = 0;
    for (;;) {
      const read = await iterator.nextv(Math.min(limit - found.length, readEntriesMax));
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

/** An iterator of LevelDB sees what was there when it was made. */
const copyEntries = async (
  db: LevelDatabase,
  sink: (entries: readonly StorageEntry[]) => Promise<unknown>,
): Promise<void> => {
  const range = { gte: ' ', lt: '\x7f', reverse: false } as const;
  const iterator = db.iterator({ ...encoding, ...range, highWaterMarkBytes: readBytesMax });
  try {
    for (;;) {
      const read = await iterator.nextv(readEntriesMax).catch(throwStorageError('the database cannot be read'));
      if (read.length === 0) return;
      await sink(read);
    }
  } finally {
    await iterator.close();
  }
};

const createDatabaseStorage = (db: LevelDatabase, released: () => void): Storage =>
  createPromiseStorage({
    read: (range) => readRange(db, range).catch(throwStorageError('the database cannot be read')),
    write: (changes, durable) =>
      db.batch([...changes], { ...encoding, sync: durable }).catch(throwStorageError('the database cannot be written')),
    copy: (sink) => copyEntries(db, sink),
    close: () => db.close().catch(throwStorageError('the database cannot be closed')).finally(released),
  });

/**
 * The storage on a database. `released` is called once it is closed, or could not be opened. Unsubscribed while it
 * opens, it is closed then.
 */
export const openLevelStorage = (db: LevelDatabase, place: string, released: () => void): OpenStorage =>
  new Observable((subscriber) => {
    db.open().then(
      () => {
        if (subscriber.closed) {
          db.close().then(released, released);
          return;
        }
        subscriber.next(createDatabaseStorage(db, released));
        subscriber.complete();
      },
      (thrown: unknown) => {
        released();
        subscriber.error(toOpenError(place, thrown));
      },
    );
  });

/**
 * A storage on any abstract-level database, which it takes over: it is opened on subscription, and closed with the
 * storage. Keys and values are written as `utf8` and `view`, whatever encodings the database was made with; `durable`
 * becomes the option `sync`, which an engine without it ignores.
 *
 * `place` is what error messages call the database. Errors with a `StorageError` when it does not open, and then it is
 * as it was.
 */
export const abstractLevelStorage = (db: LevelDatabase, place = 'the database'): OpenStorage =>
  openLevelStorage(db, place, () => undefined);
