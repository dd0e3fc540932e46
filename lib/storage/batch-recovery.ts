import { catchError, defer, map, Observable, of, ReplaySubject, switchMap, tap, throwError } from 'rxjs';
import { isSameValue } from '../model/value.js';
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

/**
 * Returns the value that a batch writes under a key. Searches from the end, where a store puts the key that identifies
 * its batches.
 */
export const writtenValueOf = (changes: readonly StorageChange[], key: string): Uint8Array | null => {
  for (let at = changes.length - 1; at >= 0; at -= 1) {
    const change = changes[at];
    if (change?.key === key && change.type === 'put') return change.value;
  }
  return null;
};

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
    /** Notes a batch that is being written. Returns a function to be called when its call has ended in any way. */
    begin: (value: Uint8Array): (() => void) => {
      pending.add(value);
      return () => void pending.delete(value);
    },
    stored: (value: Uint8Array): void => {
      stored = value;
      rejected = [];
    },
    failed: (value: Uint8Array): void => {
      rejected = [...rejected, value].slice(-rejectedMax);
    },
    recognize: (storage: Storage): Observable<RecoveredContents> => {
      const last = stored;
      if (last === null) return of('other');
      return storage.range(keyRangeOf(key)).pipe(
        map(([entry]): RecoveredContents => {
          const value = entry?.[1];
          if (value === undefined) return 'other';
          if ([last, ...pending].some((each) => isSameValue(each, value))) return 'intact';
          return rejected.some((each) => isSameValue(each, value)) ? 'own' : 'other';
        }),
      );
    },
  };
};

/** Repeats batches safely: a batch contains final values, so a batch that may have been stored can be stored again. */
export const createBatchRecovery = (present: () => Storage, key: string): BatchRecovery => {
  const recognition = createRecognition(key);
  let held: ReplaySubject<boolean> | null = null;

  /** Repeats a call that has failed on a storage, if the storage is held or was replaced. */
  const repeatFailed = <A>(
    thrown: unknown,
    storage: Storage,
    call: (storage: Storage) => Observable<A>,
  ): Observable<A> => {
    const end$ = throwError(() => thrown);
    if (held !== null) return held.pipe(switchMap((isThere) => (isThere ? again(call) : end$)));
    return present() === storage ? end$ : again(call);
  };
  const again = <A>(call: (storage: Storage) => Observable<A>): Observable<A> =>
    defer(() => {
      const storage = present();
      return call(storage).pipe(catchError((thrown: unknown) => repeatFailed(thrown, storage, call)));
    });
  /**
   * Writes a batch, and notes its identifying value. By hand, because every write passes here: with operators, a small
   * batch in memory took 20 instead of 5 µs.
   */
  const writeBatch = (changes: readonly StorageChange[], options: Parameters<Storage['batch']>[1]): Observable<never> =>
    new Observable((subscriber) => {
      const value = writtenValueOf(changes, key);
      const storage = present();
      const complete = (): void => {
        if (value !== null) recognition.stored(value);
        subscriber.complete();
      };
      const fail = (thrown: unknown): void => {
        if (value !== null) recognition.failed(value);
        subscriber.error(thrown);
      };
      const repeat = (thrown: unknown): void => {
        const repeated$ = repeatFailed(thrown, storage, (next) => next.batch(changes, options));
        subscriber.add(repeated$.subscribe({ complete, error: fail }));
      };
      if (value !== null) subscriber.add(recognition.begin(value));
      // A storage of the app may throw instead of returning a stream.
      const batch$ = defer(() => storage.batch(changes, options));
      subscriber.add(batch$.subscribe({ complete, error: repeat }));
    });
  const settle = (isThere: boolean): void => {
    const waiting = held;
    held = null;
    waiting?.next(isThere);
    waiting?.complete();
  };

  return {
    storage: {
      range: (range) => again((storage) => storage.range(range)).pipe(tap(recognition.read)),
      batch: writeBatch,
    },
    hold: () => (held ??= new ReplaySubject(1)),
    resume: () => {
      settle(true);
    },
    fail: () => {
      settle(false);
    },
    recognize: recognition.recognize,
  };
};
