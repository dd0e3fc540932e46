import { catchError, defer, finalize, map, type Observable, of, ReplaySubject, switchMap, tap, throwError } from 'rxjs';
import { keyRangeOf, type Storage, type StorageChange, type StorageEntry } from './storage.js';

/**
 * What is found when a storage is opened again: what was written last, or is being written; what was written and
 * rejected; or something else.
 */
export type RecoveredContents = 'intact' | 'own' | 'other';

/** A storage whose calls wait, and are made again, while it is being opened again. */
export interface BatchRecovery {
  readonly storage: Pick<Storage, 'range' | 'batch'>;
  /** It was lost: what fails from now on waits for what comes of it. */
  readonly hold: () => void;
  /** It is there again: everything that waits is asked of it, in its order. */
  readonly resume: () => void;
  /** It is not: everything that waits errors. */
  readonly fail: () => void;
  /** What a storage that was opened again holds. Emits once and completes. */
  readonly recognize: (storage: Storage) => Observable<RecoveredContents>;
}

/** Rejected batches whose outcome nobody knows: as many as a store has under way at once, and more. */
const rejectedMax = 64;

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);

const writtenValueOf = (changes: readonly StorageChange[], key: string): Uint8Array | null =>
  changes.reduce<Uint8Array | null>(
    (found, change) => (change.key === key && change.type === 'put' ? change.value : found),
    null,
  );

/** Knows by the value of one key, which each batch changes, what is stored. */
const createRecognition = (key: string) => {
  let known: Uint8Array | null = null;
  let rejected: readonly Uint8Array[] = [];
  const pending = new Set<Uint8Array>();
  return {
    read: (entries: readonly StorageEntry[]): void => {
      const found = known === null ? entries.find(([each]) => each === key) : undefined;
      if (found) [, known] = found;
    },
    batched: (changes: readonly StorageChange[], batch$: Observable<never>): Observable<never> => {
      const value = writtenValueOf(changes, key);
      if (value === null) return batch$;
      pending.add(value);
      return batch$.pipe(
        tap({
          complete: () => {
            known = value;
            rejected = [];
          },
          error: () => (rejected = [...rejected, value].slice(-rejectedMax)),
        }),
        finalize(() => pending.delete(value)),
      );
    },
    recognised: (storage: Storage): Observable<RecoveredContents> => {
      const last = known;
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

/** Batches say what is to be, not what is to change: one that may have been stored can be stored again. */
export const createBatchRecovery = (present: () => Storage, key: string): BatchRecovery => {
  const { read, batched, recognised } = createRecognition(key);
  let held: ReplaySubject<boolean> | null = null;

  /** What fails while the storage is held, or on one that has been replaced meanwhile, is made again. */
  const again = <A>(call: (storage: Storage) => Observable<A>): Observable<A> =>
    defer(() => {
      const asked = present();
      return call(asked).pipe(
        catchError((thrown: unknown) => {
          const end$ = throwError(() => thrown);
          if (held !== null) return held.pipe(switchMap((isThere) => (isThere ? again(call) : end$)));
          return present() === asked ? end$ : again(call);
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
          batched(
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
    recognize: recognised,
  };
};
