import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  forkJoin,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  reduce,
  ReplaySubject,
  switchMap,
  take,
  tap,
  throwError,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { InvalidStateError, RealmClosedError, type UndiscardedRealm } from '../model/errors.js';
import { toStorageError } from '../storage/storage-failure.js';
import { readStoragePages, type OpenStorage, type Storage } from '../storage/storage.js';
import { isOwnedByOther } from '../store/ownership/claim-owner.js';
import { openMetadata } from '../store/metadata.js';
import type { RealmMember } from './realm-member.js';

/** The storage of a realm that this client had open. It can be opened again to be cleared. */
export interface KnownStorage {
  readonly open$: OpenStorage;
  readonly realm: string;
  /** The name of the storage; empty for a storage without a name. */
  readonly name: string;
}

type DiscardFailure = UndiscardedRealm | null;

/** Closes a storage and ignores errors. */
const closeQuietly = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/**
 * Deletes all entries of a storage in one batch. Errors, without deleting anything, when the storage holds no realm.
 * Keeps the realm of another user than `user`: that user logged out earlier with `keep`.
 */
const deleteEntries = (storage: Storage, clock: Clock, user: string | null): Observable<never> =>
  openMetadata(storage, clock).pipe(
    filter(({ owner }) => !isOwnedByOther(owner, user)),
    switchMap(() => readStoragePages(storage, { from: ' ', to: '\x7f', limit: 5_000, bytesMax: 4 * 1024 * 1024 })),
    reduce((keys: string[], entries) => {
      for (const [key] of entries) keys.push(key);
      return keys;
    }, []),
    switchMap((keys) =>
      storage.batch(
        keys.map((key) => ({ type: 'del', key })),
        { durable: true },
      ),
    ),
  );

/** Opens a storage, deletes all of its entries and closes it. */
const clearStorage = ({ open$ }: KnownStorage, clock: Clock, user: string | null): Observable<never> =>
  open$.pipe(
    take(1),
    switchMap((storage) =>
      concat(
        deleteEntries(storage, clock, user).pipe(
          catchError((thrown: unknown) =>
            concat(
              closeQuietly(storage),
              throwError(() => thrown),
            ),
          ),
        ),
        closeQuietly(storage),
      ),
    ),
    // A storage that cannot be opened again, such as one in memory, holds no readable data.
    catchError((thrown: unknown) => (thrown instanceof RealmClosedError ? EMPTY : throwError(() => thrown))),
  );

/** Runs work to its end, with or without a subscriber. */
const runToEnd = (
  work: Observable<DiscardFailure>,
  outcome = new ReplaySubject<DiscardFailure>(1),
): Observable<DiscardFailure> => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- a discard runs to its end, with or without a subscriber
  work.subscribe(outcome);
  return outcome;
};

type NamedStorage = Pick<KnownStorage, 'realm' | 'name'>;

const failureOf = ({ realm, name }: NamedStorage, thrown: unknown): DiscardFailure => ({
  realm,
  storage: name,
  error: toStorageError('its storage', thrown),
});

/** Emits `null` when the work is done, or the failure. */
const outcomeOf = (work: Observable<never>, named: NamedStorage): Observable<DiscardFailure> =>
  concat(work, of(null)).pipe(catchError((thrown: unknown) => of(failureOf(named, thrown))));

export interface DiscardPorts {
  readonly clock: Clock;
  /** The id of the user that the app gave; `null` when it gave none. */
  readonly user: () => string | null;
  readonly members: ReadonlySet<RealmMember>;
  /** The realms that are open, opening or closing, by their storage. */
  readonly openRealms: ReadonlyMap<unknown, { readonly opened$: Observable<unknown> }>;
  /** The storages that this client had open and can open again. */
  readonly storages: ReadonlyMap<unknown, KnownStorage>;
  /** Called when the last discard of a realm has ended. */
  readonly onDiscarded: (member: RealmMember) => void;
}

/** The discards of log-outs. */
export interface Discards {
  /**
   * Calls `leave` to log out, and discards the present data of all realms of the client. Emits once, when that is done:
   * the realms whose data could not be discarded.
   */
  readonly begin: (leave: () => void) => Observable<readonly UndiscardedRealm[]>;
  /** Throws an `InvalidStateError` inside a write. */
  readonly checkNotWriting: () => void;
  /** Whether data of this realm is being discarded. */
  readonly isDiscarding: (member: RealmMember) => boolean;
  /**
   * The closed storages that are being cleared. Opening such a storage waits. Each stream emits once and completes.
   */
  readonly clearing: ReadonlyMap<unknown, Observable<unknown>>;
  /**
   * The number of calls of `begin`. A realm that was opening during such a call is cleared before its session starts.
   */
  readonly count: () => number;
}

/** Clears the storages of closed realms, one operation per storage at a time. */
const createStorageCleaner = ({ clock, user, storages }: Pick<DiscardPorts, 'clock' | 'user' | 'storages'>) => {
  const clearing = new Map<unknown, Observable<unknown>>();
  /** Clears a closed storage after `before$`. Realms cannot open the storage until then. */
  const clear = (storage: unknown, before$: Observable<unknown> = EMPTY): Observable<DiscardFailure> => {
    const known = storages.get(storage);
    if (!known) return of(null); // It cannot be opened again.
    const outcome = new ReplaySubject<DiscardFailure>(1);
    const earlier$ = clearing.get(storage) ?? EMPTY;
    clearing.set(storage, outcome);
    const forget = (): void => {
      if (clearing.get(storage) === outcome) clearing.delete(storage);
    };
    const leavingUser = user(); // Another user may be logged in when the work starts.
    const work = concat(merge(before$, earlier$).pipe(ignoreElements()), clearStorage(known, clock, leavingUser));
    return runToEnd(outcomeOf(work, known).pipe(tap(forget)), outcome);
  };
  return { clearing, clear };
};

export const createDiscards = ({ clock, user, members, openRealms, storages, onDiscarded }: DiscardPorts): Discards => {
  const running = new Map<RealmMember, number>();
  const { clearing, clear } = createStorageCleaner({ clock, user, storages });
  let calls = 0;

  const count = (member: RealmMember, by: 1 | -1): void => {
    const remaining = (running.get(member) ?? 0) + by;
    if (remaining > 0) running.set(member, remaining);
    else running.delete(member);
  };

  const clearOpen = (member: RealmMember): Observable<DiscardFailure> => {
    const onEnd = (): void => {
      count(member, -1);
      if (!running.has(member)) onDiscarded(member);
    };
    const outcome$ = concat(defer(member.discard), of(null)).pipe(
      catchError((thrown: unknown) =>
        thrown instanceof RealmClosedError
          ? clear(member.storage, member.released$) // Its storage is being closed.
          : of(failureOf(member, thrown)),
      ),
      tap(onEnd),
    );
    return runToEnd(outcome$);
  };

  /** Waits for a realm that is opening, which clears itself. Clears its storage here when the realm fails to open. */
  const clearOpening = (storage: unknown, opened$: Observable<unknown>): Observable<DiscardFailure> =>
    runToEnd(
      opened$.pipe(
        take(1),
        map(() => null),
        catchError(() => clear(storage)),
      ),
    );

  return {
    checkNotWriting: () => {
      if (![...members].some(({ isWriting }) => isWriting())) return;
      throw new InvalidStateError(
        'client.logOut was called inside a write. Call it after the write, so that the write is discarded too.',
      );
    },
    begin: (leave) => {
      calls += 1;
      const all = [...members];
      const opening = [...openRealms].filter(([storage]) => !all.some((member) => member.storage === storage));
      const closed = [...storages.keys()].filter((storage) => !openRealms.has(storage));
      all.forEach((member) => count(member, 1)); // Before an observer of the log-out can log in again.
      leave();
      const outcomes = [
        ...all.map(clearOpen),
        ...opening.map(([storage, { opened$ }]) => clearOpening(storage, opened$)),
        ...closed.map((storage) => clear(storage)),
      ];
      return forkJoin([of(null), ...outcomes]).pipe(map((found) => found.filter((failure) => failure !== null)));
    },
    isDiscarding: (member) => running.has(member),
    clearing,
    count: () => calls,
  };
};
