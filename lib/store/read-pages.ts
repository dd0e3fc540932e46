import { defer, EMPTY, expand, type Observable } from 'rxjs';
import type { Log, LogPage } from '../log/log.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageEntry, StorageRange } from '../storage/storage.js';

/**
 * A range of a storage page by page, the next one asked for when this one has been taken; the last one is empty. Cold;
 * completes; errors with a `StorageError`.
 */
export const readStoragePages = ({ range }: Storage, whole: StorageRange): Observable<readonly StorageEntry[]> =>
  range(whole).pipe(
    expand((entries) => {
      const end = entries.at(-1);
      return end ? range({ ...whole, from: `${end[0]} ` }) : EMPTY; // A space: the first key after it.
    }),
  );

/**
 * Everything in a log after a version, page by page, or from its floor on; the last page is empty. Cold; completes;
 * errors with a `StorageError`.
 */
export const readLogPages = <Entry>(
  log: Pick<Log<Entry>, 'page' | 'floor'>,
  after: Version,
): Observable<LogPage<Entry>> => {
  const from = (version: Version) => defer(() => log.page(Math.max(version, log.floor)));
  return from(after).pipe(expand(({ upTo, entries }) => (entries.length > 0 ? from(upTo) : EMPTY)));
};
