import { defer, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { rangeAt, type Storage, type StorageChange } from '../storage/storage.js';
import { headAt, type Head } from './head.js';
import { logKeys, versionBytes, versionOf, type LogKeys } from './keys.js';
import type { Log, LogPage } from './log.js';
import { assertNext, type Versioned } from './pages.js';
import { storedPage, type Stored } from './stored.js';
import { tailOf, type Tail } from './tail.js';

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

const floorOn = ({ range }: Storage, { floor }: LogKeys): Observable<Version> =>
  range(rangeAt(floor)).pipe(map(([found]) => (found === undefined ? 0 : versionOf(found[1]))));

/** The head is the last entry's version; when all have been trimmed away, the floor's. */
const headOn = <Entry extends Versioned>(stored: Stored<Entry>, floor: Version): Observable<Version> =>
  stored.storage
    .range({ from: stored.keys.entry(floor + 1), to: stored.keys.end, reverse: true, limit: 1, bytesMax: Infinity })
    .pipe(
      map(([last]) => {
        if (last === undefined) return floor;
        return stored.keys.versionAt(last[0]);
      }),
    );

const writing = <Entry extends Versioned>(
  { encode }: LogOptions<Entry>,
  keys: LogKeys,
  head: Head,
  tail: Tail<Entry>,
): Pick<Log<Entry>, 'puts' | 'appended' | 'replaces' | 'replaced'> => ({
  puts: (after, entries) => {
    assertNext(after, entries);
    return entries.map((entry) => ({ type: 'put', key: keys.entry(entry.version), value: encode(entry) }));
  },
  appended: (after, entries) => {
    if (after !== head.at()) throw new Error(`defect: appended after ${after} to a log that ends at ${head.at()}`);
    assertNext(after, entries);
    if (entries.length === 0) return;
    tail.push(entries);
    head.grow(after + entries.length);
  },
  replaces: (entries) =>
    entries.map((entry) => ({ type: 'put', key: keys.entry(entry.version), value: encode(entry) })),
  replaced: tail.replace,
});

const trimming = (
  keys: LogKeys,
  ends: { floor: Version },
  head: Head,
  forget: (upTo: Version) => void,
): Pick<Log<never>, 'trims' | 'trimmed'> => ({
  trims: (upTo) => {
    const to = Math.min(upTo, head.at());
    if (to <= ends.floor) return [];
    const gone = Array.from({ length: to - ends.floor }, (_, index): StorageChange => ({
      type: 'del',
      key: keys.entry(ends.floor + 1 + index),
    }));
    return [...gone, { type: 'put', key: keys.floor, value: versionBytes(to) }];
  },
  trimmed: (upTo) => {
    const to = Math.min(upTo, head.at());
    ends.floor = Math.max(ends.floor, to);
    forget(ends.floor);
  },
});

const restarting = <Entry extends Versioned>(
  keys: LogKeys,
  ends: { floor: Version },
  head: Head,
  tail: Tail<Entry>,
  puts: Log<Entry>['puts'],
): Pick<Log<Entry>, 'restarts' | 'restarted' | 'skips' | 'skipped'> => ({
  skips: (upTo) => {
    if (ends.floor !== head.at()) throw new Error(`defect: ${head.at() - ends.floor} entries cannot be skipped`);
    return [{ type: 'put', key: keys.floor, value: versionBytes(upTo) }];
  },
  skipped: (upTo) => {
    ends.floor = upTo;
    tail.restart(upTo);
    head.grow(upTo);
  },
  restarts: (upTo, entries) => {
    const gone = Array.from({ length: Math.max(upTo, head.at()) - ends.floor }, (_, index): StorageChange => ({
      type: 'del',
      key: keys.entry(ends.floor + 1 + index),
    }));
    return [...gone, { type: 'del', key: keys.floor }, ...puts(0, entries)];
  },
  restarted: (entries) => {
    assertNext(0, entries);
    ends.floor = 0;
    tail.restart(0);
    tail.push(entries);
    head.restart(entries.length);
  },
});

/**
 * Opens the log under a prefix, or an empty one where there is none. Reads its two ends, not what is between them. Cold;
 * emits once and completes, synchronously if the storage is; errors with a `StorageError`.
 *
 * One at a time on the same prefix: each believes that nobody else appends.
 */
export const openLog = <Entry extends Versioned>(options: LogOptions<Entry>): Observable<Log<Entry>> =>
  defer(() => {
    const { storage, prefix, decode, sizeOf, tailBytesMax = limits.logTailBytesMax } = options;
    const keys = logKeys(prefix);
    const stored: Stored<Entry> = { storage, keys, decode, sizeOf };
    return floorOn(storage, keys).pipe(
      switchMap((floor) => headOn(stored, floor).pipe(map((head): Ends => ({ floor, head })))),
      map((found): Log<Entry> => {
        const ends = { floor: found.floor };
        const head = headAt(found.head);
        const tail = tailOf({ after: found.head, sizeOf, bytesMax: tailBytesMax });
        const writes = writing(options, keys, head, tail);
        return {
          get head() {
            return head.at();
          },
          get floor() {
            return ends.floor;
          },
          head$: head.at$,
          ...writes,
          ...restarting(keys, ends, head, tail, writes.puts),
          ...trimming(keys, ends, head, tail.forget),
          remember: (entries) => {
            const known = entries.slice(-1)[0]?.version === head.at() ? entries : [];
            tail.restart(head.at() - known.length);
            tail.push(known);
          },
          dump: () => {
            const entries = tail.since(ends.floor);
            const floor: StorageChange = { type: 'put', key: keys.floor, value: versionBytes(ends.floor) };
            return entries ? [floor, ...writes.puts(ends.floor, entries)] : null;
          },
          page: (after) => defer(() => pageAfter(stored, tail, after, ends.floor, head.at())),
          close: head.close,
        };
      }),
    );
  });

/** The page after a version as things stand now. */
const pageAfter = <Entry extends Versioned>(
  stored: Stored<Entry>,
  tail: Tail<Entry>,
  after: Version,
  floor: Version,
  head: Version,
): Observable<LogPage<Entry>> => {
  if (after < floor) {
    return throwError(() => new StorageError(`entry ${after + 1} of a log was trimmed: its floor is ${floor}`));
  }
  if (after >= head) return of({ entries: [], upTo: after });
  const recent = tail.page(after);
  return recent ? of(recent) : storedPage(stored, after, head);
};
