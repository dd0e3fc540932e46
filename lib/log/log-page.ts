import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { LogPage } from './log.js';

/** An entry of a log. */
export interface Versioned {
  readonly version: Version;
}

/** The versions of the first and the last entry of a block. */
export interface BlockBounds {
  readonly first: Version;
  readonly last: Version;
}

/** Returns the page of entries that begins at an index and follows a version. */
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

/** Throws when entries are not the next ones after a version, which is a defect of the caller. */
export const assertNext = (after: Version, entries: readonly Versioned[]): void => {
  let expected = after;
  for (const { version } of entries) {
    expected += 1;
    if (version !== expected) throw new Error(`Defect: entry ${version} of a log instead of ${expected}.`);
  }
};
