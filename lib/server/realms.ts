import {
  BehaviorSubject,
  defer,
  filter,
  finalize,
  map,
  merge,
  NEVER,
  of,
  ReplaySubject,
  share,
  switchMap,
  take,
  tap,
  Observable,
  type Subscriber,
  type Subscription,
} from 'rxjs';
import { isRealmName } from '../model/limits.js';
import type { Storage } from '../storage/storage.js';
import { hasHistory, openHistory } from './embedded.js';
import { SessionFailure } from './failure.js';
import { createRemembered, type Remembered } from './remembered.js';
import { assembled, type Realm, type RealmOptions } from './realm.js';

/** The open realms of a server. */
export interface Realms {
  /**
   * Holds a realm open until `held` is let go of: emits it once and completes. Everybody who asks meanwhile gets the same one. With
   * `make` it is made when there is none, else `no-such-realm`. When nobody holds it and what was uploaded is in its
   * history, it is closed.
   */
  readonly open: (name: string, options: { readonly make: boolean; readonly held: Subscription }) => Observable<Realm>;
  /** How many are open. */
  readonly count: () => number;
  /** Emits once, as soon as no realm is open. */
  readonly idle$: Observable<unknown>;
}

export interface RealmsOptions extends RealmOptions {
  readonly storage$: Observable<Storage>;
}

const noSuchRealm = (name: string): SessionFailure =>
  new SessionFailure('no-such-realm', `there is no realm "${name}"`);

const opening = (storage: Storage, name: string, options: RealmsOptions, remembered: Remembered): Observable<Realm> =>
  openHistory(storage, name, options.clock, remembered).pipe(
    switchMap((history) => {
      const { realm, working$ } = assembled(history, name, options);
      return merge(working$, of(realm), NEVER).pipe(finalize(() => history.close()));
    }),
  );

/**
 * An edge: a realm is held by being subscribed, by its holder directly. Every operator between them would stay as long as the
 * session, ten thousand times.
 */
const holding = (realm$: Observable<Realm>, held: Subscription): Observable<Realm> =>
  new Observable((subscriber) => {
    let asked: Subscriber<Realm> | null = subscriber; // Let go of with its answer, and with it the whole question.
    held.add(
      realm$.subscribe({
        next: (realm) => {
          const asking = asked;
          asked = null;
          asking?.next(realm);
          asking?.complete();
        },
        error: (thrown: unknown) => asked?.error(thrown),
      }),
    );
  });

export const createRealms = (options: RealmsOptions): Realms => {
  const { storage$, limits } = options;
  const { realmsOpenMax } = limits;
  const remembered = createRemembered();
  const open = new Map<string, Observable<Realm>>();
  const count = new BehaviorSubject(0);

  const shared = (storage: Storage, name: string): Observable<Realm> => {
    let realm: Realm | null = null;
    return opening(storage, name, options, remembered).pipe(
      tap((open) => (realm = open)),
      finalize(() => {
        open.delete(name);
        count.next(open.size);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: () => realm?.idle$ ?? of(true), // What was uploaded goes in, also when nobody waits for it.
        resetOnError: true,
        resetOnComplete: true,
      }),
    );
  };

  const opened = (storage: Storage, name: string): Observable<Realm> => {
    const present = open.get(name);
    if (present !== undefined) return present;
    if (open.size >= realmsOpenMax)
      throw new SessionFailure('too-many-sessions', `${realmsOpenMax} realms are open already`, 'later');
    const realm$ = shared(storage, name);
    open.set(name, realm$);
    count.next(open.size);
    return realm$;
  };

  const existing = (storage: Storage, name: string): Observable<Observable<Realm>> =>
    (open.has(name) ? of(true) : hasHistory(storage, name)).pipe(
      map((exists) => {
        if (exists) return opened(storage, name);
        throw noSuchRealm(name);
      }),
    );

  return {
    open: (name, { make, held }) =>
      defer(() => {
        if (!isRealmName(name)) throw noSuchRealm(name);
        return storage$.pipe(
          take(1),
          switchMap((storage) => (make ? of(opened(storage, name)) : existing(storage, name))),
          switchMap((realm$) => holding(realm$, held)),
        );
      }),
    count: () => count.value,
    idle$: count.pipe(
      filter((realms) => realms === 0),
      take(1),
    ),
  };
};
