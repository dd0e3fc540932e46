import { defer, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { readRecord, type Storage, type StorageChange } from '../storage/storage.js';
import { createLogHead, type LogHead } from './log-head.js';
import { createLogKeys, encodeVersion, decodeVersion, type LogKeys } from './log-keys.js';
import type { Log, LogPage } from './log.js';
import { assertNext, type Versioned } from './log-page.js';
import { createTrimmedError, readStoredPage, type StoredLog } from './log-entry.js';
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

interface Ends {
  readonly floor: Version;
  readonly head: Version;
}

/** Reads the head: the version of the last entry, or the floor when all entries have been trimmed. */
const readHead = <Entry extends Versioned>(stored: StoredLog<Entry>, floor: Version): Observable<Version> =>
  stored.storage
    .range({ from: stored.keys.entry(floor + 1), to: stored.keys.end, reverse: true, limit: 1, bytesMax: Infinity })
    .pipe(
      map(([last]) => {
        if (last === undefined) return floor;
        return stored.keys.versionOf(last[0]);
      }),
    );

const appendMethodsOf = <Entry extends Versioned>(
  { encode }: LogOptions<Entry>,
  keys: LogKeys,
  head: LogHead,
  tail: LogTail<Entry>,
): Pick<Log<Entry>, 'toAppendChanges' | 'confirmAppend' | 'toReplaceChanges' | 'confirmReplace'> => ({
  toAppendChanges: (after, entries) => {
    assertNext(after, entries);
    return entries.map((entry) => ({ type: 'put', key: keys.entry(entry.version), value: encode(entry) }));
  },
  confirmAppend: (after, entries) => {
    if (after !== head.current())
      throw new Error(`Defect: appended after ${after} to a log that ends at ${head.current()}.`);
    assertNext(after, entries);
    if (entries.length === 0) return;
    tail.push(entries);
    head.grow(after + entries.length);
  },
  toReplaceChanges: (entries) =>
    entries.map((entry) => ({ type: 'put', key: keys.entry(entry.version), value: encode(entry) })),
  confirmReplace: tail.replace,
});

const trimMethodsOf = (
  keys: LogKeys,
  ends: { floor: Version },
  head: LogHead,
  forget: (upTo: Version) => void,
): Pick<Log<never>, 'toTrimChanges' | 'confirmTrim'> => ({
  toTrimChanges: (upTo) => {
    const to = Math.min(upTo, head.current());
    if (to <= ends.floor) return [];
    const deletes = Array.from({ length: to - ends.floor }, (_, index): StorageChange => ({
      type: 'del',
      key: keys.entry(ends.floor + 1 + index),
    }));
    return [...deletes, { type: 'put', key: keys.floor, value: encodeVersion(to) }];
  },
  confirmTrim: (upTo) => {
    const to = Math.min(upTo, head.current());
    ends.floor = Math.max(ends.floor, to);
    forget(ends.floor);
  },
});

const restartMethodsOf = <Entry extends Versioned>(
  keys: LogKeys,
  ends: { floor: Version },
  head: LogHead,
  tail: LogTail<Entry>,
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
    const deletes = Array.from({ length: Math.max(upTo, head.current()) - ends.floor }, (_, index): StorageChange => ({
      type: 'del',
      key: keys.entry(ends.floor + 1 + index),
    }));
    return [...deletes, { type: 'del', key: keys.floor }, ...toAppendChanges(0, entries)];
  },
  confirmRestart: (entries) => {
    assertNext(0, entries);
    ends.floor = 0;
    tail.restart(0);
    tail.push(entries);
    head.restart(entries.length);
  },
});

/**
 * Opens the log under a prefix, or an empty log when the storage has no such log. Reads the floor and the head only.
 * Cold. Emits once and completes, synchronously if the storage is synchronous; errors with a `StorageError`.
 *
 * Only one log may be open on the same prefix: each assumes that no other one appends.
 */
export const openLog = <Entry extends Versioned>(options: LogOptions<Entry>): Observable<Log<Entry>> =>
  defer(() => {
    const { storage, prefix, decode, sizeOf, tailBytesMax = limits.logTailBytesMax } = options;
    const keys = createLogKeys(prefix);
    const stored: StoredLog<Entry> = { storage, keys, decode, sizeOf };
    return readRecord(storage, keys.floor, decodeVersion, 0).pipe(
      switchMap((floor) => readHead(stored, floor).pipe(map((head): Ends => ({ floor, head })))),
      map((found): Log<Entry> => {
        const ends = { floor: found.floor };
        const head = createLogHead(found.head);
        const tail = createLogTail({ after: found.head, sizeOf, bytesMax: tailBytesMax });
        const appendMethods = appendMethodsOf(options, keys, head, tail);
        return {
          get head() {
            return head.current();
          },
          get floor() {
            return ends.floor;
          },
          head$: head.current$,
          ...appendMethods,
          ...restartMethodsOf(keys, ends, head, tail, appendMethods.toAppendChanges),
          ...trimMethodsOf(keys, ends, head, tail.forget),
          remember: (entries) => {
            const newest = entries.slice(-1)[0]?.version === head.current() ? entries : [];
            tail.restart(head.current() - newest.length);
            tail.push(newest);
          },
          dump: () => {
            const entries = tail.since(ends.floor);
            const floor: StorageChange = { type: 'put', key: keys.floor, value: encodeVersion(ends.floor) };
            return entries ? [floor, ...appendMethods.toAppendChanges(ends.floor, entries)] : null;
          },
          page: (after) => defer(() => readPageAfter(stored, tail, after, ends.floor, head.current())),
          close: head.close,
        };
      }),
    );
  });

/** Reads the page after a version. */
const readPageAfter = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  tail: LogTail<Entry>,
  after: Version,
  floor: Version,
  head: Version,
): Observable<LogPage<Entry>> => {
  if (after < floor) return throwError(() => createTrimmedError(after, floor));
  if (after >= head) return of({ entries: [], upTo: after });
  const recent = tail.page(after);
  return recent ? of(recent) : readStoredPage(stored, after, head);
};
