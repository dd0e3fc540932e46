import { defer, from, ignoreElements, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { inGroups } from './group.js';
import { checkedChanges, closedError } from './keys.js';
import type { OpenStorage, Storage, StorageChange, StorageEntry, StorageRange } from './storage.js';

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

/** A field of what was thrown. By shape: errors of a native module may be of another realm's `Error`. */
const fieldOf = (thrown: unknown, name: 'code' | 'cause' | 'message'): unknown =>
  typeof thrown === 'object' && thrown !== null ? (thrown as Record<string, unknown>)[name] : undefined;

const failure = (what: string) => (thrown: unknown) => {
  if (thrown instanceof StorageError) throw thrown;
  throw new StorageError(`${what}: ${String(fieldOf(thrown, 'message') ?? thrown)}`, { cause: thrown });
};

const openFailure = (place: string) => (thrown: unknown) => {
  const cause = fieldOf(thrown, 'cause') ?? thrown;
  if (fieldOf(cause, 'code') === 'LEVEL_LOCKED') {
    throw new StorageError(`${place} is in use by another process, or by another realm or server of this one`, {
      cause,
    });
  }
  return failure(`${place} cannot be opened`)(cause);
};

const entriesOf = async (db: LevelDatabase, range: StorageRange): Promise<readonly StorageEntry[]> => {
  const { from: gte, to: lt, limit, bytesMax, reverse = false } = range;
  if (limit < 1) return [];
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

const opened = (db: LevelDatabase): Storage => {
  const groups = inGroups((changes, sync) =>
    db.batch(changes, { ...encoding, sync }).catch(failure('the database cannot be written')),
  );
  const reads = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  const whileOpen = <A>(work: () => Promise<A>): Observable<A> =>
    defer(() => {
      if (closing !== undefined) throw closedError();
      return from(work());
    });

  const read = (range: StorageRange): Promise<readonly StorageEntry[]> => {
    const reading = entriesOf(db, range)
      .catch(failure('the database cannot be read'))
      .finally(() => reads.delete(reading));
    reads.add(reading);
    return reading;
  };

  const release = async (): Promise<void> => {
    await Promise.allSettled([groups.idle(), ...reads]);
    await db.close().catch(failure('the database cannot be closed'));
  };

  return {
    range: (range) => whileOpen(() => read(range)),
    batch: (changes, { durable }) =>
      whileOpen(() => groups.write(checkedChanges(changes), durable)).pipe(ignoreElements()),
    close: () => defer(() => from((closing ??= release()))).pipe(ignoreElements()),
  };
};

/**
 * A storage on any abstract-level database, which it takes over: it is opened on subscription, and closed with the
 * storage. Keys and values are written as `utf8` and `view`, whatever encodings the database was made with; `durable`
 * becomes the option `sync`, which an engine without it ignores.
 *
 * `place` is what error messages call the database. Errors with a `StorageError` when it does not open, and then it is
 * as it was.
 */
export const abstractLevelStorage = (db: LevelDatabase, place = 'the database'): OpenStorage =>
  defer(() =>
    from(
      db.open().then(
        () => opened(db),
        (thrown: unknown) => openFailure(place)(thrown),
      ),
    ),
  );
