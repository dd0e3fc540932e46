import { filter, interval, map, take, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';

/** Milliseconds between two checks of the parent: short enough for a port that is to be reused. */
const checkIntervalMs = 500;

/**
 * Emits once and completes when the parent process at the time of the call has ended: npx and `npm run` end on SIGTERM
 * without passing it on. Cold; never errors.
 *
 * @param parentOf - Returns the id of the present parent, which changes when the parent ends. Called immediately, as
 * the parent may end before the Observable is subscribed to.
 */
export const watchParentExit = (
  parentOf: () => number,
  { scheduler }: Pick<Clock, 'scheduler'>,
): Observable<unknown> => {
  const parent = parentOf();
  return interval(checkIntervalMs, scheduler).pipe(
    map(parentOf),
    filter((now) => now !== parent),
    take(1),
  );
};
