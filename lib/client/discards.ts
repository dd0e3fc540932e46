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
import { failed } from '../storage/failure.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import { isOthers } from '../store/claim.js';
import { openMeta } from '../store/meta.js';
import { pagesIn } from '../store/pages.js';
import type { Member } from './member.js';

/** The storage of a realm that this client has had open: it can be opened again to be cleared. */
export interface KnownStorage {
  readonly open: OpenStorage;
  readonly realm: string;
  /** Its name; empty for one without. */
  readonly name: string;
}

type Failure = UndiscardedRealm | null;

/** Closes a storage, whatever comes of that. */
const closing = (storage: Storage): Observable<never> => storage.close().pipe(catchError(() => EMPTY));

/**
 * Deletes everything in a storage, in one batch. Errors, having deleted nothing, when no realm is in it. What is known to be another user's than `user`, who
 * logged out with `keep` before, stays.
 */
const emptied = (storage: Storage, clock: Clock, user: string | null): Observable<never> =>
  openMeta(storage, clock).pipe(
    filter(({ owner }) => !isOthers(owner, user)),
    switchMap(() => pagesIn(storage, { from: ' ', to: '\x7f', limit: 5_000, bytesMax: 4 * 1024 * 1024 })),
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
const cleared = ({ open }: KnownStorage, clock: Clock, user: string | null): Observable<never> =>
  open.pipe(
    take(1),
    switchMap((storage) =>
      concat(
        emptied(storage, clock, user).pipe(
          catchError((thrown: unknown) =>
            concat(
              closing(storage),
              throwError(() => thrown),
            ),
          ),
        ),
        closing(storage),
      ),
    ),
    // A storage that cannot be opened again, as one in memory, holds nothing that anybody could read.
    catchError((thrown: unknown) => (thrown instanceof RealmClosedError ? EMPTY : throwError(() => thrown))),
  );

/** Runs to its end, whether or not anybody waits for it. */
const started = (work: Observable<Failure>, outcome = new ReplaySubject<Failure>(1)): Observable<Failure> => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- what a log-out discards is discarded, whoever waits for it
  work.subscribe(outcome);
  return outcome;
};

type Named = Pick<KnownStorage, 'realm' | 'name'>;

const failureOf = ({ realm, name }: Named, thrown: unknown): Failure => ({
  realm,
  storage: name,
  error: failed('its storage', thrown),
});

/** Emits `null` when the work is done, or how it failed. */
const outcomeOf = (work: Observable<never>, named: Named): Observable<Failure> =>
  concat(work, of(null)).pipe(catchError((thrown: unknown) => of(failureOf(named, thrown))));

export interface DiscardPorts {
  readonly clock: Clock;
  /** The id of the user that the app said; `null`: none. */
  readonly user: () => string | null;
  readonly members: ReadonlySet<Member>;
  /** The realms that are open, opening or closing, by their storage. */
  readonly open: ReadonlyMap<unknown, { readonly opened$: Observable<unknown> }>;
  /** The storages that this client has had open and can open again. */
  readonly storages: ReadonlyMap<unknown, KnownStorage>;
  /** Nothing of this realm is being discarded any more. */
  readonly ready: (member: Member) => void;
}

/** What log-outs discard. */
export interface Discards {
  /**
   * Logs out by `leave`, and discards what every realm of the client has at this moment. Emits once, when that is done, the realms whose
   * data could not be discarded.
   */
  readonly begin: (leave: () => void) => Observable<readonly UndiscardedRealm[]>;
  /** Throws an `InvalidStateError` inside a write. */
  readonly check: () => void;
  /** Whether data of this realm is being discarded. */
  readonly has: (member: Member) => boolean;
  /** The closed storages that are being cleared: opening one of them waits for that. Each emits once and completes. */
  readonly clearing: ReadonlyMap<unknown, Observable<unknown>>;
  /** How often `begin` was called. A realm that is being opened meanwhile is cleared before its session starts. */
  readonly times: () => number;
}

/** Clears storages of closed realms, each behind the work on it that was asked for before. */
const createClearing = ({ clock, user, storages }: Pick<DiscardPorts, 'clock' | 'user' | 'storages'>) => {
  const clearing = new Map<unknown, Observable<unknown>>();
  /** Clears a closed storage after `before$`, and keeps everybody out of it until then. */
  const clear = (storage: unknown, before$: Observable<unknown> = EMPTY): Observable<Failure> => {
    const known = storages.get(storage);
    if (!known) return of(null); // It cannot be opened again.
    const outcome = new ReplaySubject<Failure>(1);
    const earlier$ = clearing.get(storage) ?? EMPTY;
    clearing.set(storage, outcome);
    const forget = (): void => {
      if (clearing.get(storage) === outcome) clearing.delete(storage);
    };
    const leaving = user(); // Another one may be logged in by the time of its turn.
    const work = concat(merge(before$, earlier$).pipe(ignoreElements()), cleared(known, clock, leaving));
    return started(outcomeOf(work, known).pipe(tap(forget)), outcome);
  };
  return { clearing, clear };
};

export const createDiscards = ({ clock, user, members, open, storages, ready }: DiscardPorts): Discards => {
  const underWay = new Map<Member, number>();
  const { clearing, clear } = createClearing({ clock, user, storages });
  let times = 0;

  const count = (member: Member, by: 1 | -1): void => {
    const left = (underWay.get(member) ?? 0) + by;
    if (left > 0) underWay.set(member, left);
    else underWay.delete(member);
  };

  const clearOpen = (member: Member): Observable<Failure> => {
    const over = (): void => {
      count(member, -1);
      if (!underWay.has(member)) ready(member);
    };
    const outcome$ = concat(defer(member.discard), of(null)).pipe(
      catchError((thrown: unknown) =>
        thrown instanceof RealmClosedError
          ? clear(member.storage, member.released$) // Its storage is being closed.
          : of(failureOf(member, thrown)),
      ),
      tap(over),
    );
    return started(outcome$);
  };

  /** A realm that opens now clears itself; what was opened before, and fails to open now, is cleared here. */
  const clearOpening = (storage: unknown, opened$: Observable<unknown>): Observable<Failure> =>
    started(
      opened$.pipe(
        take(1),
        map(() => null),
        catchError(() => clear(storage)),
      ),
    );

  return {
    check: () => {
      if (![...members].some(({ isWriting }) => isWriting())) return;
      throw new InvalidStateError(
        'client.logOut was called inside the function of a write. Call it after the write, to discard what that does, too.',
      );
    },
    begin: (leave) => {
      times += 1;
      const all = [...members];
      const opening = [...open].filter(([storage]) => !all.some((member) => member.storage === storage));
      const closed = [...storages.keys()].filter((storage) => !open.has(storage));
      all.forEach((member) => count(member, 1)); // Before anybody hears of it, and logs in again.
      leave();
      const outcomes = [
        ...all.map(clearOpen),
        ...opening.map(([storage, { opened$ }]) => clearOpening(storage, opened$)),
        ...closed.map((storage) => clear(storage)),
      ];
      return forkJoin([of(null), ...outcomes]).pipe(map((found) => found.filter((failure) => failure !== null)));
    },
    has: (member) => underWay.has(member),
    clearing,
    times: () => times,
  };
};
