import { defer, EMPTY, expand, type Observable } from 'rxjs';
import type { Log, LogPage } from '../log/log.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageEntry, StorageRange } from '../storage/storage.js';

/**
 * Reads a range of a storage page by page. Requests the next page after the subscriber has processed the current one;
 * the last page is empty. Cold; completes; errors with a `StorageError`.
 */
export const readStoragePages = ({ range }: Storage, whole: StorageRange): Observable<readonly StorageEntry[]> =>
  range(whole).pipe(
    expand((entries) => {
      const end = entries.at(-1);
      return end ? range({ ...whole, from: `${end[0]} ` }) : EMPTY; // A space: the first key after it.
    }),
  );

/**
 * Reads everything in a log after a version (or after its floor, if that is later), page by page. The last page is
 * empty. Cold; completes; errors with a `StorageError`.
 */
export const readLogPages = <Entry>(
  log: Pick<Log<Entry>, 'page' | 'floor'>,
  after: Version,
): Observable<LogPage<Entry>> => {
  const from = (version: Version) => defer(() => log.page(Math.max(version, log.floor)));
  return from(after).pipe(expand(({ upTo, entries }) => (entries.length > 0 ? from(upTo) : EMPTY)));
};
