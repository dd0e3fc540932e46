import {
  catchError,
  concat,
  concatWith,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  isObservable,
  last,
  map,
  type Observable,
  of,
  ReplaySubject,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { SessionClosedError, StorageError, SyncError } from '../model/errors.js';
import type { Schema, Shapes } from '../model/schema.js';
import type { SessionStore } from '../session/state/session-store.js';
import type { ClientSession } from '../session/binding/session.js';
import type { OutboxState } from '../session/sync-port.js';
import type { ClientReset } from '../session/binding/client-reset.js';
import type { SessionState } from '../session/state/session-state.js';
import { createReopeningStorage, type StorageHealth } from '../storage/reopening-storage.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { Migrate } from '../store/transfer/migrate.js';
import { metadataKey } from '../store/storage-keys.js';
import { openStore } from '../store/open-store.js';
import type { Store } from '../store/store.js';
import type { ClientCore } from './client-core.js';
import { claimStore } from './user-identity.js';
import type { RealmMember } from './realm-member.js';

/** How a realm syncs, checked. */
export interface SyncPlan {
  readonly core: ClientCore;
  readonly realmName: string;
  readonly stopImmediately: boolean;
  readonly clientReset: ClientReset;
  /** Whether it may belong to another user, and is only to be read then. */
  readonly anyUser: boolean;
}

/** A realm on its storage with its session: one, however many handles there are (S23). */
export interface RunningRealm {
  readonly store: Store;
  readonly machine: ClientSession | null;
  /** One more handle; false when it is too late, and everything is being released. */
  readonly addHandle: () => boolean;
  /** Whether there is a handle. */
  readonly hasHandles: () => boolean;
  /** Releases it though it has something to upload. For one without a handle. */
  readonly closeNow: () => void;
  /**
   * One handle less; the last one closes the session and, once that is over, the storage. At once; emits once and
   * completes when this is done, or left to a dying session.
   */
  readonly removeHandle: () => Observable<unknown>;
  readonly released$: Observable<unknown>;
}

export interface OpenPlan {
  readonly storage: OpenStorage;
  /** What tells its storage from all others of this process. */
  readonly location: unknown;
  /** The name of its storage as it was given; empty for one without. */
  readonly name: string;
  /** As it was given; `shapes` is what it comes to. */
  readonly schema: Schema;
  readonly shapes: Shapes;
  readonly clock: Clock;
  readonly sync: SyncPlan | null;
  /** To which version of its schema the realm is brought. Local realms only. */
  readonly migration: Migration | null;
}

export interface Migration {
  readonly version: number;
  readonly change: Migrate<Schema> | undefined;
}

/**
 * Storages that hold an open realm, whoever opened it: two would write over each other. What has a name is locked by
 * its engine.
 */
const inUse = new WeakSet<Storage>();

const markInUse = (storage: Storage): void => {
  if (inUse.has(storage))
    throw new StorageError('the storage is in use: another realm is open on it, or this one elsewhere');
  inUse.add(storage);
};

/** A store on this storage, and how both are closed. */
const openStoreOn = (storage: Storage, plan: OpenPlan, discarded: (store: Store) => Observable<never>) => {
  const { shapes, clock, migration } = plan;
  const free = (): void => void inUse.delete(storage);
  markInUse(storage);
  const living = createReopeningStorage(plan.storage, storage, clock, {
    key: metadataKey,
    callMs: plan.sync?.core.storageTimeoutMs ?? Infinity,
  });
  return openStore({ storage: living.storage, shapes, clock }).pipe(
    switchMap((store) =>
      concat(
        plan.sync ? concat(claimStore(store, plan.sync.core, plan.sync), store.join()) : store.becomeLocalOnly(),
        migration ? store.migrate(migration.version, migration.change) : EMPTY,
        discarded(store),
        of(store),
      ),
    ),
    map((store): HeldStore => ({
      store,
      health$: living.health$(store.dump),
      closing$: store.close().pipe(closeSafely, finalize(free)),
    })),
    // What cannot be read is left as it is, and let go of.
    catchError((thrown: unknown) =>
      concat(
        storage.close().pipe(finalize(free)),
        defer(() => {
          throw thrown;
        }),
      ),
    ),
  );
};

interface HeldStore {
  readonly store: Store;
  /** How its storage is: to be listened to as long as it is open, because that is what brings it back. */
  readonly health$: Observable<StorageHealth>;
  /** Emits once and completes when both are closed. Cold; never errors. */
  readonly closing$: Observable<void>;
}

/**
 * Opens a realm for its first handle: on the spot, where its storage does. Cold; emits once and completes; errors with
 * a `StorageError`.
 */
export const openRunningRealm = (plan: OpenPlan): Observable<RunningRealm> =>
  defer(() => {
    const discarded = createDiscardCheck(plan);
    return plan.storage.pipe(
      switchMap((opened) => openStoreOn(opened, plan, discarded)),
      take(1),
      switchMap((held) => (plan.sync ? openSyncedRealm(held, plan.sync, plan) : of(createLocalRealm(held)))),
    );
  });

/** Clears a store when the user has logged out meanwhile and everything is to be discarded. */
const createDiscardCheck = ({ sync, storage, location, name }: OpenPlan): ((store: Store) => Observable<never>) => {
  if (!sync) return () => EMPTY;
  const { core, realmName: realm } = sync;
  let times = core.discards.count();
  const discarded = (store: Store): Observable<never> =>
    defer(() => {
      if (typeof location === 'string' || isObservable(location))
        core.rememberStorage(location, { open$: storage, realm, name });
      if (times === core.discards.count()) return EMPTY;
      times = core.discards.count();
      return concat(store.clear(), discarded(store));
    });
  return discarded;
};

/** Listens to the end: it is the listening that brings a lost storage back. Health never errors. */
const watchHealth = (health$: Observable<StorageHealth>, next: (health: StorageHealth) => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it is given its end
  health$.subscribe({
    next,
    error: (thrown: unknown) => {
      throw thrown;
    },
  });
};

const done$ = of(undefined);

const createLocalRealm = ({ store, health$, closing$ }: HeldStore): RunningRealm => {
  const released$ = new ReplaySubject<void>(1);
  let handles = 1;
  watchHealth(health$.pipe(takeUntil(released$)), () => undefined);
  return {
    store,
    machine: null,
    released$,
    addHandle: () => handles > 0 && ++handles > 0,
    hasHandles: () => handles > 0,
    closeNow: () => undefined, // It is being released.
    removeHandle: () => {
      handles -= 1;
      if (handles > 0) return done$;
      // eslint-disable-next-line rxjs-x/no-ignored-subscription -- closing runs to its end, whoever waits for it
      closing$.subscribe(released$);
      return released$;
    },
  };
};

/**
 * A storage that fails while it is closed has nobody left to tell: what was acknowledged to anyone is already durable.
 */
const closeSafely = (closing: Observable<never>): Observable<void> =>
  closing.pipe(
    catchError(() => of(undefined)),
    ignoreElements(),
    concatWith(of(undefined)),
  );

/** A session without a storage is over, until there is one again. */
const applyHealth = (session: SessionStore, health: StorageHealth): void => {
  if (health.state === 'lost') {
    const { error } = health;
    session.dispatch({ type: 'fatal', error: new SyncError('storage', error.message, { cause: error }) });
  } else if (isWithoutStorage(session.getState())) session.dispatch({ type: 'input', input: 'resume' });
};

const isWithoutStorage = ({ sync, connection }: SessionState): boolean =>
  sync === 'inactive' &&
  connection.state === 'disconnected' &&
  connection.reason.kind === 'failed' &&
  connection.reason.code === 'storage';

const openSyncedRealm = (
  held: HeldStore,
  plan: SyncPlan,
  at: Pick<OpenPlan, 'location' | 'name'>,
): Observable<RunningRealm> =>
  held.store.outbox$.pipe(
    take(1),
    // Deferred: a client that was closed meanwhile closes the store in there, and with it this stream.
    switchMap((outbox) => defer(() => of(createSyncedRealm(held, plan, at, outbox)))),
  );

const createSyncedRealm = (
  { store, health$, closing$ }: HeldStore,
  { core, realmName, stopImmediately, clientReset }: SyncPlan,
  { location, name: storageName }: Pick<OpenPlan, 'location' | 'name'>,
  outbox: OutboxState,
): RunningRealm => {
  const name = JSON.stringify([realmName, typeof location === 'string' ? location : '']); // One realm may be open in two places.
  const session = core.createSession(store, {
    realmName,
    clientReset,
    outbox,
    initialDownload: store.downloadProgress(),
    paused: core.pausedRealms.has(name),
  });
  const released$ = new ReplaySubject<void>(1);
  const discard = (): Observable<never> =>
    concat(
      store.clear(),
      defer(() => {
        session.dispatch({ type: 'reset' });
        return EMPTY;
      }),
    );
  const named = { realm: realmName, storage: location, name: storageName };
  const member: RealmMember = { ...named, machine: session, discard, isWriting: store.isWriting, released$ };
  let handles = 1;
  const end = (now: boolean): void =>
    session.dispatch({ type: 'closed', immediately: now, by: new SessionClosedError('The realm was closed.') });

  // The end of the session, whoever brings it about, is the end of the storage.
  const end$ = session.state$.pipe(
    last(),
    map(({ sync }) => (sync === 'paused' ? core.pausedRealms.add(name) : core.pausedRealms.delete(name))),
    switchMap(() => closing$),
    tap(() => core.removeMember(member)),
  );
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it ends by itself, when the session does
  end$.subscribe(released$);
  watchHealth(health$.pipe(takeUntil(released$)), (health) => {
    applyHealth(session, health);
  });
  core.addMember(member);
  for (const error of store.setAsideErrors()) session.dispatch({ type: 'trouble', error });

  return {
    store,
    machine: session,
    released$,
    hasHandles: () => handles > 0,
    closeNow: () => end(true),
    addHandle: () => {
      if (session.getState().released) return false;
      handles += 1;
      session.dispatch({ type: 'input', input: 'open' });
      return true;
    },
    removeHandle: () => {
      handles -= 1;
      if (handles > 0) return done$;
      end(stopImmediately);
      return session.getState().released ? released$ : done$;
    },
  };
};
