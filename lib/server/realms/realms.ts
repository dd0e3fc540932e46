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
  /** Ends the sessions of a realm that is open, and says of which; `null`: of none. */
  readonly makeRoom: (isOpen: (realm: string) => boolean) => string | null;
}

/** The open realms of a server. */
export interface Realms {
  /**
   * Holds a realm open until `teardown` is let go of: emits it once and completes. Everybody who asks meanwhile gets
   * the same one. With `create` it is made when there is none, else `no-such-realm`. When nobody holds it and what was
   * uploaded is in its history, it is closed. When too many are open, another one gives way, or this is
   * `too-many-sessions`.
   */
  readonly open: (name: string, options: OpenRealmOptions) => Observable<ServerRealm>;
  /** How many are open. */
  readonly count: () => number;
  /** Emits once, as soon as no realm is open. */
  readonly idle$: Observable<unknown>;
}

export interface RealmsOptions extends ServerRealmOptions {
  readonly storage$: Observable<Storage>;
  /** Hears up to which time a history is stamped. */
  readonly stamped?: (latest: number) => void;
}

/** Realms that give way at once: so many may be open besides. */
const closingMax = 16;

/** Somebody who may write makes it by binding it: who may only read comes again. */
const createNoSuchRealmError = (name: string): SessionFailure =>
  new SessionFailure('no-such-realm', `there is no realm "${name}" yet`, 'later');

const openRealm = (
  storage: Storage,
  name: string,
  options: RealmsOptions,
  remembered: ReplicaCache,
): Observable<ServerRealm> =>
  openHistory(storage, name, options.clock, remembered, options.stamped).pipe(
    switchMap((history) => {
      const { realm, working$ } = assembleRealm(history, name, options);
      return merge(working$, of(realm), NEVER).pipe(finalize(() => history.close()));
    }),
  );

/**
 * An edge: a realm is held by being subscribed, by its holder directly. Every operator between them would stay as long
 * as the session, ten thousand times.
 */
const holdRealm = (realm$: Observable<ServerRealm>, held: Subscription): Observable<ServerRealm> =>
  new Observable((subscriber) => {
    let asked: Subscriber<ServerRealm> | null = subscriber; // Let go of with its answer, and with it the whole question.
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

/** The places that a server has for open realms. */
const createRealmSlots = (
  realmsOpenMax: number,
  { has, size }: { readonly has: (name: string) => boolean; readonly size: () => number },
) => {
  /**
   * Those that nobody holds since they had to give way: they are open until what was uploaded is in their histories.
   */
  const leaving = new Set<string>();
  const isHeld = (name: string): boolean => has(name) && !leaving.has(name);
  return {
    /** It is held again, or closed. */
    settled: (name: string): void => void leaving.delete(name),
    /** Throws when there is no place, and none can be made. */
    check: ({ makeRoom }: OpenRealmOptions): void => {
      if (size() - leaving.size < realmsOpenMax) return;
      const left = leaving.size < closingMax ? makeRoom(isHeld) : null;
      if (left === null) {
        const text = `${size()} realms are open on this server, each by a user who has no more than you; realmsOpenMax is ${realmsOpenMax}`;
        throw new SessionFailure('too-many-sessions', text, 'later');
      }
      if (has(left)) leaving.add(left);
    },
  };
};

export const createRealms = (options: RealmsOptions): Realms => {
  const { storage$, limits } = options;
  const remembered = createReplicaCache();
  const open = new Map<string, Observable<ServerRealm>>();
  const count = new BehaviorSubject(0);
  const room = createRealmSlots(limits.realmsOpenMax, { has: (name) => open.has(name), size: () => open.size });

  const shared = (storage: Storage, name: string): Observable<ServerRealm> => {
    let realm: ServerRealm | null = null;
    return openRealm(storage, name, options, remembered).pipe(
      tap((open) => (realm = open)),
      finalize(() => {
        open.delete(name);
        room.settled(name);
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

  const opened = (storage: Storage, name: string, asked: OpenRealmOptions): Observable<ServerRealm> => {
    const present = open.get(name);
    if (present !== undefined) {
      room.settled(name);
      return present;
    }
    room.check(asked);
    const realm$ = shared(storage, name);
    open.set(name, realm$);
    count.next(open.size);
    return realm$;
  };

  const existing = (storage: Storage, name: string, asked: OpenRealmOptions): Observable<Observable<ServerRealm>> =>
    (open.has(name) ? of(true) : hasHistory(storage, name)).pipe(
      map((exists) => {
        if (exists) return opened(storage, name, asked);
        throw createNoSuchRealmError(name);
      }),
    );

  return {
    open: (name, asked) =>
      defer(() => {
        if (!isRealmName(name))
          throw new SessionFailure('no-such-realm', `"${String(name)}" cannot be the name of a realm`);
        return storage$.pipe(
          take(1),
          switchMap((storage) => (asked.create ? of(opened(storage, name, asked)) : existing(storage, name, asked))),
          switchMap((realm$) => holdRealm(realm$, asked.teardown)),
        );
      }),
    count: () => count.value,
    idle$: count.pipe(
      filter((realms) => realms === 0),
      take(1),
    ),
  };
};
