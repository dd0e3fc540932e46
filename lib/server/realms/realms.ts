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
import { isRealmName } from '../../model/limits.js';
import type { Storage } from '../../storage/storage.js';
import { hasHistory, openHistory } from '../history/storage-history.js';
import { SessionFailure } from '../server-errors.js';
import { createReplicaCache, type ReplicaCache } from './replica-cache.js';
import { assembleRealm, type ServerRealm, type ServerRealmOptions } from './server-realm.js';

export interface OpenRealmOptions {
  readonly create: boolean;
  readonly teardown: Subscription;
  /** Ends the sessions of an open realm and returns its name; `null` if no realm should give way. */
  readonly makeRoom: (isOpen: (realm: string) => boolean) => string | null;
}

/** The open realms of a server. */
export interface Realms {
  /**
   * Holds a realm open until `teardown` is unsubscribed. Emits the realm once and completes; all subscribers share one
   * realm. Creates the realm if `create` is set, and errors with `no-such-realm` otherwise. A realm without holders is
   * closed when its uploads are in its history. If too many realms are open, another one is closed, or this errors with
   * `too-many-sessions`.
   */
  readonly open: (name: string, options: OpenRealmOptions) => Observable<ServerRealm>;
  /** Number of open realms. */
  readonly count: () => number;
  /** Emits once, as soon as no realm is open. */
  readonly idle$: Observable<unknown>;
}

export interface RealmsOptions extends ServerRealmOptions {
  readonly storage$: Observable<Storage>;
  /** Called with the time up to which a history is stamped. */
  readonly stamped?: (latest: number) => void;
}

/** Realms that may be closing at once, beyond `realmsOpenMax`. */
const closingMax = 16;

/** A user with write access creates the realm by binding it. A user with read access tries again later. */
const createNoSuchRealmError = (name: string): SessionFailure =>
  new SessionFailure('no-such-realm', `Realm "${name}" does not exist yet.`, 'later');

const openRealm = (
  storage: Storage,
  name: string,
  options: RealmsOptions,
  replicaCache: ReplicaCache,
): Observable<ServerRealm> =>
  openHistory(storage, name, options.clock, replicaCache, options.stamped).pipe(
    switchMap((history) => {
      const { realm, working$ } = assembleRealm(history, name, options);
      return merge(working$, of(realm), NEVER).pipe(finalize(() => history.close()));
    }),
  );

/**
 * Holds a realm by subscribing to it directly. Every operator in between would stay as long as the session, ten
 * thousand times.
 */
const holdRealm = (realm$: Observable<ServerRealm>, teardown: Subscription): Observable<ServerRealm> =>
  new Observable((subscriber) => {
    // Released with its answer, so that the chain of operators is released, too.
    let pending: Subscriber<ServerRealm> | null = subscriber;
    teardown.add(
      realm$.subscribe({
        next: (realm) => {
          const answered = pending;
          pending = null;
          answered?.next(realm);
          answered?.complete();
        },
        error: (thrown: unknown) => pending?.error(thrown),
      }),
    );
  });

/** Limits the open realms of a server. */
const createRealmSlots = (
  realmsOpenMax: number,
  { has, size }: { readonly has: (name: string) => boolean; readonly size: () => number },
) => {
  /** Evicted realms without holders. They stay open until their uploads are in their histories. */
  const evicted = new Set<string>();
  const isHeld = (name: string): boolean => has(name) && !evicted.has(name);
  return {
    /** The realm is held again, or closed. */
    settled: (name: string): void => void evicted.delete(name),
    /** Throws if the limit is reached and no realm can be evicted. */
    check: ({ makeRoom }: OpenRealmOptions): void => {
      if (size() - evicted.size < realmsOpenMax) return;
      const victim = evicted.size < closingMax ? makeRoom(isHeld) : null;
      if (victim === null) {
        const text = `The server has ${size()} open realms, and none of them can be closed for this user. realmsOpenMax is ${realmsOpenMax}.`;
        throw new SessionFailure('too-many-sessions', text, 'later');
      }
      if (has(victim)) evicted.add(victim);
    },
  };
};

export const createRealms = (options: RealmsOptions): Realms => {
  const { storage$, limits } = options;
  const replicaCache = createReplicaCache();
  const open = new Map<string, Observable<ServerRealm>>();
  const count = new BehaviorSubject(0);
  const slots = createRealmSlots(limits.realmsOpenMax, { has: (name) => open.has(name), size: () => open.size });

  const shareRealm = (storage: Storage, name: string): Observable<ServerRealm> => {
    let realm: ServerRealm | null = null;
    return openRealm(storage, name, options, replicaCache).pipe(
      tap((open) => (realm = open)),
      finalize(() => {
        open.delete(name);
        slots.settled(name);
        count.next(open.size);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: () => realm?.idle$ ?? of(true), // Uploads are written even if no client waits for them.
        resetOnError: true,
        resetOnComplete: true,
      }),
    );
  };

  const openAny = (storage: Storage, name: string, given: OpenRealmOptions): Observable<ServerRealm> => {
    const present = open.get(name);
    if (present !== undefined) {
      slots.settled(name);
      return present;
    }
    slots.check(given);
    const realm$ = shareRealm(storage, name);
    open.set(name, realm$);
    count.next(open.size);
    return realm$;
  };

  const openStored = (storage: Storage, name: string, given: OpenRealmOptions): Observable<Observable<ServerRealm>> =>
    (open.has(name) ? of(true) : hasHistory(storage, name)).pipe(
      map((exists) => {
        if (exists) return openAny(storage, name, given);
        throw createNoSuchRealmError(name);
      }),
    );

  return {
    open: (name, given) =>
      defer(() => {
        if (!isRealmName(name)) throw new SessionFailure('no-such-realm', 'The realm has an invalid name.');
        return storage$.pipe(
          take(1),
          switchMap((storage) => (given.create ? of(openAny(storage, name, given)) : openStored(storage, name, given))),
          switchMap((realm$) => holdRealm(realm$, given.teardown)),
        );
      }),
    count: () => count.value,
    idle$: count.pipe(
      filter((realms) => realms === 0),
      take(1),
    ),
  };
};
