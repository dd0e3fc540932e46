import { defer, forkJoin, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { readRecord, type Storage, type StorageChange } from '../storage/storage.js';
import {
  blocksOf,
  readBlockBounds,
  readBlockPage,
  readLastVersion,
  type BlockForm,
  type StoredBlocks,
} from './log-block.js';
import { createLogHead, type LogHead } from './log-head.js';
import { createLogKeys, decodeVersion, encodeVersion } from './log-keys.js';
import { assertNext, type Versioned } from './log-page.js';
import { createTrimmedError } from './log-entry.js';
import { createLogTail, type LogTail } from './log-tail.js';
import type { Log, LogPage } from './log.js';

export interface BlockLogOptions<Entry extends Versioned> extends BlockForm<Entry> {
  readonly storage: Storage;
  /** The prefix of all keys of the log. No other key of the storage may start with it. */
  readonly prefix: string;
  /**
   * Bytes of the newest entries that are kept in memory.
   *
   * @defaultValue `limits.logTailBytesMax`
   */
  readonly tailBytesMax?: number;
}

/**
 * A log that stores the entries of one append together, in blocks. A put for each entry took a fifth of the server's
 * time for an upload (measured). Entries cannot be replaced.
 */
export interface BlockLog<Entry> extends Pick<
  Log<Entry>,
  'head' | 'floor' | 'head$' | 'toAppendChanges' | 'confirmAppend' | 'confirmTrim' | 'page' | 'close'
> {
  /**
   * Reads the changes that remove all blocks up to a version, and store the new `floor`. A block with later entries
   * stays. Cold. Emits once and completes; errors with a `StorageError`.
   */
  readonly readTrimChanges: (upTo: Version) => Observable<readonly StorageChange[]>;
}

/** Returns the changes that remove the records of versions before `next` from `first` on. */
const deletesOf = (entryKey: (version: Version) => string, first: Version, next: Version): StorageChange[] => {
  const deletes: StorageChange[] = [];
  for (let version = first; version < next; version += 1) deletes.push({ type: 'del', key: entryKey(version) });
  return deletes;
};

/** Reads the changes of a trim. Each version may begin a block, so that all of their keys are deleted. */
const readTrimChangesTo = <Entry extends Versioned>(
  stored: StoredBlocks<Entry>,
  floor: Version,
  to: Version,
): Observable<readonly StorageChange[]> =>
  forkJoin([readBlockBounds(stored, floor + 1), readBlockBounds(stored, to)]).pipe(
    map(([oldest, newest]) => {
      const next = newest === null || newest.last <= to ? to + 1 : newest.first;
      const { entry, floor: floorKey } = stored.keys;
      return [
        ...deletesOf(entry, oldest?.first ?? floor + 1, next),
        { type: 'put', key: floorKey, value: encodeVersion(to) },
      ];
    }),
  );

/** A class, because a server has one for each of ten thousand open realms. */
class StorageBlockLog<Entry extends Versioned> implements BlockLog<Entry> {
  floor: Version;
  private readonly lastVersion: LogHead;
  private readonly tail: LogTail<Entry>;

  constructor(
    private readonly stored: StoredBlocks<Entry>,
    tailBytesMax: number,
    found: { readonly floor: Version; readonly last: Version },
  ) {
    this.floor = found.floor;
    this.lastVersion = createLogHead(found.last);
    this.tail = createLogTail({ after: found.last, sizeOf: stored.sizeOf, bytesMax: tailBytesMax });
  }

  get head(): Version {
    return this.lastVersion.current();
  }

  get head$(): Observable<Version> {
    return this.lastVersion.current$;
  }

  toAppendChanges(after: Version, entries: readonly Entry[]): StorageChange[] {
    const { keys, encode, sizeOf } = this.stored;
    assertNext(after, entries);
    return blocksOf(entries, sizeOf).map((block): StorageChange => ({
      type: 'put',
      key: keys.entry(block[0].version),
      value: encode(block),
    }));
  }

  confirmAppend(after: Version, entries: readonly Entry[]): void {
    if (after !== this.head) throw new Error(`Defect: appended after ${after} to a log that ends at ${this.head}.`);
    assertNext(after, entries);
    if (entries.length === 0) return;
    this.tail.push(entries);
    this.lastVersion.grow(after + entries.length);
  }

  readTrimChanges(upTo: Version): Observable<readonly StorageChange[]> {
    return defer(() => {
      const to = Math.min(upTo, this.head);
      return to <= this.floor ? of([]) : readTrimChangesTo(this.stored, this.floor, to);
    });
  }

  confirmTrim(upTo: Version): void {
    this.floor = Math.max(this.floor, Math.min(upTo, this.head));
    this.tail.forget(this.floor);
  }

  page(after: Version): Observable<LogPage<Entry>> {
    return defer(() => {
      const { stored, floor, head } = this;
      if (after < floor) return throwError(() => createTrimmedError(after, floor));
      if (after >= head) return of({ entries: [], upTo: after });
      const recent = this.tail.page(after);
      return recent ? of(recent) : readBlockPage(stored, after, head);
    });
  }

  close(): void {
    this.lastVersion.close();
  }
}

/**
 * Opens the log of blocks under a prefix, or an empty log when the storage has no such log. Reads the floor and the
 * last block only. Cold. Emits once and completes, synchronously if the storage is synchronous; errors with a
 * `StorageError`.
 *
 * Only one log may be open on the same prefix: each assumes that no other one appends.
 */
export const openBlockLog = <Entry extends Versioned>({
  prefix,
  tailBytesMax = limits.logTailBytesMax,
  ...options
}: BlockLogOptions<Entry>): Observable<BlockLog<Entry>> =>
  defer(() => {
    const stored: StoredBlocks<Entry> = { ...options, keys: createLogKeys(prefix) };
    return readRecord(stored.storage, stored.keys.floor, decodeVersion, 0).pipe(
      switchMap((floor) => readLastVersion(stored, floor).pipe(map((last) => ({ floor, last })))),
      map((found) => new StorageBlockLog(stored, tailBytesMax, found)),
    );
  });
