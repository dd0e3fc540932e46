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
import { runAction } from '../model/operators.js';
import type { Clock } from '../clock.js';
import { SessionClosedError, StorageError, SyncError } from '../model/errors.js';
import type { Schema, Shapes } from '../model/schema.js';
import type { SessionStore } from '../session/state/session-store.js';
import type { ClientSession } from '../session/binding/session.js';
import type { OutboxState } from '../model/sync-port.js';
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

/** The checked sync options of a realm. */
export interface SyncPlan {
  readonly core: ClientCore;
  readonly realmName: string;
  readonly stopImmediately: boolean;
  readonly clientReset: ClientReset;
  /** Whether the realm may belong to another user. It is then read-only. */
  readonly anyUser: boolean;
}

/** An open realm: a store and its session, shared by all handles (S23). */
export interface RunningRealm {
  readonly store: Store;
  readonly machine: ClientSession | null;
  /** Counts one more handle. Returns false when the realm is already being released. */
  readonly addHandle: () => boolean;
  readonly hasHandles: () => boolean;
  /** Ends a realm without handles immediately, even if it has changes to upload. */
  readonly closeNow: () => void;
  /**
   * Counts one handle less. After the last one the session ends, and then the storage closes. Acts at the call. The
   * stream emits once and completes when the realm is closed, or immediately when a session goes on to upload.
   */
  readonly removeHandle: () => Observable<unknown>;
  readonly released$: Observable<unknown>;
}

export interface OpenPlan {
  readonly storage: OpenStorage;
  /** Identifies the storage in this process. */
  readonly location: unknown;
  /** The name of the storage as the app gave it; empty for a storage without a name. */
  readonly name: string;
  /** The schema as the app gave it; `shapes` is its checked form. */
  readonly schema: Schema;
  readonly shapes: Shapes;
  readonly clock: Clock;
  readonly sync: SyncPlan | null;
  /** The version that the schema is migrated to. Local realms only. */
  readonly migration: Migration | null;
}

export interface Migration {
  readonly version: number;
  readonly change: Migrate<Schema> | undefined;
}

/**
 * The storages that hold an open realm of any client. Two realms on one storage would overwrite each other. A storage
 * with a name is also locked by its engine.
 */
const inUse = new WeakSet<Storage>();

const markInUse = (storage: Storage): void => {
  if (inUse.has(storage))
    throw new StorageError('The storage is in use by another realm or another client. Close that realm first.');
  inUse.add(storage);
};

/** Opens a store on a storage, with the stream that closes both. */
const openStoreOn = (storage: Storage, plan: OpenPlan, clearIfDiscarded: (store: Store) => Observable<never>) => {
  const { shapes, clock, migration } = plan;
  const free = (): void => void inUse.delete(storage);
  markInUse(storage);
  const reopening = createReopeningStorage(plan.storage, storage, clock, {
    key: metadataKey,
    callMs: plan.sync?.core.storageTimeoutMs ?? Infinity,
  });
  return openStore({ storage: reopening.storage, shapes, clock }).pipe(
    switchMap((store) =>
      concat(
        plan.sync ? concat(claimStore(store, plan.sync.core, plan.sync), store.join()) : store.becomeLocalOnly(),
        migration ? store.migrate(migration.version, migration.change) : EMPTY,
        clearIfDiscarded(store),
        of(store),
      ),
    ),
    map((store): HeldStore => ({
      store,
      health$: reopening.health$(store.dump),
      closing$: store.close().pipe(closeSafely, finalize(free)),
    })),
    // A storage that cannot be read is closed unchanged.
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
  /**
   * The health of the storage. It must stay subscribed while the realm is open: the subscription reopens a lost
   * storage.
   */
  readonly health$: Observable<StorageHealth>;
  /** Emits once and completes when both are closed. Cold; never errors. */
  readonly closing$: Observable<void>;
}

/**
 * Opens a realm for its first handle: synchronously, if its storage opens synchronously. Cold; emits once and
 * completes; errors with a `StorageError`.
 */
export const openRunningRealm = (plan: OpenPlan): Observable<RunningRealm> =>
  defer(() => {
    const clearIfDiscarded = createDiscardCheck(plan);
    return plan.storage.pipe(
      switchMap((opened) => openStoreOn(opened, plan, clearIfDiscarded)),
      take(1),
      switchMap((held) => (plan.sync ? openSyncedRealm(held, plan.sync, plan) : of(createLocalRealm(held)))),
    );
  });

/** Clears a store that was opening during a log-out with `discard`. */
const createDiscardCheck = ({ sync, storage, location, name }: OpenPlan): ((store: Store) => Observable<never>) => {
  if (!sync) return () => EMPTY;
  const { core, realmName: realm } = sync;
  let discards = core.discards.count();
  const clearIfDiscarded = (store: Store): Observable<never> =>
    defer(() => {
      if (typeof location === 'string' || isObservable(location))
        core.rememberStorage(location, { open$: storage, realm, name });
      if (discards === core.discards.count()) return EMPTY;
      discards = core.discards.count();
      return concat(store.clear(), clearIfDiscarded(store));
    });
  return clearIfDiscarded;
};

/**
 * Stays subscribed until `health$` completes, because the subscription reopens a lost storage. Health never errors.
 */
const watchHealth = (health$: Observable<StorageHealth>, next: (health: StorageHealth) => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- its subscriber ends it, with the realm
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
    closeNow: () => undefined, // A local realm without handles is already being released.
    removeHandle: () => {
      handles -= 1;
      if (handles > 0) return done$;
      // eslint-disable-next-line rxjs-x/no-ignored-subscription -- closing must run to its end
      closing$.subscribe(released$);
      return released$;
    },
  };
};

/** Ignores errors of closing a storage: every acknowledged write is already durable. */
const closeSafely = (closing: Observable<never>): Observable<void> =>
  closing.pipe(
    catchError(() => of(undefined)),
    ignoreElements(),
    concatWith(of(undefined)),
  );

/** Ends a session whose storage is lost, and resumes it when the storage is back. */
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
    // Deferred: when the client was closed meanwhile, creating the realm closes the store, which ends this stream.
    switchMap((outbox) => defer(() => of(createSyncedRealm(held, plan, at, outbox)))),
  );

const createSyncedRealm = (
  { store, health$, closing$ }: HeldStore,
  { core, realmName, stopImmediately, clientReset }: SyncPlan,
  { location, name: storageName }: Pick<OpenPlan, 'location' | 'name'>,
  outbox: OutboxState,
): RunningRealm => {
  const name = JSON.stringify([realmName, typeof location === 'string' ? location : '']); // One realm may be open on two storages.
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
      runAction(() => session.dispatch({ type: 'reset' })),
    );
  const named = { realm: realmName, storage: location, name: storageName };
  const member: RealmMember = { ...named, machine: session, discard, isWriting: store.isWriting, released$ };
  let handles = 1;
  const end = (now: boolean): void =>
    session.dispatch({ type: 'closed', immediately: now, by: new SessionClosedError('The realm was closed.') });

  // Every end of the session closes the storage.
  const end$ = session.state$.pipe(
    last(),
    map(({ sync }) => (sync === 'paused' ? core.pausedRealms.add(name) : core.pausedRealms.delete(name))),
    switchMap(() => closing$),
    tap(() => core.removeMember(member)),
  );
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it ends with the session
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
