import {
  catchError,
  concat,
  concatWith,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  type Observable,
  of,
  ReplaySubject,
  switchMap,
  take,
} from 'rxjs';
import { StorageError } from '../model/errors.js';
import { observe } from '../model/operators.js';
import { none } from '../model/result.js';
import { createReopeningStorage, type StorageHealth } from '../storage/reopening-storage.js';
import type { Storage } from '../storage/storage.js';
import { metadataKey } from '../store/storage-keys.js';
import { openLocalStore } from '../store/open-store.js';
import type { LocalStore } from '../store/store.js';
import type { HeldStore, StoreOpening } from './held-store.js';
import type { OpenPlan, RunningRealm } from './open-plan.js';

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
const openStoreOn = <S extends LocalStore>(
  storage: Storage,
  { storage: again, shapes, clock }: OpenPlan,
  { open, prepare, callMs }: StoreOpening<S>,
): Observable<HeldStore<S>> => {
  const free = (): void => void inUse.delete(storage);
  markInUse(storage);
  const reopening = createReopeningStorage(again, storage, clock, { key: metadataKey, callMs });
  return open({ storage: reopening.storage, shapes, clock }).pipe(
    switchMap((store) => concat(prepare(store), of(store))),
    map((store): HeldStore<S> => ({
      store,
      health$: reopening.health$(store.dump),
      closing$: defer(() => store.close().pipe(closeSafely, finalize(free))), // An open realm has no operators for it.
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

/** Opens the storage of a realm and a store on it. Cold; emits once and completes; errors with a `StorageError`. */
export const openHeldStore = <S extends LocalStore>(
  plan: OpenPlan,
  opening: StoreOpening<S>,
): Observable<HeldStore<S>> =>
  plan.storage.pipe(
    switchMap((opened) => openStoreOn(opened, plan, opening)),
    take(1),
  );

/** Prepares the store of a local realm for its first handle. Cold. */
export const prepareLocal = ({ migration }: OpenPlan, store: LocalStore): Observable<never> =>
  concat(store.becomeLocalOnly(), migration ? store.migrate(migration.version, migration.change) : EMPTY);

/** Opens a local realm for its first handle: see `openRunningRealm`. */
export const openLocalRealm = (plan: OpenPlan): Observable<RunningRealm> =>
  openHeldStore(plan, {
    open: openLocalStore,
    prepare: (store) => prepareLocal(plan, store),
    callMs: Infinity,
  }).pipe(map(createLocalRealm));

/**
 * Stays subscribed until `health$` completes, because the subscription reopens a lost storage. Health never errors.
 */
export const watchHealth = (health$: Observable<StorageHealth>, next: (health: StorageHealth) => void): void => {
  observe(health$, next);
};

export const done$ = of(undefined);

const createLocalRealm = ({ store, health$, closing$ }: HeldStore<LocalStore>): RunningRealm => {
  const released$ = new ReplaySubject<void>(1);
  let handles = 1;
  watchHealth(health$, () => undefined);
  return {
    store,
    syncSession: none,
    checkOwner: () => undefined, // The next session checks whose writes it uploads.
    processed$: EMPTY,
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
