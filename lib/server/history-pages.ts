import { EMPTY, expand, map, type Observable, takeWhile } from 'rxjs';
import { type Clock, givingWay } from '../clock.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { History } from './history.js';
import type { Recorded } from './recorded.js';

/**
 * What is in a history after a version, page by page, up to its head; gives way to other work between two pages. Cold; completes at the head, and
 * errors with what reading a page fails of.
 */
export const pagesAfter = (
  log: History['log'],
  version: Version,
  clock: Pick<Clock, 'scheduler'>,
): Observable<readonly Recorded[]> => {
  const give = givingWay(clock, limits.sliceMsMax);
  return log.page(version).pipe(
    expand(({ entries, upTo }) => (entries.length === 0 ? EMPTY : give(() => log.page(upTo)))),
    map(({ entries }) => entries),
    takeWhile((entries) => entries.length > 0),
  );
};
