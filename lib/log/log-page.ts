import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { LogPage } from './log.js';

/** What every entry of a log is. */
export interface Versioned {
  readonly version: Version;
}

/** The entries from an index on that make one page after a version. */
export const pageOf = <Entry>(
  after: Version,
  entries: readonly Entry[],
  index: number,
  sizeOf: (entry: Entry) => number,
): LogPage<Entry> => {
  const last = Math.min(entries.length, index + limits.pageChangesetsMax);
  let end = index;
  let bytes = 0;
  for (const entry of entries.slice(index, last)) {
    end += 1;
    bytes += sizeOf(entry);
    if (bytes >= limits.pageBytesMax) break;
  }
  return { entries: entries.slice(index, end), upTo: after + end - index };
};

/** Stops, loudly, when entries are not the next ones after a version: whoever gave them is broken. */
export const assertNext = (after: Version, entries: readonly Versioned[]): void => {
  entries.forEach(({ version }, index) => {
    if (version !== after + 1 + index) {
      throw new Error(`defect: entry ${version} of a log where ${after + 1 + index} has to be`);
    }
  });
};
