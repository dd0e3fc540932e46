import { defer, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { keyRangeOf, type Storage, type StorageChange } from '../storage/storage.js';
import { createLogHead, type LogHead } from './log-head.js';
import { createLogKeys, encodeVersion, decodeVersion, type LogKeys } from './log-keys.js';
import type { Log, LogPage } from './log.js';
import { assertNext, type Versioned } from './log-page.js';
import { readStoredPage, type StoredLog } from './log-entry.js';
import { createLogTail, type LogTail } from './log-tail.js';

export interface LogOptions<Entry extends Versioned> {
  readonly storage: Storage;
  /** What its keys start with; nothing else on the storage may start with it. */
  readonly prefix: string;
  readonly encode: (entry: Entry) => Uint8Array;
  /** Throws for bytes that are no entry; the log then errors with a `StorageError` around it. */
  readonly decode: (bytes: Uint8Array) => Entry;
  /** Bytes that an entry counts for in pages and in memory. Always the same for the same entry. */
  readonly sizeOf: (entry: Entry) => number;
  /** Bytes of the newest entries kept in memory; `limits.logTailBytesMax` by default. */
  readonly tailBytesMax?: number;
}

interface Ends {
  readonly floor: Version;
  readonly head: Version;
}

const readFloor = ({ range }: Storage, { floor }: LogKeys): Observable<Version> =>
  range(keyRangeOf(floor)).pipe(map(([found]) => (found === undefined ? 0 : decodeVersion(found[1]))));

/** The head is the last entry's version; when all have been trimmed away, the floor's. */
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
      throw new Error(`defect: appended after ${after} to a log that ends at ${head.current()}`);
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
    const gone = Array.from({ length: to - ends.floor }, (_, index): StorageChange => ({
      type: 'del',
      key: keys.entry(ends.floor + 1 + index),
    }));
    return [...gone, { type: 'put', key: keys.floor, value: encodeVersion(to) }];
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
  puts: Log<Entry>['toAppendChanges'],
): Pick<Log<Entry>, 'toRestartChanges' | 'confirmRestart' | 'toSkipChanges' | 'confirmSkip'> => ({
  toSkipChanges: (upTo) => {
    if (ends.floor !== head.current())
      throw new Error(`defect: ${head.current() - ends.floor} entries cannot be skipped`);
    return [{ type: 'put', key: keys.floor, value: encodeVersion(upTo) }];
  },
  confirmSkip: (upTo) => {
    ends.floor = upTo;
    tail.restart(upTo);
    head.grow(upTo);
  },
  toRestartChanges: (upTo, entries) => {
    const gone = Array.from({ length: Math.max(upTo, head.current()) - ends.floor }, (_, index): StorageChange => ({
      type: 'del',
      key: keys.entry(ends.floor + 1 + index),
    }));
    return [...gone, { type: 'del', key: keys.floor }, ...puts(0, entries)];
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
 * Opens the log under a prefix, or an empty one where there is none. Reads its two ends, not what is between them.
 * Cold; emits once and completes, synchronously if the storage is; errors with a `StorageError`.
 *
 * One at a time on the same prefix: each believes that nobody else appends.
 */
export const openLog = <Entry extends Versioned>(options: LogOptions<Entry>): Observable<Log<Entry>> =>
  defer(() => {
    const { storage, prefix, decode, sizeOf, tailBytesMax = limits.logTailBytesMax } = options;
    const keys = createLogKeys(prefix);
    const stored: StoredLog<Entry> = { storage, keys, decode, sizeOf };
    return readFloor(storage, keys).pipe(
      switchMap((floor) => readHead(stored, floor).pipe(map((head): Ends => ({ floor, head })))),
      map((found): Log<Entry> => {
        const ends = { floor: found.floor };
        const head = createLogHead(found.head);
        const tail = createLogTail({ after: found.head, sizeOf, bytesMax: tailBytesMax });
        const writes = appendMethodsOf(options, keys, head, tail);
        return {
          get head() {
            return head.current();
          },
          get floor() {
            return ends.floor;
          },
          head$: head.current$,
          ...writes,
          ...restartMethodsOf(keys, ends, head, tail, writes.toAppendChanges),
          ...trimMethodsOf(keys, ends, head, tail.forget),
          remember: (entries) => {
            const known = entries.slice(-1)[0]?.version === head.current() ? entries : [];
            tail.restart(head.current() - known.length);
            tail.push(known);
          },
          dump: () => {
            const entries = tail.since(ends.floor);
            const floor: StorageChange = { type: 'put', key: keys.floor, value: encodeVersion(ends.floor) };
            return entries ? [floor, ...writes.toAppendChanges(ends.floor, entries)] : null;
          },
          page: (after) => defer(() => readPageAfter(stored, tail, after, ends.floor, head.current())),
          close: head.close,
        };
      }),
    );
  });

/** The page after a version as things stand now. */
const readPageAfter = <Entry extends Versioned>(
  stored: StoredLog<Entry>,
  tail: LogTail<Entry>,
  after: Version,
  floor: Version,
  head: Version,
): Observable<LogPage<Entry>> => {
  if (after < floor) {
    return throwError(() => new StorageError(`entry ${after + 1} of a log was trimmed: its floor is ${floor}`));
  }
  if (after >= head) return of({ entries: [], upTo: after });
  const recent = tail.page(after);
  return recent ? of(recent) : readStoredPage(stored, after, head);
};
