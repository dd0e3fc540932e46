import { Observable, ReplaySubject, type SchedulerLike, type Subscriber, Subscription, timer } from 'rxjs';
import { type OpenStorage, type Storage, StorageError } from '../lib/index.js';
import { createClosedError } from '../lib/storage/check-changes.js';
import type { TabProcess } from './tab-process.js';
import { createTakenOverError } from './virtual-locks.js';

/** Milliseconds to wait for the lock of another tab. */
const graceMs = 500;

/** Limits the wait for a lock to half a second. Errors with a `StorageError` then. */
export const limitWait = (name: string, { clock }: TabProcess, lock$: Observable<void>): Observable<void> =>
  new Observable((subscriber) => {
    const grace = timer(graceMs, clock.scheduler).subscribe(() =>
      subscriber.error(new StorageError(`The storage "${name}" is in use by another tab.`)),
    );
    subscriber.add(grace);
    subscriber.add(
      lock$.subscribe({
        next: () => {
          grace.unsubscribe();
          subscriber.next();
        },
        error: (thrown: unknown) => subscriber.error(thrown),
      }),
    );
  });

/** A later tab waits less than this many milliseconds for calls that are running when it takes the storage over. */
const patienceMs = 100;

export interface VirtualStorageOptions {
  readonly name: string;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Opens the data. It must end the calls of the storage that it opened before, as the disk of a world does. */
  readonly open: (how: 'wait' | 'steal') => OpenStorage;
}

/** The way in which a tab opens the storage of its browser. */
export interface OpeningOptions {
  readonly tab: TabProcess;
  readonly how: 'wait' | 'steal';
  /** The lock of the storage. It is held until the storage is closed. */
  readonly lock$: Observable<void>;
}

/** A storage that one tab has opened, or is opening. */
interface Opening {
  readonly tab: TabProcess;
  readonly lost: ReplaySubject<StorageError>;
  /** Ends each running call with the error of a storage that was taken over. */
  readonly running: Set<() => void>;
  /** Is called when a running call has ended. */
  onEnded: () => void;
  /** The error of all later calls, after the storage was closed or a later tab has taken it over. */
  error: StorageError | null;
}

/** Runs a call and emits its results in the tab. `onLost` ends a call of a storage that was taken over. */
const runCall = <A>(
  opening: Opening,
  call: () => Observable<A>,
  onLost: (subscriber: Subscriber<A>) => void,
): Observable<A> =>
  new Observable<A>((subscriber) => {
    const { tab, running } = opening;
    if (tab.isEnded()) return;
    const stop = (): void => tab.run(() => onLost(subscriber));
    if (opening.error !== null) {
      stop();
      return;
    }
    running.add(stop);
    const endWith = (event: () => void): void => {
      running.delete(stop);
      tab.run(event);
      opening.onEnded();
    };
    // Unsubscribing cancels the result, not the work.
    call().subscribe({
      next: (value) => tab.run(() => subscriber.next(value)),
      error: (thrown: unknown) => endWith(() => subscriber.error(thrown)),
      complete: () => endWith(() => subscriber.complete()),
    });
  });

/** Wraps the storage of one opening. `onClosed` is called when it is closed. */
const createTabStorage = (opening: Opening, storage: Storage, onClosed: () => void): Storage => {
  const fail = (subscriber: Subscriber<unknown>): void => subscriber.error(opening.error);
  const { isAsynchronous } = storage;
  const close = (): Observable<never> =>
    runCall<never>(
      opening,
      () => storage.close(),
      (subscriber) => subscriber.complete(),
    );
  return {
    ...(isAsynchronous !== undefined && { isAsynchronous }),
    range: (range) => runCall(opening, () => storage.range(range), fail),
    batch: (changes, options) => runCall<never>(opening, () => storage.batch(changes, options), fail),
    close: () =>
      new Observable<never>((subscriber) => {
        close().subscribe({
          error: (thrown: unknown) => subscriber.error(thrown),
          complete: () => {
            opening.error ??= createClosedError(); // The disk does not answer once a later tab has opened it.
            onClosed();
            opening.lost.complete();
            subscriber.complete();
          },
        });
      }),
    lost$: opening.lost.asObservable(),
  };
};

/**
 * Creates the storage of a browser, which one tab after the other can open. A later tab lets calls that are running end
 * for a short while, and ends the rest: their batches are not stored.
 */
export const createVirtualStorage = ({ name, scheduler, random, open }: VirtualStorageOptions) => {
  const openings = new Set<Opening>();

  /** Ends a storage for all later calls. */
  const takeOver = (opening: Opening): void => {
    if (opening.error !== null) return;
    const error = (opening.error = createTakenOverError(`the storage "${name}"`));
    opening.tab.run(() => opening.lost.next(error));
  };
  const stopCalls = (opening: Opening): void => {
    openings.delete(opening);
    for (const stop of opening.running) stop();
    opening.running.clear();
  };
  /** Takes the storage over from all earlier openings. Calls `then` when none of their calls is running. */
  const replaceEarlier = (own: Opening, then: () => void): Subscription => {
    const earlier = [...openings].filter((each) => each !== own);
    earlier.forEach(takeOver);
    const isIdle = (): boolean => earlier.every(({ running }) => running.size === 0);
    const wait = new Subscription();
    const finish = (): void => {
      wait.unsubscribe();
      earlier.forEach(stopCalls);
      then();
    };
    if (isIdle()) finish();
    else wait.add(timer(Math.floor(random() * patienceMs), scheduler).subscribe(finish));
    for (const each of earlier)
      each.onEnded = () => {
        if (!wait.closed && isIdle()) finish();
      };
    return wait;
  };

  return ({ tab, how, lock$ }: OpeningOptions): OpenStorage =>
    new Observable<Storage>((subscriber) => {
      const opening: Opening = {
        ...{ tab, lost: new ReplaySubject(1), running: new Set(), onEnded: () => undefined, error: null },
      };
      let isOpen = false;
      const lock = new Subscription();
      const release = (): void => {
        openings.delete(opening);
        lock.unsubscribe();
      };
      const emit = (storage: Storage): void => {
        if (opening.error !== null) {
          tab.run(() => subscriber.error(opening.error));
          return;
        }
        tab.run(() => {
          isOpen = true;
          subscriber.next(createTabStorage(opening, storage, release));
          subscriber.complete();
        });
      };
      const openData = (): void => {
        // A third tab may have taken the storage over meanwhile.
        if (opening.error !== null) tab.run(() => subscriber.error(opening.error));
        else
          subscriber.add(
            open(how).subscribe({
              next: emit,
              error: (thrown: unknown) => tab.run(() => subscriber.error(thrown)),
            }),
          );
      };
      lock.add(
        lock$.subscribe({
          next: () => {
            openings.add(opening);
            subscriber.add(replaceEarlier(opening, openData));
          },
          error: (thrown: unknown) => {
            if (openings.has(opening)) takeOver(opening);
            if (!isOpen) subscriber.error(opening.error ?? thrown);
          },
        }),
      );
      return () => {
        if (!isOpen) release();
      };
    });
};
