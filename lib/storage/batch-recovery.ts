import { catchError, defer, finalize, map, type Observable, of, ReplaySubject, switchMap, tap, throwError } from 'rxjs';
import { keyRangeOf, type Storage, type StorageChange, type StorageEntry } from './storage.js';

/**
 * The contents of a storage that was opened again. `intact`: the last written or a pending batch. `own`: a batch that
 * was rejected. `other`: other data.
 */
export type RecoveredContents = 'intact' | 'own' | 'other';

/** A storage whose calls wait while it is opened again, and are then repeated. */
export interface BatchRecovery {
  readonly storage: Pick<Storage, 'range' | 'batch'>;
  /** Marks the storage as lost: calls that fail from now on wait for the outcome. */
  readonly hold: () => void;
  /** Repeats all waiting calls in their order, after the storage is back. */
  readonly resume: () => void;
  /** Lets all waiting calls error, because the storage is not back. */
  readonly fail: () => void;
  /** Identifies the contents of a storage that was opened again. Emits once and completes. */
  readonly recognize: (storage: Storage) => Observable<RecoveredContents>;
}

/** Rejected batches of unknown outcome: more than a store has running at once. */
const rejectedMax = 64;

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);

const writtenValueOf = (changes: readonly StorageChange[], key: string): Uint8Array | null =>
  changes.reduce<Uint8Array | null>(
    (found, change) => (change.key === key && change.type === 'put' ? change.value : found),
    null,
  );

/** Identifies the stored data by the value of one key, which each batch changes. */
const createRecognition = (key: string) => {
  let stored: Uint8Array | null = null;
  let rejected: readonly Uint8Array[] = [];
  const pending = new Set<Uint8Array>();
  return {
    read: (entries: readonly StorageEntry[]): void => {
      const found = stored === null ? entries.find(([each]) => each === key) : undefined;
      if (found) [, stored] = found;
    },
    noteBatch: (changes: readonly StorageChange[], batch$: Observable<never>): Observable<never> => {
      const value = writtenValueOf(changes, key);
      if (value === null) return batch$;
      pending.add(value);
      return batch$.pipe(
        tap({
          complete: () => {
            stored = value;
            rejected = [];
          },
          error: () => (rejected = [...rejected, value].slice(-rejectedMax)),
        }),
        finalize(() => pending.delete(value)),
      );
    },
    recognize: (storage: Storage): Observable<RecoveredContents> => {
      const last = stored;
      if (last === null) return of('other');
      return storage.range(keyRangeOf(key)).pipe(
        map(([entry]): RecoveredContents => {
          const value = entry?.[1];
          if (value === undefined) return 'other';
          if ([last, ...pending].some((each) => isSame(each, value))) return 'intact';
          return rejected.some((each) => isSame(each, value)) ? 'own' : 'other';
        }),
      );
    },
  };
};

/** Repeats batches safely: a batch contains final values, so a batch that may have been stored can be stored again. */
export const createBatchRecovery = (present: () => Storage, key: string): BatchRecovery => {
  const { read, noteBatch, recognize } = createRecognition(key);
  let held: ReplaySubject<boolean> | null = null;

  /** Repeats a call that fails while the storage is held, or after it was replaced. */
  const again = <A>(call: (storage: Storage) => Observable<A>): Observable<A> =>
    defer(() => {
      const storage = present();
      return call(storage).pipe(
        catchError((thrown: unknown) => {
          const end$ = throwError(() => thrown);
          if (held !== null) return held.pipe(switchMap((isThere) => (isThere ? again(call) : end$)));
          return present() === storage ? end$ : again(call);
        }),
      );
    });
  const settle = (isThere: boolean): void => {
    const waiting = held;
    held = null;
    waiting?.next(isThere);
    waiting?.complete();
  };

  return {
    storage: {
      range: (range) => again((storage) => storage.range(range)).pipe(tap(read)),
      batch: (changes, options) =>
        defer(() =>
          noteBatch(
            changes,
            again((storage) => storage.batch(changes, options)),
          ),
        ),
    },
    hold: () => (held ??= new ReplaySubject(1)),
    resume: () => {
      settle(true);
    },
    fail: () => {
      settle(false);
    },
    recognize,
  };
};
