import { concatMap, from, type Observable, queueScheduler, subscribeOn } from 'rxjs';
import { type Clock, createYielder } from '../../clock.js';
import { limits } from '../../model/limits.js';

/** Objects that are read together: a slice of them has no more than a few megabytes. */
const textsMax = 8;

/** Objects in slices, those whose states are large one by one. */
export const slicesOf = function* (
  texts: Iterable<string>,
  isLarge: (text: string) => boolean,
): Generator<readonly string[]> {
  let slice: string[] = [];
  for (const text of texts) {
    if (isLarge(text)) {
      yield [text];
      continue;
    }
    slice.push(text);
    if (slice.length < textsMax) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
};

export interface SliceOptions {
  readonly isLarge: (text: string) => boolean;
  readonly clock: Pick<Clock, 'scheduler'>;
}

/**
 * Does something to many objects, a slice of them after the other, so that never all of their states are in memory, and
 * gives way to whatever else waits for the event loop.
 */
export const runInSlices = <A>(
  texts: Iterable<string>,
  work: (slice: readonly string[]) => Observable<A>,
  { isLarge, clock }: SliceOptions,
): Observable<A> => {
  const give = createYielder(clock, limits.sliceMsMax);
  // In the queue: many that are at hand, after one that took its time, would each be deeper in the stack.
  return from(slicesOf(texts, isLarge)).pipe(
    concatMap((slice) => give(() => work(slice)).pipe(subscribeOn(queueScheduler))),
  );
};
