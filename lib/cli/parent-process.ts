import { defer, filter, interval, map, take, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';

/** Milliseconds between two looks at who the parent is: soon enough for a port that is to be used again. */
const checkIntervalMs = 500;

/**
 * Emits once and completes when the process that has started this one is gone: npx and `npm run` end on SIGTERM without
 * passing it on. Cold; never errors.
 *
 * @param parentOf - The id of the present parent: it changes when the parent ends.
 */
export const watchParentExit = (parentOf: () => number, { scheduler }: Pick<Clock, 'scheduler'>): Observable<unknown> =>
  defer(() => {
    const parent = parentOf();
    return interval(checkIntervalMs, scheduler).pipe(
      map(parentOf),
      filter((now) => now !== parent),
      take(1),
    );
  });
