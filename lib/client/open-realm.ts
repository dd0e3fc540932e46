import { openNamedStorage, storageIdentityOf } from '#storage';
import {
  concat,
  defer,
  finalize,
  firstValueFrom,
  isObservable,
  map,
  NEVER,
  type Observable,
  of,
  ReplaySubject,
  throwError,
} from 'rxjs';
import { systemClock } from '../clock.js';
import { InvalidArgumentError, RealmClosedError } from '../model/errors.js';
import { checkOptions } from '../model/limits.js';
import { isSome } from '../model/result.js';
import { checkSchema, type Schema } from '../model/schema.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import { tabPlatformOf } from '../storage/tab-platform.js';
import { checkClock, checkFunction, checkOneOf, createStorageArgumentError } from '../model/check-arguments.js';
import { isClient, syncSupportOf } from './client-registry.js';
import { registerHandle } from './realm-handles.js';
import { createHandleSubscriptions } from './handle-subscriptions.js';
import { enterRealm } from './realm-registry.js';
import type { Migration, RunningRealm, OpenPlan, SyncPlan } from './open-plan.js';
import { promiseOf } from './observable-promise.js';
import type { Realm } from './realm.js';
import type { RealmOptions, SessionOf, SyncOptions } from './realm-options.js';
import { type SubscriptionSupport, subscriptionSupportOf } from './subscription-registry.js';

const checkStorage = (given: unknown): Storage => {
  const { range, batch, close } = Object(given) as Partial<Storage>;
  if ([range, batch, close].every((each) => typeof each === 'function')) return given as Storage;
  throw createStorageArgumentError('a folder (in browsers, the name of a database) or a storage', given);
};

const storageOf = (given: unknown): OpenStorage => {
  if (typeof given === 'string' && given.length > 0) return openNamedStorage(given);
  if (!isObservable(given)) return of(checkStorage(given));
  return tabPlatformOf(given as OpenStorage) ? (given as OpenStorage) : given.pipe(map(checkStorage));
};

const syncPlanOf = (sync: SyncOptions | undefined): SyncPlan | null => {
  if (sync === undefined) return null;
  if (isClient(sync)) {
    throw new InvalidArgumentError('sync', 'a record', sync, { problem: 'sync is a client. Pass { client, realm }.' });
  }
  const names = ['client', 'realm', 'stopPolicy', 'clientReset', 'otherUser'] as const;
  const { client, ...options } = checkOptions('sync', sync, names);
  return syncSupportOf(client, 'sync.client').planOf(options);
};

const checkSubscriptions = (given: unknown, plan: SyncPlan | null): SubscriptionSupport | null => {
  if (given === undefined) return null;
  if (plan !== null) return subscriptionSupportOf(given);
  throw new InvalidArgumentError('subscriptions', 'left out of a realm without `sync`', given);
};

const migrationOf = (
  { schemaVersion = 0, migrate }: { readonly schemaVersion?: unknown; readonly migrate?: unknown },
  plan: SyncPlan | null,
): Migration | null => {
  if (migrate !== undefined) checkFunction('migrate', migrate);
  if (!Number.isSafeInteger(schemaVersion) || (schemaVersion as number) < 0) {
    throw new InvalidArgumentError('schemaVersion', 'a whole number from 0', schemaVersion);
  }
  if (!plan) return { version: schemaVersion as number, change: migrate as Migration['change'] };
  if (schemaVersion === 0 && migrate === undefined) return null;
  const expected = 'left out of a realm that syncs (add properties instead: apps of every version write its history)';
  throw new InvalidArgumentError(
    migrate === undefined ? 'schemaVersion' : 'migrate',
    expected,
    migrate ?? schemaVersion,
  );
};

/**
 * Opens a realm and starts its session, if it has one.
 *
 * When the realm is already open in this process, on the same storage and with the same client (or as a local realm),
 * the new handle shares it. The schema and the options must then be equal to those of the open handles. The last handle
 * that is closed closes the realm.
 *
 * @param options - Schema, storage and, for a realm that syncs, client and name.
 * @returns A promise of a handle. Opening does not wait for the network. If the storage belongs to a user and the
 * client has no option `user`, opening waits up to one second for an access token.
 * @throws InvalidArgumentError (as a rejection) for an invalid option, and for one that differs from those of an open
 * handle.
 * @throws SchemaError (as a rejection) for an invalid schema, and for a local realm with objects that do not fit it.
 * @throws StorageError (as a rejection) when the storage is in use or cannot be read. The storage is left as it is.
 * @throws WrongRealmError (as a rejection) when the storage holds another realm.
 * @throws SyncError `other-user` (as a rejection) when the storage belongs to another user and `otherUser` is not
 * `read`.
 *
 * @example
 * ```ts
 * const client = createSyncClient({ url: 'wss://sync.example.com' });
 * const realm = await openRealm({
 *   schema: { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } } },
 *   storage: './data',
 *   sync: { client, realm: 'team-42' },
 * });
 * ```
 *
 * @see docs/storage.md
 */
export const openRealm = async <const S extends Schema, Sync extends SyncOptions | undefined = undefined>(
  options: RealmOptions<S, Sync>,
): Promise<Realm<S, SessionOf<Sync>>> => firstValueFrom(openHandle$(options));

/**
 * Opens a realm for as long as the stream is subscribed. Cold: each subscription opens a handle and closes it when it
 * is unsubscribed. Emits the handle once. Never completes. Errors with the errors of `openRealm`.
 *
 * With a storage that opens synchronously, such as `memoryStorage()`, the stream emits on subscription, so that a whole
 * app can run in virtual time.
 *
 * @param options - The options of `openRealm`.
 * @returns A stream of one handle.
 *
 * @example
 * ```ts
 * const tasks$ = openRealm$(options).pipe(switchMap((realm) => realm.objects$('Task')));
 * ```
 */
export const openRealm$ = <const S extends Schema, Sync extends SyncOptions | undefined = undefined>(
  options: RealmOptions<S, Sync>,
): Observable<Realm<S, SessionOf<Sync>>> =>
  defer(() => {
    const opening = new ReplaySubject<Realm<S, SessionOf<Sync>>>(1);
    // eslint-disable-next-line rxjs-x/no-ignored-subscription -- opening cannot be cancelled; the realm closes later
    openHandle$(options).subscribe(opening);
    return concat(opening, NEVER).pipe(finalize(() => closeWhenOpened(opening)));
  });

/** Closes a realm as soon as it has opened. */
const closeWhenOpened = <S extends Schema>(opening: Observable<Realm<S>>): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- ends when the realm has opened or failed to open
  opening.subscribe({ next: (realm) => void realm.close(), error: () => undefined });
};

const openHandle$ = <S extends Schema, Sync extends SyncOptions | undefined>(
  options: RealmOptions<S, Sync>,
): Observable<Realm<S, SessionOf<Sync>>> => {
  const names = ['schema', 'schemaVersion', 'migrate', 'storage', 'sync', 'subscriptions', 'tabs', 'clock'] as const;
  const {
    schema,
    storage,
    sync,
    subscriptions,
    tabs = 'share',
    clock,
    ...versions
  } = checkOptions('options of openRealm', options, names);
  checkOneOf('tabs', ['share', 'exclusive'], tabs);
  const shapes = checkSchema(schema);
  const plan = syncPlanOf(sync);
  const opening = storageOf(storage);
  const own: OpenPlan = {
    storage: opening,
    tabs: tabs === 'share' ? (tabPlatformOf(opening) ?? null) : null,
    schema,
    shapes,
    clock: clock === undefined ? (plan?.support.core.clock ?? systemClock) : checkClock(clock),
    sync: plan,
    subscriptions: checkSubscriptions(subscriptions, plan),
    migration: migrationOf(versions, plan),
    location: typeof storage === 'string' ? storageIdentityOf(storage) : storage,
    name: typeof storage === 'string' ? storage : '',
  };
  return enterRealm(own).pipe(map((opened) => handleOf(opened) as unknown as Realm<S, SessionOf<Sync>>));
};

/** The handle is not typed by a schema: the store checks at run time what the types of `Realm` promise. */
const handleOf = ({ store, syncSession, subscriptions, checkOwner, processed$, removeHandle }: RunningRealm) => {
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new RealmClosedError('This handle of the realm was closed. Open the realm again with openRealm.');
  };
  const whileOpen =
    <A extends readonly unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R => {
      checkOpen();
      return work(...args);
    };
  /** Runs work without `async`, which would make three promises of one: in memory they cost as much as the write. */
  const toPromise = <R>(work: () => Observable<R>): Promise<R> => {
    try {
      checkOpen();
      return promiseOf(work());
    } catch (thrown) {
      return promiseOf(throwError(() => thrown)); // Unchanged: the transaction of an app may throw any value.
    }
  };
  const changing = <R>(work: () => Observable<R>): Promise<R> =>
    toPromise(() => {
      checkOwner();
      return work();
    });
  const handle = {
    /** A write runs at the call, whether or not the app awaits its promise. */
    write: (change: never) => changing(() => store.write(change)),
    retry: (id: number, change?: never) => changing(() => store.retry(id, change)),
    discard: (id: number) => changing(() => store.discard(id)),
    rejectedWrites$: store.rejectedWrites$,
    get: whileOpen(store.get),
    objects: whileOpen(store.objects),
    objects$: whileOpen(store.objects$),
    count$: whileOpen(store.count$),
    object$: whileOpen(store.object$),
    changes$: whileOpen(store.changes$),
    stats: whileOpen(store.stats),
    setAside$: store.setAside$,
    ...createHandleSubscriptions(subscriptions ?? null, {
      toPromise: changing,
      check: () => {
        checkOpen();
        checkOwner();
      },
    }),
    refresh: () => toPromise(() => concat(processed$, of(undefined))),
    syncSession,
    session: isSome(syncSession) ? syncSession.value : null,
    close: () => {
      const closed$ = closed ? of(undefined) : removeHandle();
      closed = true;
      return promiseOf(closed$.pipe(map(() => undefined)));
    },
  };
  registerHandle(handle, { store, checkOpen, checkOwner });
  return handle;
};
