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

/** A storage that is opened again when it was lost under way. */
export interface Reviving {
  /** Behaves as the present storage does: everything errors while that is lost. */
  readonly storage: Storage;
  /**
   * Watches the storage: emits when it is lost, and when it is back. What was in memory is written again, in one durable
   * batch, as soon as the place can be opened and is empty: tried again after 1, 2, 4 … up to 60 seconds. Cold, to be
   * subscribed to once; never errors. Lost for good is what is not all in memory. `contents`: everything that has to be stored, as it is in memory then; `null`: that is not all.
   */
  readonly health$: (contents: () => readonly StorageChange[] | null) => Observable<StorageHealth>;
}

const firstMs = 1_000;
const mostMs = 60_000;

/** Nothing is in it: whatever else is there is not ours to write over. */
const empty = (storage: Storage): Observable<Storage> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap(({ length }) => {
      if (length === 0) return of(storage);
      const taken = new StorageError('The storage was lost, and holds something else by now. It was left as it is.');
      return concat(
        storage.close(),
        throwError(() => taken),
      );
    }),
  );

/** Stands in the place of what is lost. */
const gone = (error: StorageError): Storage => ({
  range: () => throwError(() => error),
  batch: () => throwError(() => error),
  close: () => EMPTY,
});

/** What is lost may still hold the lock of its place. */
const letGo = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

export const reviving = (open: OpenStorage, first: Storage, { scheduler }: Pick<Clock, 'scheduler'>): Reviving => {
  const current = new BehaviorSubject(first);

  const revived = (contents: () => readonly StorageChange[] | null): Observable<StorageHealth> =>
    open.pipe(
      take(1),
      switchMap(empty),
      switchMap((next) => {
        const all = contents();
        if (all === null) return concat(next.close(), NEVER);
        return concat(
          next.batch(all, { durable: true }),
          defer(() => {
            current.next(next);
            return of<StorageHealth>({ state: 'back' });
          }),
        );
      }),
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
