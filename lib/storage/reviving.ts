import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  NEVER,
  type Observable,
  of,
  retry,
  switchMap,
  take,
  throwError,
  timer,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import type { OpenStorage, Storage, StorageChange } from './storage.js';

/** How a storage is: `lost` says why; `back`: everything that was in memory is stored again, and it can be used. */
export type StorageHealth = { readonly state: 'lost'; readonly error: StorageError } | { readonly state: 'back' };

/** Everything that has to be stored, as it is in memory at the call; `null`: that is not all. */
type Contents = () => readonly StorageChange[] | null;

/** A storage that is opened again when it was lost under way. */
export interface Reviving {
  /** Behaves as the present storage does: everything errors while that is lost. */
  readonly storage: Storage;
  /**
   * Watches the storage: emits when it is lost, and when it is back. What was in memory is written again, in one durable
   * batch, as soon as the place can be opened and is empty: tried again after 1, 2, 4 … up to 60 seconds. Cold, to be
   * subscribed to once; never errors. Lost for good is what is not all in memory.
   */
  readonly health$: (contents: Contents) => Observable<StorageHealth>;
}

const firstMs = 1_000;
const mostMs = 60_000;

/** Stands in the place of what is lost. */
const gone = (error: StorageError): Storage => ({
  range: () => throwError(() => error),
  batch: () => throwError(() => error),
  close: () => EMPTY,
});

/** What is lost may still hold the lock of its place. */
const letGo = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/** Puts everything into a storage in which nothing is: whatever else is there is not ours to write over. Never completes when not all is in memory. */
const filled = (storage: Storage, contents: Contents): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap(({ length }) => {
      if (length > 0) {
        throw new StorageError('The storage was lost, and holds something else by now. It was left as it is.');
      }
      const all = contents();
      return all === null ? concat(storage.close(), NEVER) : storage.batch(all, { durable: true });
    }),
    // What cannot be filled is let go of, or its own lock would keep the next try out.
    catchError((thrown: unknown) =>
      concat(
        letGo(storage),
        throwError(() => thrown),
      ),
    ),
  );

export const reviving = (open: OpenStorage, first: Storage, { scheduler }: Pick<Clock, 'scheduler'>): Reviving => {
  const current = new BehaviorSubject(first);

  const revived = (contents: Contents): Observable<StorageHealth> =>
    open.pipe(
      take(1),
      switchMap((next) =>
        concat(
          filled(next, contents),
          defer(() => {
            current.next(next);
            return of<StorageHealth>({ state: 'back' });
          }),
        ),
      ),
      retry({
        delay: (_, attempt) => timer(Math.min(mostMs, firstMs * 2 ** (attempt - 1)), scheduler),
      }),
      take(1),
    );

  return {
    storage: {
      range: (range) => defer(() => current.value.range(range)),
      batch: (changes, options) => defer(() => current.value.batch(changes, options)),
      close: () => defer(() => current.value.close()),
    },
    health$: (contents) =>
      current.pipe(
        switchMap(({ lost$ }) => lost$ ?? NEVER),
        exhaustMap((error) =>
          defer(() => {
            const before = current.value;
            current.next(gone(error));
            return concat(of<StorageHealth>({ state: 'lost', error }), letGo(before), revived(contents));
          }),
        ),
      ),
  };
};
