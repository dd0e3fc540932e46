import type { Version } from '../model/version.js';
import type { LogPage } from './log.js';
import { pageOf, type Versioned } from './log-page.js';

/** The newest entries of a log, in memory. */
export interface LogTail<Entry> {
  /** Adds the next entries, and drops the oldest ones when there are too many bytes. */
  readonly push: (entries: readonly Entry[]) => void;
  /** Replaces the entries of the same versions, where the tail holds them. */
  readonly replace: (entries: readonly Entry[]) => void;
  /** Drops all entries up to a version. */
  readonly forget: (upTo: Version) => void;
  /** Drops all entries. The next pushed entry follows this version. */
  readonly restart: (after: Version) => void;
  /** Returns all entries after a version; `undefined` if they are not in memory. */
  readonly since: (after: Version) => readonly Entry[] | undefined;
  /** Returns the page after a version; `undefined` if it is not in memory. */
  readonly page: (after: Version) => LogPage<Entry> | undefined;
}

export interface LogTailOptions<Entry> {
  /** The version of the last entry before the first that is pushed. */
  readonly after: Version;
  readonly sizeOf: (entry: Entry) => number;
  /** Largest number of bytes that the tail holds. */
  readonly bytesMax: number;
}

export const createLogTail = <Entry extends Versioned>({
  after,
  sizeOf,
  bytesMax,
}: LogTailOptions<Entry>): LogTail<Entry> => {
  let held: (Entry | undefined)[] = [];
  let dropped = 0; // Dropped entries at the start of `held`: moving the rest for each would cost too much.
  let before = after; // The version of the last dropped entry.
  let bytes = 0;

  const dropFirst = (): void => {
    const first = held[dropped];
    if (first === undefined) return;
    bytes -= sizeOf(first);
    held[dropped] = undefined; // Frees its bytes: one entry may have megabytes.
    dropped += 1;
    before += 1;
  };

  const fit = (): void => {
    while (bytes > bytesMax && dropped < held.length) dropFirst();
  };

  const sweep = (): void => {
    if (dropped < 1_024 || dropped < held.length / 2) return;
    held = held.slice(dropped);
    dropped = 0;
  };

  return {
    push: (entries) => {
      for (const entry of entries) {
        held.push(entry);
        bytes += sizeOf(entry);
      }
      fit();
      sweep();
    },
    replace: (entries) => {
      for (const entry of entries) {
        const at = dropped + entry.version - before - 1;
        const other = at >= dropped ? held[at] : undefined;
        if (other === undefined) continue;
        held[at] = entry;
        bytes += sizeOf(entry) - sizeOf(other);
      }
      fit();
      sweep();
    },
    forget: (upTo) => {
      while (before < upTo && dropped < held.length) dropFirst();
      sweep();
    },
    restart: (from) => {
      held = [];
      dropped = 0;
      before = from;
      bytes = 0;
    },
    since: (from) => (from < before ? undefined : (held.slice(dropped + from - before) as Entry[])),
    page: (from) => (from < before ? undefined : pageOf(from, held as Entry[], dropped + from - before, sizeOf)),
  };
};
