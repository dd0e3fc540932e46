import { concatMap, defer, EMPTY, from, ignoreElements, queueScheduler, subscribeOn, tap, type Observable } from 'rxjs';
import { isAlive } from '../../merge/object-state.js';
import type { HeadObject } from '../history/head-object.js';
import type { HeadState } from '../history/head-state.js';
import type { History } from '../history/history.js';
import { sliceSizeOf, slicesOf } from '../history/object-slices.js';

/** An object at the head of the history. */
export type FoundObject = Pick<HeadObject, 'state' | 'bytes'>;

export interface ReadFoundPorts {
  readonly history: Pick<History, 'projection'>;
  readonly headState: Pick<HeadState, 'readSomeObjects'>;
}

/** Objects that are read together if they are small. */
const readAtOnce = 64;

/**
 * Reads objects at the head of the history, in their order, and passes each to `take` until that returns `false`.
 * Cold. Emits nothing. Errors with a `StorageError`.
 */
export const readFound = (
  { history: { projection }, headState }: ReadFoundPorts,
  texts: Iterable<string>,
  take: (text: string, found: FoundObject | null) => boolean,
): Observable<never> =>
  defer(() => {
    let isOver = false;
    const passSlice = (slice: readonly string[]): Observable<unknown> =>
      headState.readSomeObjects(slice).pipe(
        tap((known) => {
          for (const text of slice) {
            if (isOver) return;
            isOver = !take(text, known.get(text) ?? null);
          }
        }),
        subscribeOn(queueScheduler), // Synchronous results do not nest on the stack.
      );
    const slices = slicesOf(texts, (text) => projection.isLarge(text), sliceSizeOf(projection.cursor, readAtOnce));
    return from(slices).pipe(
      concatMap((slice) => (isOver ? EMPTY : passSlice(slice))),
      ignoreElements(),
    );
  });

/** Returns whether a state is of a living object. */
export const isLiving = (found: FoundObject | null): found is FoundObject => found !== null && isAlive(found.state);
