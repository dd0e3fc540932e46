import type { Version } from '../model/version.js';
import type { LogPage } from './log.js';
import { pageOf, type Versioned } from './log-page.js';

/** The newest entries of a log, in memory. */
export interface LogTail<Entry> {
  /** Adds the next ones, and lets go of the oldest when there are too many. */
  readonly push: (entries: readonly Entry[]) => void;
  /** Puts entries in the place of those that have their versions, where it holds them. */
  readonly replace: (entries: readonly Entry[]) => void;
  /** Lets go of all up to a version. */
  readonly forget: (upTo: Version) => void;
  /** Lets go of all; what is pushed next follows this version. */
  readonly restart: (after: Version) => void;
  /** Everything after a version, or none if that is not in memory. */
  readonly since: (after: Version) => readonly Entry[] | undefined;
  /** The page after a version, or none if that is not in memory. */
  readonly page: (after: Version) => LogPage<Entry> | undefined;
}

export interface LogTailOptions<Entry> {
  /** The version of the last entry before the first that is pushed. */
  readonly after: Version;
  readonly sizeOf: (entry: Entry) => number;
  /** Bytes it holds at most. */
  readonly bytesMax: number;
}

export const createLogTail = <Entry extends Versioned>({
  after,
  sizeOf,
  bytesMax,
}: LogTailOptions<Entry>): LogTail<Entry> => {
  let held: (Entry | undefined)[] = [];
  let gone = 0; // Entries at the start of `held` that no longer count: moving the rest for each would cost too much.
  let before = after; // The version of the last entry that is not held any more.
  let bytes = 0;

  const dropFirst = (): void => {
    const first = held[gone];
    if (first === undefined) return;
    bytes -= sizeOf(first);
    held[gone] = undefined; // Its place stays for a while, and not its bytes: one entry may have megabytes.
    gone += 1;
    before += 1;
  };

  const fit = (): void => {
    while (bytes > bytesMax && gone < held.length) dropFirst();
  };

  const sweep = (): void => {
    if (gone < 1_024 || gone < held.length / 2) return;
    held = held.slice(gone);
    gone = 0;
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
        const at = gone + entry.version - before - 1;
        const other = at >= gone ? held[at] : undefined;
        if (other === undefined) continue;
        held[at] = entry;
        bytes += sizeOf(entry) - sizeOf(other);
      }
      fit();
      sweep();
    },
    forget: (upTo) => {
      while (before < upTo && gone < held.length) dropFirst();
      sweep();
    },
    restart: (from) => {
      held = [];
      gone = 0;
      before = from;
      bytes = 0;
    },
    since: (from) => (from < before ? undefined : (held.slice(gone + from - before) as Entry[])),
    page: (from) => (from < before ? undefined : pageOf(from, held as Entry[], gone + from - before, sizeOf)),
  };
};
