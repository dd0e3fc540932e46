import { openNamedStorage, storageIdentityOf } from '#storage';
import {
  concat,
  defer,
  EMPTY,
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
import type { SetAsideObject } from '../model/changeset.js';
import { InvalidArgumentError, RealmClosedError } from '../model/errors.js';
import { checkOptions, checkRealmName } from '../model/limits.js';
import { isSome, none, type Option, some } from '../model/result.js';
import { checkSchema, type Schema } from '../model/schema.js';
import type { KeyOf, ObjectOf, Synchronous, TypeName } from '../model/schema-types.js';
import { waitUntilProcessed } from '../session/conversation/receive-progress.js';
import { clientResets } from '../session/binding/client-reset.js';
import type { ClientSession } from '../session/binding/session.js';
import { toSyncSession, type SyncSession } from '../session/api/sync-session.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { RejectedTransaction } from '../store/rejected/rejected-writes-api.js';
import type { Imported, ImportOptions } from '../store/transfer/import.js';
import type { TypeChanges } from '../store/objects/objects.js';
import type { Query } from '../store/query/query.js';
import type { RealmStats } from '../store/transfer/stats.js';
import type { Written } from '../store/transaction/write.js';
import type { Transaction } from '../store/transaction/transaction.js';
import { checkClock } from './check-arguments.js';
import { coreOf } from './sync-client.js';
import { checkOwner } from './user-identity.js';
import { importFrom, type ImportSource } from './import-source.js';
import { enterRealm } from './realm-registry.js';
import type { Migration, RunningRealm, OpenPlan, SyncPlan } from './open-realm.js';
import { promiseOf } from './observable-promise.js';
import type { RealmOptions, SessionOf, SyncOptions } from './realm-options.js';

/** A handle of an open realm. Reads and writes never wait for a network. */
export interface Realm<S extends Schema, Session extends SyncSession | null = SyncSession | null> {
  /**
   * Runs a transaction now, and resolves when it is durable on this device: with what its function returned, and the
   * client version it got. Rejects when it throws, breaks the schema, or cannot be stored: then nothing has changed.
   * Readers see it when it is durable; later writes see it at once.
   */
  readonly write: <R>(change: (tx: Transaction<S>) => Synchronous<R>) => Promise<Written<R>>;
  /** The object with this key; `undefined` when there is none. Frozen, and the same one until it changes. */
  readonly get: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => ObjectOf<S, T> | undefined;
  /** The objects of a query, now: frozen. */
  readonly objects: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => readonly ObjectOf<S, T>[];
  /**
   * The objects of a query: now, on subscription, then at the end of every turn whose changes alter the result. Never
   * errors, but with what a predicate of the app throws; completes with the realm.
   */
  readonly objects$: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => Observable<readonly ObjectOf<S, T>[]>;
  /**
   * How many objects a query has: now, on subscription, then at the end of every turn whose changes alter it. Errors
   * and completes as `objects$`.
   */
  readonly count$: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => Observable<number>;
  /**
   * One object: now, then at the end of every turn that changes it; `undefined` while there is none. Never errors;
   * completes with the realm.
   */
  readonly object$: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => Observable<ObjectOf<S, T> | undefined>;
  /**
   * The keys that each batch of changes, local or downloaded, inserted, modified and deleted. Hot; completes with the
   * realm.
   */
  readonly changes$: (type: TypeName<S>) => Observable<TypeChanges>;
  /**
   * Transactions that the server refused, the latest thousand: the present ones on subscription, then every change.
   * Each was taken back here, and is kept, also through restarts, until `retry` or `discard`. Never errors; completes
   * with the realm.
   */
  readonly rejectedWrites$: Observable<readonly RejectedTransaction[]>;
  /**
   * Writes a refused transaction again, on top of what stands now; or, given a function, writes that instead. It is not
   * kept any longer from the moment that this is durable. Resolves as `write` does; rejects, and keeps it, when what it
   * changed is gone.
   */
  readonly retry: <R = undefined>(
    id: number,
    change?: (tx: Transaction<S>) => Synchronous<R>,
  ) => Promise<Written<R | undefined>>;
  /** Keeps a refused transaction no longer. Resolves when that is durable. */
  readonly discard: (id: number) => Promise<void>;
  /**
   * All objects that readers see on subscription, as lines of JSON without their ends: first the types, then an object
   * each (docs/tools.md). Cold; some hundred lines a turn; what is written meanwhile does not change it. Objects that
   * are set aside are left out, and counted in the first line.
   */
  readonly export: () => Observable<string>;
  /**
   * Writes such lines, a thousand objects a transaction, the next when the one before is durable: what can be iterated
   * waits for that, an Observable is kept in memory meanwhile. Rejects with an `ImportError` that names the line; what
   * was written before stays. `onConflict` says what becomes of objects that are there: `error` unless given.
   */
  readonly import: (lines: ImportSource, options?: ImportOptions) => Promise<Imported>;
  /** The realm in numbers, now. Counts what is in memory; asks no storage. */
  readonly stats: () => RealmStats;
  /**
   * The objects that are stored and do not fit the schema of this app, because another version of an app has written
   * them: the present ones on subscription, then every change. Readers do not see them; they sync and are merged as all
   * others, and come back by themselves when they fit. Hot state; never errors; completes with the realm. Empty in a
   * local realm, which is refused instead.
   */
  readonly setAside$: Observable<readonly SetAsideObject[]>;
  /**
   * Resolves when all changes that had arrived from the server at the call are visible to reads. It asks the server for
   * nothing: that is `downloadComplete$`, after which it is never needed. At once offline, and in a local realm. Pages
   * of a snapshot wait for the last one.
   */
  readonly refresh: () => Promise<void>;
  /** How it syncs, the same session for all handles of the realm; none for a local realm. */
  readonly syncSession: Option<SyncSession>;
  /** The same session, or `null` for a local realm. */
  readonly session: Session;
  /**
   * Closes this handle, which is of no use afterwards. After the last one the session ends by its stop policy. Resolves
   * when that is done or left to a dying session.
   */
  readonly close: () => Promise<void>;
}

const checkStorage = (given: unknown): Storage => {
  const { range, batch, close } = Object(given) as Partial<Storage>;
  if ([range, batch, close].every((each) => typeof each === 'function')) return given as Storage;
  throw new InvalidArgumentError(
    'storage',
    'a place (a folder; in browsers, the name of a database) or a storage',
    given,
  );
};

const storageOf = (given: unknown): OpenStorage => {
  if (typeof given === 'string' && given.length > 0) return openNamedStorage(given);
  return isObservable(given) ? given.pipe(map(checkStorage)) : of(checkStorage(given));
};

const syncPlanOf = (sync: SyncOptions | undefined): SyncPlan | null => {
  if (sync === undefined) return null;
  const {
    client,
    realm,
    stopPolicy = 'afterChangesUploaded',
    clientReset = 'recoverOrDiscard',
    otherUser = 'refuse',
  } = checkOptions('sync', sync, ['client', 'realm', 'stopPolicy', 'clientReset', 'otherUser']);
  const core = coreOf(client);
  if (core.isClosed()) throw new InvalidArgumentError('sync.client', 'a client that is not closed', 'a closed client');
  const policies: readonly unknown[] = ['afterChangesUploaded', 'immediately'];
  if (!policies.includes(stopPolicy))
    throw new InvalidArgumentError('sync.stopPolicy', policies.join(' or '), stopPolicy);
  if (!clientResets.includes(clientReset))
    throw new InvalidArgumentError('sync.clientReset', clientResets.join(', '), clientReset);
  if (!(['refuse', 'read'] as readonly unknown[]).includes(otherUser))
    throw new InvalidArgumentError('sync.otherUser', 'refuse or read', otherUser);
  const realmName = checkRealmName(realm);
  return { core, realmName, stopImmediately: stopPolicy === 'immediately', clientReset, anyUser: otherUser === 'read' };
};

const migrationOf = (
  { schemaVersion = 0, migrate }: { readonly schemaVersion?: unknown; readonly migrate?: unknown },
  plan: SyncPlan | null,
): Migration | null => {
  if (migrate !== undefined && typeof migrate !== 'function') {
    throw new InvalidArgumentError('migrate', 'a function', migrate);
  }
  if (!Number.isSafeInteger(schemaVersion) || (schemaVersion as number) < 0) {
    throw new InvalidArgumentError('schemaVersion', 'a whole number from 0', schemaVersion);
  }
  if (!plan) return { version: schemaVersion as number, change: migrate as Migration['change'] };
  if (schemaVersion === 0 && migrate === undefined) return null;
  const expected = 'none for a realm that syncs: apps of every version write its history, so add properties instead';
  throw new InvalidArgumentError(
    migrate === undefined ? 'schemaVersion' : 'migrate',
    expected,
    migrate ?? schemaVersion,
  );
};

/**
 * Opens a realm, and starts its session if it has one. Opening the same realm again gives another handle of it. Rejects
 * with an `InvalidArgumentError` or `SchemaError` for what makes no sense, and with a `StorageError` for a storage that
 * is in use or holds something else; that is left as it is.
 */
export const openRealm = async <const S extends Schema, Sync extends SyncOptions | undefined = undefined>(
  options: RealmOptions<S, Sync>,
): Promise<Realm<S, SessionOf<Sync>>> => firstValueFrom(openHandle$(options));

/**
 * Opens a realm as long as it is subscribed: emits a handle of its own, and closes that when let go of. Cold; never
 * completes by itself; errors as `openRealm` rejects. With a storage that opens at once, as one in memory does, it
 * emits on subscription: a whole app can run in virtual time.
 */
export const openRealm$ = <const S extends Schema, Sync extends SyncOptions | undefined = undefined>(
  options: RealmOptions<S, Sync>,
): Observable<Realm<S, SessionOf<Sync>>> =>
  defer(() => {
    const opening = new ReplaySubject<Realm<S, SessionOf<Sync>>>(1);
    // eslint-disable-next-line rxjs-x/no-ignored-subscription -- what is opening cannot be called off: it is closed once it has opened
    openHandle$(options).subscribe(opening);
    return concat(opening, NEVER).pipe(finalize(() => closeWhenOpened(opening)));
  });

/** Closes a realm as soon as it has opened. */
const closeWhenOpened = <S extends Schema>(opening: Observable<Realm<S>>): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it ends when the realm has opened, or could not be
  opening.subscribe({ next: (realm) => void realm.close(), error: () => undefined });
};

const openHandle$ = <S extends Schema, Sync extends SyncOptions | undefined>(
  options: RealmOptions<S, Sync>,
): Observable<Realm<S, SessionOf<Sync>>> => {
  const names = ['schema', 'schemaVersion', 'migrate', 'storage', 'sync', 'clock'] as const;
  const { schema, storage, sync, clock, ...versions } = checkOptions('options', options, names);
  const shapes = checkSchema(schema);
  const plan = syncPlanOf(sync);
  const own: OpenPlan = {
    storage: storageOf(storage),
    schema,
    shapes,
    clock: clock === undefined ? (plan?.core.clock ?? systemClock) : checkClock(clock),
    sync: plan,
    migration: migrationOf(versions, plan),
    location: typeof storage === 'string' ? storageIdentityOf(storage) : storage,
    name: typeof storage === 'string' ? storage : '',
  };
  return enterRealm(own).pipe(map((opened) => handleOf(opened, plan) as unknown as Realm<S, SessionOf<Sync>>));
};

/** One session for all handles of a realm. */
const sessions = new WeakMap<ClientSession, Option<SyncSession>>();
const sessionOf = (session: ClientSession, reconnect: () => void): Option<SyncSession> => {
  const known = sessions.get(session) ?? some(toSyncSession(session, reconnect));
  sessions.set(session, known);
  return known;
};

/** Not typed by a schema: the store checks at run time what the types of `Realm` promise. */
const handleOf = (opened: RunningRealm, plan: SyncPlan | null) => {
  const { store, machine, removeHandle } = opened;
  let closed = false;
  const alive = (): void => {
    if (closed) throw new RealmClosedError('This handle of the realm was closed.');
  };
  const whileOpen =
    <A extends readonly unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R => {
      alive();
      return work(...args);
    };
  /** What `async` would do, with one promise and not three: in memory they cost as much as the write. */
  const promised = <R>(work: () => Observable<R>): Promise<R> => {
    try {
      alive();
      return promiseOf(work());
    } catch (thrown) {
      return promiseOf(throwError(() => thrown)); // As it is: an app's transaction may throw anything.
    }
  };
  const changing = <R>(work: () => Observable<R>): Promise<R> =>
    promised(() => {
      checkOwner(opened, plan?.core);
      return work();
    });
  const session = machine && plan ? sessionOf(machine, plan.core.reconnect) : none;
  const handle = {
    // A write is under way from the moment of the call, whether or not anybody awaits it.
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
    export: whileOpen(store.export),
    import: async (lines: ImportSource, options: ImportOptions = {}) => {
      const isAllowed = (): void => {
        alive();
        checkOwner(opened, plan?.core);
      };
      isAllowed();
      return importFrom(store.createImporter(options, isAllowed), lines);
    },
    stats: whileOpen(store.stats),
    setAside$: store.setAside$,
    refresh: () => promised(() => concat(machine ? waitUntilProcessed(machine.receiveProgress) : EMPTY, of(undefined))),
    syncSession: session,
    session: isSome(session) ? session.value : null,
    close: () => {
      const leaving$ = closed ? of(undefined) : removeHandle();
      closed = true;
      return promiseOf(leaving$.pipe(map(() => undefined)));
    },
  };
  return handle;
};
