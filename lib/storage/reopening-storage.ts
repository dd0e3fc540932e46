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
 * The health of a storage. `lost`: it is gone or does not answer, with the reason. `back`: it is usable again, and
 * everything in memory is stored.
 */
export type StorageHealth = { readonly state: 'lost'; readonly error: StorageError } | { readonly state: 'back' };

/** All entries to store, as they are in memory at the call; `null` when not all are in memory. */
type Contents = () => readonly StorageChange[] | null;

/** A storage that is opened again when it is lost. */
export interface ReopeningStorage {
  /**
   * Behaves as the present storage. While that is lost, all calls error. Calls that were running when it was lost wait
   * for the first attempt to open it again; if the stored data is still that of this storage, they continue unnoticed.
   * Closing waits for a running attempt, which then leaves nothing open.
   */
  readonly storage: Storage;
  /**
   * Observes and repairs the storage. Emits when it is lost and when it is back.
   *
   * When the data is intact, the storage is only opened again, and nothing is emitted if that takes less than a second.
   * Otherwise the contents of memory are written again, in one durable batch, as soon as the storage can be opened and
   * is empty; attempts follow after 1, 2, 4 … up to 60 seconds. Data that is not all in memory stays lost. Also emits
   * when a call is unanswered for longer than its limit, and when it is answered. Cold, to be subscribed once;
   * completes when the storage is closed; never errors.
   */
  readonly health$: (contents: Contents) => Observable<StorageHealth>;
}

export interface ReopeningOptions {
  /** A key whose value changes with each batch. Its value identifies the stored data. */
  readonly key: string;
  /** Milliseconds that a call may take before it is reported. `Infinity`: never reported. */
  readonly callMs: number;
}

const retryMsMin = 1_000;
const retryMsMax = 60_000;

/** Replaces a storage that is lost. */
const createLostStorage = (error: StorageError): Storage => ({
  range: () => throwError(() => error),
  batch: () => throwError(() => error),
  close: () => EMPTY,
});

/** Closes a lost storage, which may still hold its lock. */
const closeQuietly = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/**
 * Writes everything into an empty storage; other data there is never overwritten. When not all is in memory, calls
 * `onGivenUp` and never completes.
 */
const fillStorage = (storage: Storage, contents: Contents, onGivenUp: () => void): Observable<never> =>
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
const rewriteStorage = (storage: Storage, contents: Contents): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }).pipe(
    switchMap((entries) => {
      const all = contents();
      if (all === null)
        throw new StorageError('The storage was lost during a write, and its data is not all in memory.');
      const deletes = entries.map(([key]): StorageChange => ({ type: 'del', key }));
      return storage.batch([...deletes, ...all], { durable: true });
    }),
  );

const createUnansweredError = (ms: number): StorageError =>
  new StorageError(`The storage has not answered for ${ms} ms. Its calls are still running.`);

const healthyAgain: StorageHealth = { state: 'back' };

/** The shared state of one storage. */
interface ReopeningContext {
  readonly open: OpenStorage;
  readonly scheduler: Clock['scheduler'];
  readonly current: BehaviorSubject<Storage>;
  readonly recovery: BatchRecovery;
  readonly closed: BehaviorSubject<boolean>;
  /** Whether an attempt is running. It must run to its end, or the storage that it opens would stay open. */
  readonly trying: BehaviorSubject<boolean>;
  readonly contents: Contents;
}

/** The report of one loss. */
interface LossReport {
  /** Emits that the storage is lost, once for all subscriptions. */
  readonly report$: Observable<StorageHealth>;
  readonly isReported: () => boolean;
}

const createLossReport = (error: StorageError): LossReport => {
  let isReported = false;
  const report$ = defer(() => {
    if (isReported) return EMPTY;
    isReported = true;
    return of<StorageHealth>({ state: 'lost', error });
  });
  return { report$, isReported: () => isReported };
};

/**
 * Restores the contents, unless they are intact. Batches that wait to be stored again error when the data is not
 * intact.
 */
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

const tryReopen = (context: ReopeningContext, report: LossReport): Observable<StorageHealth> =>
  defer(() => {
    const { open, current, recovery, closed, trying } = context;
    trying.next(true);
    return open.pipe(
      take(1),
      switchMap((next) =>
        concat(
          closed.value ? EMPTY : restoreContents(next, context, report),
          defer(() => {
            if (closed.value) return closeQuietly(next);
            current.next(next);
            recovery.resume();
            return report.isReported() ? of(healthyAgain) : EMPTY;
          }),
        ),
      ),
      catchError((thrown: unknown) => {
        recovery.fail();
        return concat(
          report.report$,
          throwError(() => thrown),
        );
      }),
      finalize(() => trying.next(false)),
    );
  });

const reopenStorage = (context: ReopeningContext, error: StorageError): Observable<StorageHealth> =>
  defer(() => {
    const { current, recovery, scheduler } = context;
    const before = current.value;
    const report = createLossReport(error);
    const done = new ReplaySubject<void>(1);
    recovery.hold();
    current.next(createLostStorage(error));
    const trying$ = tryReopen(context, report).pipe(
      retry({ delay: (_, attempt) => timer(Math.min(retryMsMax, retryMsMin * 2 ** (attempt - 1)), scheduler) }),
      finalize(() => done.next()),
    );
    const late$ = timer(retryMsMin, scheduler).pipe(
      switchMap(() => report.report$),
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
  const closed$ = combineLatest([closed, trying]).pipe(filter(([isClosed, isTrying]) => isClosed && !isTrying));
  const recovery = createBatchRecovery(() => current.value, key);
  const overdue = createSlowCallWatch(callMs, { scheduler });
  const unanswered$ = overdue.overdue$.pipe(
    map((isLate): StorageHealth => (isLate ? { state: 'lost', error: createUnansweredError(callMs) } : healthyAgain)),
  );
  return {
    storage: {
      ...overdue.watch(recovery.storage),
      close: () =>
        defer(() => {
          closed.next(true);
          recovery.fail();
          return concat(current.value.close(), trying.pipe(takeWhile(Boolean), ignoreElements()));
        }),
    },
    health$: (contents) => {
      const lost$ = current.pipe(
        switchMap(({ lost$ }) => lost$ ?? NEVER),
        exhaustMap((error) => reopenStorage({ open, scheduler, current, recovery, closed, trying, contents }, error)),
      );
      return merge(lost$, unanswered$).pipe(takeUntil(closed$));
    },
  };
};
