import { concat, defer, last, map, of, switchMap, tap, throwError, type Observable } from 'rxjs';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { readRecord, readStoragePages, type Storage, type StorageChange } from '../storage/storage.js';
import { createLogHead, type LogHead } from './log-head.js';
import { blockKeyOf, blocksEndOf, createLogKeys, encodeVersion, decodeVersion, type LogKeys } from './log-keys.js';
import type { Log, LogPage } from './log.js';
import { assertNext, type BlockBounds, type Versioned } from './log-page.js';
import { deletesFrom, EntryBlocks } from './entry-blocks.js';
import {
  addBlockEntries,
  addSingleEntry,
  createMissingError,
  createTrimmedError,
  readStoredPage,
  type StoredLog,
} from './log-entry.js';
import { createLogTail, type LogTail } from './log-tail.js';

export interface LogOptions<Entry extends Versioned> {
  readonly storage: Storage;
  /** The prefix of all keys of the log. No other key of the storage may start with it. */
  readonly prefix: string;
  readonly encode: (entry: Entry) => Uint8Array;
  /** Decodes the entry under a storage key. Throws a `StorageError` for invalid bytes. */
  readonly decode: (key: string, bytes: Uint8Array) => Entry;
  /** Returns the bytes that an entry counts for in pages and in memory. Always the same for the same entry. */
  readonly sizeOf: (entry: Entry) => number;
  /**
   * Bytes of the newest entries that are kept in memory.
   *
   * @defaultValue `limits.logTailBytesMax`
   */
  readonly tailBytesMax?: number;
}

/** The records of a log when it is opened. */
interface LoadedLog<Entry> {
  readonly blocks: EntryBlocks;
  /** All entries after the floor. */
  readonly entries: readonly Entry[];
}

/**
 * Reads all records of a log with this floor. Cold. Emits once and completes; errors with a `StorageError`, also for a
 * missing entry.
 */
const readRecords = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  floor: Version,
): Observable<LoadedLog<Entry>> => {
  const { storage, keys } = stored;
  const page = { limit: limits.pageChangesetsMax, bytesMax: limits.commitBytesMax };
  const all = new Map<Version, Entry>();
  const bounds: BlockBounds[] = [];
  const replaced = new Set<Version>();
  return concat(
    readStoragePages(storage, { from: blockKeyOf(keys, 1), to: blocksEndOf(keys), ...page }).pipe(
      tap((found) => found.forEach((record) => bounds.push(addBlockEntries(stored, floor, record, all)))),
    ),
    readStoragePages(storage, { from: keys.entry(floor + 1), to: keys.end, ...page }).pipe(
      tap((found) => found.forEach((record) => addSingleEntry(stored, record, all, replaced))),
    ),
  ).pipe(
    last(),
    map(() => {
      const entries: Entry[] = [];
      for (let version = floor + 1; entries.length < all.size; version += 1) {
        const entry = all.get(version);
        if (entry === undefined) throw createMissingError(keys, version);
        entries.push(entry);
      }
      return { blocks: new EntryBlocks(keys, bounds, replaced, floor + entries.length), entries };
    }),
  );
};

const appendMethodsOf = <Entry extends Versioned>(
  { encode }: LogOptions<Entry>,
  keys: LogKeys,
  head: LogHead,
  tail: LogTail<Entry>,
  blocks: EntryBlocks,
): Pick<
  Log<Entry>,
  'toAppendChanges' | 'confirmAppend' | 'toReplaceChanges' | 'confirmReplace' | 'toDeleteChanges'
> => ({
  toAppendChanges: (after, entries) => {
    assertNext(after, entries);
    return entries.map((entry) => ({ type: 'put', key: keys.entry(entry.version), value: encode(entry) }));
  },
  confirmAppend: (after, entries) => {
    if (after !== head.current())
      throw new Error(`Defect: appended after ${after} to a log that ends at ${head.current()}.`);
    assertNext(after, entries);
    if (entries.length === 0) return;
    blocks.confirm();
    tail.push(entries);
    head.grow(after + entries.length);
  },
  toReplaceChanges: (entries) => {
    return entries.map((entry) => {
      blocks.replace(entry.version);
      return { type: 'put', key: keys.entry(entry.version), value: encode(entry) };
    });
  },
  confirmReplace: tail.replace,
  toDeleteChanges: (entries) => entries.flatMap(({ version }) => deletesFrom(keys, version, version)),
});

const trimMethodsOf = (
  keys: LogKeys,
  ends: { floor: Version },
  head: LogHead,
  blocks: EntryBlocks,
  forget: (upTo: Version) => void,
): Pick<Log<never>, 'toTrimChanges' | 'confirmTrim'> => ({
  toTrimChanges: (upTo) => {
    const to = Math.min(upTo, head.current());
    if (to <= ends.floor) return [];
    return [...blocks.toTrimChanges(ends.floor, to), { type: 'put', key: keys.floor, value: encodeVersion(to) }];
  },
  confirmTrim: (upTo) => {
    const to = Math.min(upTo, head.current());
    blocks.confirmTrim(ends.floor, to);
    ends.floor = Math.max(ends.floor, to);
    forget(ends.floor);
  },
});

const restartMethodsOf = <Entry extends Versioned>(
  keys: LogKeys,
  ends: { floor: Version },
  head: LogHead,
  tail: LogTail<Entry>,
  blocks: EntryBlocks,
  toAppendChanges: Log<Entry>['toAppendChanges'],
): Pick<Log<Entry>, 'toRestartChanges' | 'confirmRestart' | 'toSkipChanges' | 'confirmSkip'> => ({
  toSkipChanges: (upTo) => {
    if (ends.floor !== head.current())
      throw new Error(`Defect: ${head.current() - ends.floor} entries cannot be skipped.`);
    return [{ type: 'put', key: keys.floor, value: encodeVersion(upTo) }];
  },
  confirmSkip: (upTo) => {
    ends.floor = upTo;
    tail.restart(upTo);
    head.grow(upTo);
  },
  toRestartChanges: (upTo, entries) => {
    const deletes = blocks.toRestartChanges(ends.floor, Math.max(upTo, head.current()));
    return [...deletes, { type: 'del', key: keys.floor }, ...toAppendChanges(0, entries)];
  },
  confirmRestart: (entries) => {
    assertNext(0, entries);
    ends.floor = 0;
    blocks.confirmRestart();
    tail.restart(0);
    tail.push(entries);
    head.restart(entries.length);
  },
});

/**
 * Opens the log under a prefix, or an empty log when the storage has no such log. Reads all of its records, and keeps
 * the newest entries. Cold. Emits once and completes, synchronously if the storage is synchronous; errors with a
 * `StorageError`.
 *
 * Only one log may be open on the same prefix: each assumes that no other one appends.
 */
export const openLog = <Entry extends Versioned>(options: LogOptions<Entry>): Observable<Log<Entry>> =>
  defer(() => {
    const { storage, prefix, decode, sizeOf } = options;
    const stored: StoredLog<Entry> = { storage, keys: createLogKeys(prefix), decode, sizeOf };
    return readRecord(storage, stored.keys.floor, decodeVersion, 0).pipe(
      switchMap((floor) => readRecords(stored, floor).pipe(map((loaded) => createLog(options, stored, floor, loaded)))),
    );
  });

const createLog = <Entry extends Versioned>(
  options: LogOptions<Entry>,
  stored: StoredLog<Entry>,
  floor: Version,
  { blocks, entries }: LoadedLog<Entry>,
): Log<Entry> => {
  const { keys, sizeOf } = stored;
  const ends = { floor };
  const head = createLogHead(floor + entries.length);
  const tail = createLogTail({ after: floor, sizeOf, bytesMax: options.tailBytesMax ?? limits.logTailBytesMax });
  tail.push(entries);
  const appendMethods = appendMethodsOf(options, keys, head, tail, blocks);
  return {
    get head() {
      return head.current();
    },
    get floor() {
      return ends.floor;
    },
    head$: head.current$,
    ...appendMethods,
    ...restartMethodsOf(keys, ends, head, tail, blocks, appendMethods.toAppendChanges),
    ...trimMethodsOf(keys, ends, head, blocks, tail.forget),
    pack: (changes) => blocks.pack(changes),
    discardPending: () => blocks.discardPending(head.current()),
    dump: () => {
      const kept = tail.since(ends.floor);
      const put: StorageChange = { type: 'put', key: keys.floor, value: encodeVersion(ends.floor) };
      return kept ? [put, ...appendMethods.toReplaceChanges(kept)] : null;
    },
    page: (after) => defer(() => readPageAfter(stored, tail, blocks, after, ends.floor, head.current())),
    close: head.close,
  };
};

/** Reads the page after a version. */
const readPageAfter = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  tail: LogTail<Entry>,
  blocks: EntryBlocks,
  after: Version,
  floor: Version,
  head: Version,
): Observable<LogPage<Entry>> => {
  if (after < floor) return throwError(() => createTrimmedError(after, floor));
  if (after >= head) return of({ entries: [], upTo: after });
  const recent = tail.page(after);
  return recent ? of(recent) : readStoredPage(stored, blocks, after, head);
};
