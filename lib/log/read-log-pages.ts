import { defer, EMPTY, expand, type Observable } from 'rxjs';
import type { Version } from '../model/version.js';
import type { LogPage } from './log.js';

/**
 * Reads everything in a log after a version, page by page. `readPage` is the `page` of the log, or a function that
 * calls it. The last page is empty. Cold; completes; errors with a `StorageError`.
 */
export const readLogPages = <Entry>(
  after: Version,
  readPage: (after: Version) => Observable<LogPage<Entry>>,
): Observable<LogPage<Entry>> =>
  defer(() => readPage(after)).pipe(expand(({ upTo, entries }) => (entries.length > 0 ? readPage(upTo) : EMPTY)));
