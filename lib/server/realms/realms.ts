import {
  BehaviorSubject,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  of,
  ReplaySubject,
  share,
  switchMap,
  take,
  tap,
  type Observable,
  type Subscription,
} from 'rxjs';
import { isRealmName } from '../../model/limits.js';
import type { Storage } from '../../storage/storage.js';
import { hasHistory, openHistory } from '../history/storage-history.js';
import { SessionFailure } from '../server-errors.js';
import { serverLimits } from '../server-limits.js';
import { createDelayQueue } from './delay-queue.js';
import type { RealmWorksOptions } from './realm-works.js';
import { createReplicaCache } from './replica-cache.js';
import { OpenRealm, type ServerRealm, type ServerRealmOptions } from './server-realm.js';

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
  /** Counts the groups of sessions with the same view. */
  readonly countViewGroups: () => number;
  /** Emits once, as soon as no realm is open. */
  readonly idle$: Observable<unknown>;
}

export interface RealmsOptions extends RealmWorksOptions {
  readonly storage$: Observable<Storage>;
  /** Called with the time up to which a history is stamped. */
  readonly stamped?: (latest: number) => void;
}

/** Realms that may be closing at once, beyond `realmsOpenMax`. */
const closingMax = 16;

/** A user with write access creates the realm by binding it. A user with read access tries again later. */
const createNoSuchRealmError = (name: string): SessionFailure =>
  new SessionFailure('no-such-realm', `Realm "${name}" does not exist yet.`, 'later');

/** A realm that is open or being opened. */
interface RealmEntry {
  readonly name: string;
  /** Number of sessions that hold the realm. */
  holders: number;
  /** `null` until it is open. */
  realm: OpenRealm | null;
  /** Opens the realm for all sessions that wait for it; `null` once it is open. */
  opening$: Observable<OpenRealm> | null;
  /** Waits until a realm without holders may be closed. */
  closing: Subscription | null;
}

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

/** Creates the options of all realms of a server, which share three timers. */
const createRealmOptions = (options: RealmsOptions): ServerRealmOptions => {
  const { clock, limits } = options;
  const { scheduler } = clock;
  const runNow = (act: () => void): void => act();
  return {
    ...options,
    compactionQueue: createDelayQueue<OpenRealm>({
      ...{ scheduler, delayMs: limits.compactionMs },
      onDue: (realm) => realm.compact(),
    }),
    worksQueue: createDelayQueue<OpenRealm>({
      ...{ scheduler, delayMs: serverLimits.worksQuietMs },
      onDue: (realm) => realm.dropUnusedWorks(),
    }),
    quietQueue: createDelayQueue({ scheduler, delayMs: serverLimits.projectionQuietMs, onDue: runNow }),
  };
};

/**
 * Counts the holders of realms, and forgets a realm without holders when it is idle: uploads are written even if no
 * client waits for them. Subscribes until the realm is idle.
 */
const createRealmHolds = (isOpen: (entry: RealmEntry) => boolean, forget: (entry: RealmEntry) => void) => {
  const release = (entry: RealmEntry): void => {
    entry.holders -= 1;
    if (entry.holders > 0 || !isOpen(entry)) return;
    const close = (): void => forget(entry);
    if (entry.realm === null) close();
    else entry.closing = entry.realm.idle$.pipe(take(1)).subscribe({ next: close, error: close });
  };
  return {
    /** Holds a realm until `teardown` is unsubscribed. Emits the realm once, or nothing if the session has ended. */
    hold: (entry: RealmEntry, teardown: Subscription): Observable<OpenRealm> => {
      entry.closing?.unsubscribe();
      entry.closing = null;
      entry.holders += 1;
      teardown.add(() => release(entry));
      if (teardown.closed) return EMPTY;
      return entry.realm === null ? (entry.opening$ ?? EMPTY) : of(entry.realm);
    },
  };
};

const countViewGroups = (entries: Iterable<RealmEntry>): number => {
  let sum = 0;
  for (const { realm } of entries) sum += realm?.viewGroupCount ?? 0;
  return sum;
};

/** Completes if the history of a realm is stored. Errors with `no-such-realm` if it is not. */
const checkExists = (storage: Storage, name: string): Observable<never> =>
  hasHistory(storage, name).pipe(
    tap((exists) => {
      if (!exists) throw createNoSuchRealmError(name);
    }),
    ignoreElements(),
  );

/**
 * Creates the registry of realms. It counts holders instead of sharing a stream, because each operator that stays
 * subscribed would cost a kilobyte for each of ten thousand realms. Opening and closing are streams.
 */
export const createRealms = (options: RealmsOptions): Realms => {
  const { storage$, limits, clock, stamped } = options;
  const replicaCache = createReplicaCache();
  const realmOptions = createRealmOptions(options);
  const open = new Map<string, RealmEntry>();
  const count = new BehaviorSubject(0);
  const slots = createRealmSlots(limits.realmsOpenMax, { has: (name) => open.has(name), size: () => open.size });

  const forget = (entry: RealmEntry): void => {
    const { name, realm } = entry;
    realm?.close();
    if (open.get(name) !== entry) return;
    open.delete(name);
    slots.settled(name);
    count.next(open.size);
  };

  const { hold } = createRealmHolds((entry) => open.get(entry.name) === entry, forget);

  const openHistoryOnce = (storage: Storage, entry: RealmEntry): Observable<OpenRealm> =>
    openHistory(storage, entry.name, clock, replicaCache, stamped).pipe(
      map((history) => {
        entry.realm = new OpenRealm(entry.name, history, realmOptions);
        entry.opening$ = null;
        if (entry.holders === 0) forget(entry);
        return entry.realm;
      }),
      tap({ error: () => forget(entry) }),
      share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true }),
    );

  const findOrAdd = (storage: Storage, name: string, given: OpenRealmOptions): RealmEntry => {
    slots.settled(name);
    const present = open.get(name);
    if (present !== undefined) return present;
    slots.check(given);
    const entry: RealmEntry = { name, holders: 0, realm: null, opening$: null, closing: null };
    entry.opening$ = openHistoryOnce(storage, entry);
    open.set(name, entry);
    count.next(open.size);
    return entry;
  };

  return {
    open: (name, given) =>
      defer(() => {
        if (!isRealmName(name)) throw new SessionFailure('no-such-realm', 'The realm has an invalid name.');
        return storage$.pipe(
          take(1),
          switchMap((storage) =>
            concat(
              given.create || open.has(name) ? EMPTY : checkExists(storage, name),
              defer(() => hold(findOrAdd(storage, name, given), given.teardown)),
            ),
          ),
          take(1),
        );
      }),
    ...{ count: () => count.value, countViewGroups: () => countViewGroups(open.values()) },
    idle$: count.pipe(
      filter((realms) => realms === 0),
      take(1),
    ),
  };
};
