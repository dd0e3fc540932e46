import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  ignoreElements,
  of,
  queueScheduler,
  subscribeOn,
  tap,
  type Observable,
} from 'rxjs';
import type { IndexRow, ObjectIndex } from '../history/object-index.js';
import type { Scan } from './selection-plan.js';

/**
 * Reads the rows of a scan of the index after a place, over all of its ranges. Cold. Emits up to `limit` rows once, in
 * order, and completes; fewer at the end of the scan only. Errors with a `StorageError`.
 */
export const readIndexRows = (
  index: Pick<ObjectIndex, 'readRows'>,
  type: string,
  { property, ranges }: Extract<Scan, { kind: 'index' }>,
  after: string,
  limit: number,
): Observable<readonly IndexRow[]> =>
  defer(() => {
    const rows: IndexRow[] = [];
    const start = after === '' ? after : `${after} `; // A space: the first place after it.
    const rest = ranges
      .filter(({ to }) => to > start)
      .map(({ from: first, to }) => ({ from: first > start ? first : start, to }));
    return concat(
      from(rest).pipe(
        concatMap((range) =>
          rows.length >= limit
            ? EMPTY
            : index.readRows(type, property, range, limit - rows.length).pipe(
                tap((found) => rows.push(...found)),
                subscribeOn(queueScheduler), // Synchronous results do not nest on the stack.
              ),
        ),
        ignoreElements(),
      ),
      of(rows),
    );
  });
