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
import type { OpenStorage, Storage } from '../storage/storage.js';
import { isOwnedByOther } from '../store/ownership/claim-owner.js';
import { openMetadata } from '../store/metadata.js';
import { readStoragePages } from '../store/read-pages.js';
import type { RealmMember } from './realm-member.js';

/** The storage of a realm that this client has had open: it can be opened again to be cleared. */
export interface KnownStorage {
  readonly open$: OpenStorage;
  readonly realm: string;
  /** Its name; empty for one without. */
  readonly name: string;
}

type DiscardFailure = UndiscardedRealm | null;

/** Closes a storage, whatever comes of that. */
const closeQuietly = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/**
 * Deletes everything in a storage, in one batch. Errors, having deleted nothing, when no realm is in it. What is known
 * to be another user's than `user`, who logged out with `keep` before, stays.
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

/** Opens a storage, deletes everything in it, and closes it. */
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
    // A storage that cannot be opened again, as one in memory, holds nothing that anybody could read.
    catchError((thrown: unknown) => (thrown instanceof RealmClosedError ? EMPTY : throwError(() => thrown))),
  );

/** Runs to its end, whether or not anybody waits for it. */
const runToEnd = (
  work: Observable<DiscardFailure>,
  outcome = new ReplaySubject<DiscardFailure>(1),
): Observable<DiscardFailure> => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- what a log-out discards is discarded, whoever waits for it
  work.subscribe(outcome);
  return outcome;
};

type NamedStorage = Pick<KnownStorage, 'realm' | 'name'>;

const failureOf = ({ realm, name }: NamedStorage, thrown: unknown): DiscardFailure => ({
  realm,
  storage: name,
  error: toStorageError('its storage', thrown),
});

/** Emits `null` when the work is done, or how it failed. */
const outcomeOf = (work: Observable<never>, named: NamedStorage): Observable<DiscardFailure> =>
  concat(work, of(null)).pipe(catchError((thrown: unknown) => of(failureOf(named, thrown))));

export interface DiscardPorts {
  readonly clock: Clock;
  /** The id of the user that the app said; `null`: none. */
  readonly user: () => string | null;
  readonly members: ReadonlySet<RealmMember>;
  /** The realms that are open, opening or closing, by their storage. */
  readonly openRealms: ReadonlyMap<unknown, { readonly opened$: Observable<unknown> }>;
  /** The storages that this client has had open and can open again. */
  readonly storages: ReadonlyMap<unknown, KnownStorage>;
  /** Nothing of this realm is being discarded any more. */
  readonly onDiscarded: (member: RealmMember) => void;
}

/** What log-outs discard. */
export interface Discards {
  /**
   * Logs out by `leave`, and discards what every realm of the client has at this moment. Emits once, when that is done,
   * the realms whose data could not be discarded.
   */
  readonly begin: (leave: () => void) => Observable<readonly UndiscardedRealm[]>;
  /** Throws an `InvalidStateError` inside a write. */
  readonly checkNotWriting: () => void;
  /** Whether data of this realm is being discarded. */
  readonly isDiscarding: (member: RealmMember) => boolean;
  /** The closed storages that are being cleared: opening one of them waits for that. Each emits once and completes. */
  readonly clearing: ReadonlyMap<unknown, Observable<unknown>>;
  /** How often `begin` was called. A realm that is being opened meanwhile is cleared before its session starts. */
  readonly count: () => number;
}

/** Clears storages of closed realms, each behind the work on it that was asked for before. */
const createStorageCleaner = ({ clock, user, storages }: Pick<DiscardPorts, 'clock' | 'user' | 'storages'>) => {
  const clearing = new Map<unknown, Observable<unknown>>();
  /** Clears a closed storage after `before$`, and keeps everybody out of it until then. */
  const clear = (storage: unknown, before$: Observable<unknown> = EMPTY): Observable<DiscardFailure> => {
    const known = storages.get(storage);
    if (!known) return of(null); // It cannot be opened again.
    const outcome = new ReplaySubject<DiscardFailure>(1);
    const earlier$ = clearing.get(storage) ?? EMPTY;
    clearing.set(storage, outcome);
    const forget = (): void => {
      if (clearing.get(storage) === outcome) clearing.delete(storage);
    };
    const leaving = user(); // Another one may be logged in by the time of its turn.
    const work = concat(merge(before$, earlier$).pipe(ignoreElements()), clearStorage(known, clock, leaving));
    return runToEnd(outcomeOf(work, known).pipe(tap(forget)), outcome);
  };
  return { clearing, clear };
};

export const createDiscards = ({ clock, user, members, openRealms, storages, onDiscarded }: DiscardPorts): Discards => {
  const underWay = new Map<RealmMember, number>();
  const { clearing, clear } = createStorageCleaner({ clock, user, storages });
  let times = 0;

  const count = (member: RealmMember, by: 1 | -1): void => {
    const left = (underWay.get(member) ?? 0) + by;
    if (left > 0) underWay.set(member, left);
    else underWay.delete(member);
  };

  const clearOpen = (member: RealmMember): Observable<DiscardFailure> => {
    const over = (): void => {
      count(member, -1);
      if (!underWay.has(member)) onDiscarded(member);
    };
    const outcome$ = concat(defer(member.discard), of(null)).pipe(
      catchError((thrown: unknown) =>
        thrown instanceof RealmClosedError
          ? clear(member.storage, member.released$) // Its storage is being closed.
          : of(failureOf(member, thrown)),
      ),
      tap(over),
    );
    return runToEnd(outcome$);
  };

  /** A realm that opens now clears itself; what was opened before, and fails to open now, is cleared here. */
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
        'client.logOut was called inside the function of a write. Call it after the write, to discard what that does, too.',
      );
    },
    begin: (leave) => {
      times += 1;
      const all = [...members];
      const opening = [...openRealms].filter(([storage]) => !all.some((member) => member.storage === storage));
      const closed = [...storages.keys()].filter((storage) => !openRealms.has(storage));
      all.forEach((member) => count(member, 1)); // Before anybody hears of it, and logs in again.
      leave();
      const outcomes = [
        ...all.map(clearOpen),
        ...opening.map(([storage, { opened$ }]) => clearOpening(storage, opened$)),
        ...closed.map((storage) => clear(storage)),
      ];
      return forkJoin([of(null), ...outcomes]).pipe(map((found) => found.filter((failure) => failure !== null)));
    },
    isDiscarding: (member) => underWay.has(member),
    clearing,
    count: () => times,
  };
};
