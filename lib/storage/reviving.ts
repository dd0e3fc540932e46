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
import { createOverdue } from './overdue.js';
import { createReplayed, type Replayed } from './replayed.js';
import type { OpenStorage, Storage, StorageChange } from './storage.js';

/** How a storage is: `lost` says why, also that it does not answer; `back`: it can be used again, and everything that was in memory is stored. */
export type StorageHealth = { readonly state: 'lost'; readonly error: StorageError } | { readonly state: 'back' };

/** Everything that has to be stored, as it is in memory at the call; `null`: that is not all. */
type Contents = () => readonly StorageChange[] | null;

/** A storage that is opened again when it was lost under way. */
export interface Reviving {
  /**
   * Behaves as the present storage does: everything errors while that is lost. What is under way when it is lost waits for the first try to open
   * it again: when what is stored is what this storage has written, it goes on as if nothing had been. Closing waits for a try that is under
   * way, which then leaves nothing open.
   */
  readonly storage: Storage;
  /**
   * Watches the storage: emits when it is lost, and when it is back. When its data is intact it is only opened again, and nothing is emitted
   * if that takes less than a second. Else what was in memory is written again, in one durable
   * batch, as soon as the place can be opened and is empty: tried again after 1, 2, 4 … up to 60 seconds. Emits as well when a call stays
   * unanswered for longer than its bound, and when it is answered. Cold, to be
   * subscribed to once; completes when the storage is closed; never errors. Lost for good is what is not all in memory.
   */
  readonly health$: (contents: Contents) => Observable<StorageHealth>;
}

export interface RevivingOptions {
  /** The key whose value is another one after each batch that anybody writes here: by it what is stored is recognised. */
  readonly key: string;
  /** Milliseconds that a call may take until that is told. `Infinity`: it is not. */
  readonly callMs: number;
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

/** The same storage, opened again: what was under way has been rejected by now, and may be stored all the same. */
const rewritten = (storage: Storage, contents: Contents): Observable<never> =>
  storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }).pipe(
    switchMap((entries) => {
      const all = contents();
      if (all === null)
        throw new StorageError('The storage was lost while it was being written, and is not all in memory.');
      const gone = entries.map(([key]): StorageChange => ({ type: 'del', key }));
      return storage.batch([...gone, ...all], { durable: true });
    }),
  );

const notAnswering = (ms: number): StorageError =>
  new StorageError(`The storage has not answered for ${ms} ms. What was asked of it is still under way.`);

const back: StorageHealth = { state: 'back' };

/** What is shared by all that happens to one storage. */
interface Living {
  readonly open: OpenStorage;
  readonly scheduler: Clock['scheduler'];
  readonly current: BehaviorSubject<Storage>;
  readonly replayed: Replayed;
  readonly closed: BehaviorSubject<boolean>;
  /** Whether a try is under way: it goes on to its end, or what it has opened would stay open. */
  readonly trying: BehaviorSubject<boolean>;
  readonly contents: Contents;
}

/** How one loss is told of. */
interface Telling {
  /** Emits that it is lost, once for all subscriptions. */
  readonly tell$: Observable<StorageHealth>;
  readonly isTold: () => boolean;
}

const createTelling = (error: StorageError): Telling => {
  let told = false;
  const tell$ = defer(() => {
    if (told) return EMPTY;
    told = true;
    return of<StorageHealth>({ state: 'lost', error });
  });
  return { tell$, isTold: () => told };
};

/** Stores what was lost, unless it is there. What waits to be stored does so no longer when it is not. */
const restored = (
  next: Storage,
  { replayed, contents, trying }: Living,
  { tell$ }: Telling,
): Observable<StorageHealth> =>
  replayed.recognised(next).pipe(
    catchError((thrown: unknown) =>
      concat(
        letGo(next),
        throwError(() => thrown),
      ),
    ),
    switchMap((found) => {
      if (found === 'intact') return EMPTY;
      replayed.giveUp();
      return concat(
        tell$,
        found === 'own' ? rewritten(next, contents) : filled(next, contents, () => trying.next(false)),
      );
    }),
  );

const tried = (living: Living, telling: Telling): Observable<StorageHealth> =>
  defer(() => {
    const { open, current, replayed, closed, trying } = living;
    trying.next(true);
    return open.pipe(
      take(1),
      switchMap((next) =>
        concat(
          closed.value ? EMPTY : restored(next, living, telling),
          defer(() => {
            if (closed.value) return letGo(next);
            current.next(next);
            replayed.goOn();
            return telling.isTold() ? of(back) : EMPTY;
          }),
        ),
      ),
      catchError((thrown: unknown) => {
        replayed.giveUp();
        return concat(
          telling.tell$,
          throwError(() => thrown),
        );
      }),
      finalize(() => trying.next(false)),
    );
  });

const revived = (living: Living, error: StorageError): Observable<StorageHealth> =>
  defer(() => {
    const { current, replayed, scheduler } = living;
    const before = current.value;
    const telling = createTelling(error);
    const done = new ReplaySubject<void>(1);
    replayed.hold();
    current.next(gone(error));
    const trying$ = tried(living, telling).pipe(
      retry({ delay: (_, attempt) => timer(Math.min(mostMs, firstMs * 2 ** (attempt - 1)), scheduler) }),
      finalize(() => done.next()),
    );
    const late$ = timer(firstMs, scheduler).pipe(
      switchMap(() => telling.tell$),
      takeUntil(done),
    );
    return merge(concat(letGo(before), trying$), late$);
  });

export const reviving = (
  open: OpenStorage,
  first: Storage,
  { scheduler }: Pick<Clock, 'scheduler'>,
  { key, callMs }: RevivingOptions = { key: '', callMs: Infinity },
): Reviving => {
  const current = new BehaviorSubject(first);
  const closed = new BehaviorSubject(false);
  const trying = new BehaviorSubject(false);
  const over$ = combineLatest([closed, trying]).pipe(filter(([isClosed, isTrying]) => isClosed && !isTrying));
  const replayed = createReplayed(() => current.value, key);
  const overdue = createOverdue(callMs, { scheduler });
  const owing$ = overdue.overdue$.pipe(
    map((isLate): StorageHealth => (isLate ? { state: 'lost', error: notAnswering(callMs) } : back)),
  );
  return {
    storage: {
      ...overdue.watched(replayed.storage),
      close: () =>
        defer(() => {
          closed.next(true);
          replayed.giveUp();
          return concat(current.value.close(), trying.pipe(takeWhile(Boolean), ignoreElements()));
        }),
    },
    health$: (contents) => {
      const lost$ = current.pipe(
        switchMap(({ lost$ }) => lost$ ?? NEVER),
        exhaustMap((error) => revived({ open, scheduler, current, replayed, closed, trying, contents }, error)),
      );
      return merge(lost$, owing$).pipe(takeUntil(over$));
    },
  };
};
