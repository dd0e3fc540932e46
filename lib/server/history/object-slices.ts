import { concatMap, from, type Observable, queueScheduler, subscribeOn } from 'rxjs';
import { type Clock, createYielder } from '../../clock.js';
import { limits } from '../../model/limits.js';

/** Objects that are read together, whatever their size: a slice of them has a few megabytes at most. */
const textsMax = 8;
/** Bytes of a slice of small objects: as many as those of a slice that may have any objects. */
const sliceBytesMax = 8 * 1024 * 1024;

/**
 * Returns the size of slices of objects of this average size, up to a number: a storage reads many objects at once at a
 * fraction of the cost.
 */
export const sliceSizeOf = (
  { objects, bytes }: { readonly objects: number; readonly bytes: number },
  most: number,
): number => (bytes === 0 ? most : Math.max(textsMax, Math.min(most, Math.floor((sliceBytesMax * objects) / bytes))));

/** Yields objects in slices of at most a number. Large objects get a slice of their own. */
export const slicesOf = function* (
  texts: Iterable<string>,
  isLarge: (text: string) => boolean,
  most = textsMax,
): Generator<readonly string[]> {
  let slice: string[] = [];
  for (const text of texts) {
    if (isLarge(text)) {
      yield [text];
      continue;
    }
    slice.push(text);
    if (slice.length < most) continue;
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
 * Runs `work` for many objects, slice by slice, so that never all states are in memory. Yields to other work of the
 * event loop in between.
 */
export const runInSlices = <A>(
  texts: Iterable<string>,
  work: (slice: readonly string[]) => Observable<A>,
  { isLarge, clock }: SliceOptions,
): Observable<A> => {
  const yieldAndRun = createYielder(clock, limits.sliceMsMax);
  // On the queue: otherwise many synchronous results after an asynchronous one would nest on the stack.
  return from(slicesOf(texts, isLarge)).pipe(
    concatMap((slice) => yieldAndRun(() => work(slice)).pipe(subscribeOn(queueScheduler))),
  );
};
