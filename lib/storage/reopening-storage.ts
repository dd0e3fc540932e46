import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  merge,
  Observable,
  of,
  ReplaySubject,
  retry,
  type Subscriber,
  Subscription,
  switchMap,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import { createSlowCallWatch } from './slow-call-watch.js';
import { closeQuietly, type Contents, fillStorage, rewriteStorage } from './fill-storage.js';
import { createBatchRecovery, type BatchRecovery } from './batch-recovery.js';
import type { OpenStorage, Storage } from './storage.js';
import { StorageTakenOverError } from '../model/taken-over-error.js';

/**
 * The health of a storage. `lost`: it is gone or does not answer, with the reason. `back`: it is usable again, and
 * everything in memory is stored.
 */
export type StorageHealth = { readonly state: 'lost'; readonly error: StorageError } | { readonly state: 'back' };

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
   * is empty; attempts follow after 1, 2, 4 … up to 60 seconds. Data that is not all in memory stays lost, and so does
   * a storage that another tab has taken over: then the last error is a `StorageTakenOverError`. Also emits
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

const createUnansweredError = (ms: number): StorageError =>
  new StorageError(`The storage has not answered for ${ms} ms. Its calls are still running.`);

const healthyAgain: StorageHealth = { state: 'back' };

/** The state of one storage. A plain record: an operator costs a kilobyte, and every open realm has a storage. */
interface ReopeningContext {
  readonly open: OpenStorage;
  readonly scheduler: Clock['scheduler'];
  readonly recovery: BatchRecovery;
  contents: Contents;
  current: Storage;
  isClosed: boolean;
  /** Whether an attempt is running. It must run to its end, or the storage that it opens would stay open. */
  isTrying: boolean;
  /** Is called when the storage was replaced. */
  onReplaced: () => void;
  /** Is called when the storage was closed, or an attempt has ended. */
  onSettled: () => void;
}

const replaceStorage = (context: ReopeningContext, next: Storage): void => {
  context.current = next;
  context.onReplaced();
};

const endAttempt = (context: ReopeningContext): void => {
  context.isTrying = false;
  context.onSettled();
};

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
  context: ReopeningContext,
  { report$ }: LossReport,
): Observable<StorageHealth> => {
  const { recovery, contents } = context;
  return recovery.recognize(next).pipe(
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
        found === 'own'
          ? rewriteStorage(next, contents)
          : fillStorage(next, contents, () => {
              endAttempt(context);
            }),
      );
    }),
  );
};

const tryReopen = (context: ReopeningContext, report: LossReport): Observable<StorageHealth> =>
  defer(() => {
    const { open, recovery } = context;
    context.isTrying = true;
    return open.pipe(
      take(1),
      switchMap((next) =>
        concat(
          context.isClosed ? EMPTY : restoreContents(next, context, report),
          defer(() => {
            if (context.isClosed) return closeQuietly(next);
            replaceStorage(context, next);
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
      finalize(() => {
        endAttempt(context);
      }),
    );
  });

const isTakenOver = (thrown: unknown): boolean => thrown instanceof StorageTakenOverError;

const reopenStorage = (context: ReopeningContext, error: StorageError): Observable<StorageHealth> =>
  defer(() => {
    const { current: before, recovery, scheduler } = context;
    const report = createLossReport(error);
    const done = new ReplaySubject<void>(1);
    recovery.hold();
    replaceStorage(context, createLostStorage(error));
    const trying$ = (isTakenOver(error) ? throwError(() => error) : tryReopen(context, report)).pipe(
      retry({
        delay: (thrown: unknown, attempt) =>
          isTakenOver(thrown)
            ? throwError(() => thrown)
            : timer(Math.min(retryMsMax, retryMsMin * 2 ** (attempt - 1)), scheduler),
      }),
      // Only this error is not followed by another attempt.
      catchError((thrown: unknown) => {
        const takenOver = thrown as StorageError;
        replaceStorage(context, createLostStorage(takenOver));
        recovery.fail();
        return of<StorageHealth>({ state: 'lost', error: takenOver });
      }),
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
  const context: ReopeningContext = {
    open,
    scheduler,
    recovery: createBatchRecovery(() => context.current, key),
    contents: () => null,
    current: first,
    isClosed: false,
    isTrying: false,
    onReplaced: () => undefined,
    onSettled: () => undefined,
  };
  const { recovery } = context;
  const overdue = createSlowCallWatch(callMs, { scheduler });
  return {
    storage: {
      ...overdue.watch(recovery.storage),
      ...(first.isAsynchronous === true && { isAsynchronous: true }),
      close: () =>
        defer(() => {
          context.isClosed = true;
          recovery.fail();
          context.onSettled();
          return concat(context.current.close(), waitForAttempt(context));
        }),
    },
    health$: (contents) =>
      new Observable((observer) => {
        context.contents = contents;
        watchStorage(context, observer);
        if (callMs === Infinity) return;
        observer.add(
          overdue.overdue$.subscribe({
            next: (isLate) => {
              observer.next(isLate ? { state: 'lost', error: createUnansweredError(callMs) } : healthyAgain);
            },
            error: (thrown: unknown) => observer.error(thrown),
          }),
        );
      }),
  };
};

/** Completes when no attempt to open the storage is running. */
const waitForAttempt = (context: ReopeningContext): Observable<never> =>
  new Observable((observer) => {
    const { onSettled } = context;
    context.onSettled = () => {
      onSettled();
      if (!context.isTrying) observer.complete();
    };
    context.onSettled();
  });

/**
 * Opens a storage again whenever it is lost, until it is closed. An edge: a storage that cannot be lost costs nothing
 * here.
 */
const watchStorage = (context: ReopeningContext, observer: Subscriber<StorageHealth>): void => {
  let watching = Subscription.EMPTY;
  let isReopening = false;
  const fail = (thrown: unknown): void => observer.error(thrown);
  const onLost = (error: StorageError): void => {
    if (isReopening) return;
    isReopening = true;
    const reopening = reopenStorage(context, error).subscribe({
      next: (health) => observer.next(health),
      error: fail,
      complete: () => {
        isReopening = false;
      },
    });
    observer.add(reopening);
  };
  const watchLoss = (): void => {
    watching.unsubscribe();
    const { lost$ } = context.current;
    if (!lost$) return;
    const own = (watching = new Subscription()); // Before it is subscribed, because it may emit at once.
    own.add(lost$.subscribe({ next: onLost, error: fail }));
  };
  context.onReplaced = watchLoss;
  context.onSettled = () => {
    if (!context.isClosed || context.isTrying) return;
    watching.unsubscribe();
    observer.complete();
  };
  watchLoss();
  context.onSettled();
};
