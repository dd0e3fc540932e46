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
  map,
  merge,
  NEVER,
  type Observable,
  of,
  ReplaySubject,
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
import { createSlowCallWatch } from './slow-call-watch.js';
import { createBatchRecovery, type BatchRecovery } from './batch-recovery.js';
import type { OpenStorage, Storage, StorageChange } from './storage.js';

/**
 * How a storage is: `lost` says why, also that it does not answer; `back`: it can be used again, and everything that
 * was in memory is stored.
 */
export type StorageHealth = { readonly state: 'lost'; readonly error: StorageError } | { readonly state: 'back' };

/** Everything that has to be stored, as it is in memory at the call; `null`: that is not all. */
type Contents = () => readonly StorageChange[] | null;

/** A storage that is opened again when it was lost under way. */
export interface ReopeningStorage {
  /**
   * Behaves as the present storage does: everything errors while that is lost. What is under way when it is lost waits
   * for the first try to open it again: when what is stored is what this storage has written, it goes on as if nothing
   * had been. Closing waits for a try that is under way, which then leaves nothing open.
   */
  readonly storage: Storage;
  /**
   * Watches the storage: emits when it is lost, and when it is back. When its data is intact it is only opened again,
   * and nothing is emitted if that takes less than a second. Else what was in memory is written again, in one durable
   * batch, as soon as the place can be opened and is empty: tried again after 1, 2, 4 … up to 60 seconds. Emits as well
   * when a call stays unanswered for longer than its bound, and when it is answered. Cold, to be subscribed to once;
   * completes when the storage is closed; never errors. Lost for good is what is not all in memory.
   */
  readonly health$: (contents: Contents) => Observable<StorageHealth>;
}

export interface ReopeningOptions {
  /**
   * The key whose value is another one after each batch that anybody writes here: by it what is stored is recognised.
   */
  readonly key: string;
  /** Milliseconds that a call may take until that is told. `Infinity`: it is not. */
  readonly callMs: number;
}

const retryMsMin = 1_000;
const retryMsMax = 60_000;

/** Stands in the place of what is lost. */
const createLostStorage = (error: StorageError): Storage => ({
  range: () => throwError(() => error),
  batch: () => throwError(() => error),
  close: () => EMPTY,
});

/** What is lost may still hold the lock of its place. */
const closeQuietly = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/**
 * Puts everything into a storage in which nothing is: whatever else is there is not ours to write over. Never completes
 * when not all is in memory, and says so.
 */
const fillStorage = (storage: Storage, contents: Contents, givenUp: () => void): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap(({ length }) => {
      if (length > 0) {
        throw new StorageError('The storage was lost, and holds something else by now. It was left as it is.');
      }
      const all = contents();
      if (all !== null) return storage.batch(all, { durable: true });
      return concat(
        closeQuietly(storage),
        defer(() => {
          givenUp();
          return NEVER;
        }),
      );
    }),
    // What cannot be filled is let go of, or its own lock would keep the next try out.
    catchError((thrown: unknown) =>
      concat(
        closeQuietly(storage),
        throwError(() => thrown),
      ),
    ),
  );

/** The same storage, opened again: what was under way has been rejected by now, and may be stored all the same. */
const rewriteStorage = (storage: Storage, contents: Contents): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }).pipe(
    switchMap((entries) => {
      const all = contents();
      if (all === null)
        throw new StorageError('The storage was lost while it was being written, and is not all in memory.');
      const gone = entries.map(([key]): StorageChange => ({ type: 'del', key }));
      return storage.batch([...gone, ...all], { durable: true });
    }),
  );

const createUnansweredError = (ms: number): StorageError =>
  new StorageError(`The storage has not answered for ${ms} ms. What was asked of it is still under way.`);

const healthyAgain: StorageHealth = { state: 'back' };

/** What is shared by all that happens to one storage. */
interface ReopeningContext {
  readonly open: OpenStorage;
  readonly scheduler: Clock['scheduler'];
  readonly current: BehaviorSubject<Storage>;
  readonly recovery: BatchRecovery;
  readonly closed: BehaviorSubject<boolean>;
  /** Whether a try is under way: it goes on to its end, or what it has opened would stay open. */
  readonly trying: BehaviorSubject<boolean>;
  readonly contents: Contents;
}

/** How one loss is told of. */
interface LossReport {
  /** Emits that it is lost, once for all subscriptions. */
  readonly report$: Observable<StorageHealth>;
  readonly isReported: () => boolean;
}

const createLossReport = (error: StorageError): LossReport => {
  let told = false;
  const tell$ = defer(() => {
    if (told) return EMPTY;
    told = true;
    return of<StorageHealth>({ state: 'lost', error });
  });
  return { report$: tell$, isReported: () => told };
};

/** Stores what was lost, unless it is there. What waits to be stored does so no longer when it is not. */
const restoreContents = (
  next: Storage,
  { recovery, contents, trying }: ReopeningContext,
  { report$ }: LossReport,
): Observable<StorageHealth> =>
  recovery.recognize(next).pipe(
    catchError((thrown: unknown) =>
      concat(
        closeQuietly(next),
        throwError(() => thrown),
      ),
    ),
    switchMap((found) => {
      if (found === 'intact') return EMPTY;
      recovery.fail();
      return concat(
        report$,
        found === 'own' ? rewriteStorage(next, contents) : fillStorage(next, contents, () => trying.next(false)),
      );
    }),
  );

const tryReopen = (living: ReopeningContext, telling: LossReport): Observable<StorageHealth> =>
  defer(() => {
    const { open, current, recovery, closed, trying } = living;
    trying.next(true);
    return open.pipe(
      take(1),
      switchMap((next) =>
        concat(
          closed.value ? EMPTY : restoreContents(next, living, telling),
          defer(() => {
            if (closed.value) return closeQuietly(next);
            current.next(next);
            recovery.resume();
            return telling.isReported() ? of(healthyAgain) : EMPTY;
          }),
        ),
      ),
      catchError((thrown: unknown) => {
        recovery.fail();
        return concat(
          telling.report$,
          throwError(() => thrown),
        );
      }),
      finalize(() => trying.next(false)),
    );
  });

const reopenStorage = (living: ReopeningContext, error: StorageError): Observable<StorageHealth> =>
  defer(() => {
    const { current, recovery, scheduler } = living;
    const before = current.value;
    const telling = createLossReport(error);
    const done = new ReplaySubject<void>(1);
    recovery.hold();
    current.next(createLostStorage(error));
    const trying$ = tryReopen(living, telling).pipe(
      retry({ delay: (_, attempt) => timer(Math.min(retryMsMax, retryMsMin * 2 ** (attempt - 1)), scheduler) }),
      finalize(() => done.next()),
    );
    const late$ = timer(retryMsMin, scheduler).pipe(
      switchMap(() => telling.report$),
      takeUntil(done),
    );
    return merge(concat(closeQuietly(before), trying$), late$);
  });

export const createReopeningStorage = (
  open: OpenStorage,
  first: Storage,
  { scheduler }: Pick<Clock, 'scheduler'>,
  { key, callMs }: ReopeningOptions = { key: '', callMs: Infinity },
): ReopeningStorage => {
  const current = new BehaviorSubject(first);
  const closed = new BehaviorSubject(false);
  const trying = new BehaviorSubject(false);
  const over$ = combineLatest([closed, trying]).pipe(filter(([isClosed, isTrying]) => isClosed && !isTrying));
  const replayed = createBatchRecovery(() => current.value, key);
  const overdue = createSlowCallWatch(callMs, { scheduler });
  const owing$ = overdue.overdue$.pipe(
    map((isLate): StorageHealth => (isLate ? { state: 'lost', error: createUnansweredError(callMs) } : healthyAgain)),
  );
  return {
    storage: {
      ...overdue.watch(replayed.storage),
      close: () =>
        defer(() => {
          closed.next(true);
          replayed.fail();
          return concat(current.value.close(), trying.pipe(takeWhile(Boolean), ignoreElements()));
        }),
    },
    health$: (contents) => {
      const lost$ = current.pipe(
        switchMap(({ lost$ }) => lost$ ?? NEVER),
        exhaustMap((error) =>
          reopenStorage({ open, scheduler, current, recovery: replayed, closed, trying, contents }, error),
        ),
      );
      return merge(lost$, owing$).pipe(takeUntil(over$));
    },
  };
};
