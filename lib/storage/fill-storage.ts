import { catchError, concat, defer, EMPTY, NEVER, type Observable, switchMap, throwError } from 'rxjs';
import { StorageError } from '../model/errors.js';
import type { Storage, StorageChange } from './storage.js';

/** All entries to store, as they are in memory at the call; `null` when not all are in memory. */
export type Contents = () => readonly StorageChange[] | null;

/** Closes a lost storage, which may still hold its lock. */
export const closeQuietly = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/**
 * Writes everything into an empty storage; other data there is never overwritten. When not all is in memory, calls
 * `onGivenUp` and never completes.
 */
export const fillStorage = (storage: Storage, contents: Contents, onGivenUp: () => void): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap(({ length }) => {
      if (length > 0) {
        throw new StorageError('The storage was lost and now holds other data. It was left as it is.');
      }
      const all = contents();
      if (all !== null) return storage.batch(all, { durable: true });
      return concat(
        closeQuietly(storage),
        defer(() => {
          onGivenUp();
          return NEVER;
        }),
      );
    }),
    // A storage that cannot be filled is closed, or its own lock would block the next attempt.
    catchError((thrown: unknown) =>
      concat(
        closeQuietly(storage),
        throwError(() => thrown),
      ),
    ),
  );

/** Rewrites the same storage after it was opened again: rejected batches may have been stored nevertheless. */
export const rewriteStorage = (storage: Storage, contents: Contents): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }).pipe(
    switchMap((entries) => {
      const all = contents();
      if (all === null)
        throw new StorageError('The storage was lost during a write, and its data is not all in memory.');
      const deletes = entries.map(([key]): StorageChange => ({ type: 'del', key }));
      return storage.batch([...deletes, ...all], { durable: true });
    }),
  );
