import { defer, map, type Observable, takeWhile } from 'rxjs';
import { type Clock, createYielder } from '../../clock.js';
import { readLogPages } from '../../log/read-log-pages.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { History } from './history.js';
import type { HistoryRecord } from './history-record.js';

/**
 * Emits the changesets after a version, page by page, up to the head. Yields to other work between two pages. Cold;
 * completes at the head, and errors if a page cannot be read.
 */
export const readPagesAfter = (
  log: History['log'],
  version: Version,
  clock: Pick<Clock, 'scheduler'>,
): Observable<readonly HistoryRecord[]> =>
  defer(() => {
    const yieldAndRun = createYielder(clock, limits.sliceMsMax);
    return readLogPages(version, (after) => yieldAndRun(() => log.page(after)));
  }).pipe(
    map(({ entries }) => entries),
    takeWhile((entries) => entries.length > 0),
  );
