import {
  BehaviorSubject,
  catchError,
  combineLatest,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  ignoreElements,
  NEVER,
  type Observable,
  of,
  retry,
  switchMap,
  take,
  takeUntil,
  takeWhile,
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
  /** Behaves as the present storage does: everything errors while that is lost. Closing waits for a try that is under way, which then leaves nothing open. */
  readonly storage: Storage;
  /**
   * Watches the storage: emits when it is lost, and when it is back. What was in memory is written again, in one durable
   * batch, as soon as the place can be opened and is empty: tried again after 1, 2, 4 … up to 60 seconds. Cold, to be
   * subscribed to once; completes when the storage is closed; never errors. Lost for good is what is not all in memory.
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

/** Puts everything into a storage in which nothing is: whatever else is there is not ours to write over. Never completes when not all is in memory, and says so. */
const filled = (storage: Storage, contents: Contents, givenUp: () => void): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap(({ length }) => {
      if (length > 0) {
        throw new StorageError('The storage was lost, and holds something else by now. It was left as it is.');
      }
      const all = contents();
      if (all !== null) return storage.batch(all, { durable: true });
      return concat(
        letGo(storage),
        defer(() => {
          givenUp();
          return NEVER;
        }),
      );
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

  const closed = new BehaviorSubject(false);
  /** Whether a try is under way: it goes on to its end, or what it has opened would stay open. */
  const trying = new BehaviorSubject(false);
  const over$ = combineLatest([closed, trying]).pipe(filter(([isClosed, isTrying]) => isClosed && !isTrying));

  const tried = (contents: Contents): Observable<StorageHealth> =>
    defer(() => {
      trying.next(true);
      return open.pipe(
        take(1),
        switchMap((next) =>
          concat(
            closed.value ? EMPTY : filled(next, contents, () => trying.next(false)),
            defer(() => {
              if (closed.value) return letGo(next);
              current.next(next);
              return of<StorageHealth>({ state: 'back' });
            }),
          ),
        ),
        finalize(() => trying.next(false)),
      );
    });

  const revived = (contents: Contents): Observable<StorageHealth> =>
    tried(contents).pipe(
      retry({
        delay: (_, attempt) => timer(Math.min(mostMs, firstMs * 2 ** (attempt - 1)), scheduler),
      }),
      take(1),
    );

  return {
    storage: {
      range: (range) => defer(() => current.value.range(range)),
      batch: (changes, options) => defer(() => current.value.batch(changes, options)),
      close: () =>
        defer(() => {
          closed.next(true);
          return concat(current.value.close(), trying.pipe(takeWhile(Boolean), ignoreElements()));
        }),
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
        takeUntil(over$),
      ),
  };
};
