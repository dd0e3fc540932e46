import { defer, firstValueFrom, from, ReplaySubject, timer } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import { createPromiseStorage } from './promise-storage.js';
import { readEntries, resultOf, storeName, whileConnected, writeEntries } from './indexeddb-io.js';
import { toStorageError, fieldOf } from './storage-failure.js';
import { acquireLock, type Release } from './storage-lock.js';
import type { OpenStorage, Storage } from './storage.js';
import { StorageTakenOverError } from '../model/taken-over-error.js';
import { createWriteFence, type WriteFence } from './write-fence.js';

/** The version of the database: the layout of its entries, not their meaning. */
const format = 1;

/** Whether the engine could not read an existing database and deleted it. Only Chromium reports this. */
const isDataLost = (event: IDBVersionChangeEvent): boolean =>
  (event as { readonly dataLoss?: string }).dataLoss === 'total';

const throwOpenError = (location: string) => (thrown: unknown) => {
  if (fieldOf(thrown, 'name') === 'VersionError') {
    throw new StorageError(
      `${location} belongs to another app or to a later version of tidemark. It was left as it is.`,
      {
        cause: thrown,
      },
    );
  }
  throw toStorageError(`${location} cannot be opened`, thrown);
};

/** Whether a database has our only store, whose keys are not made by the database, as those of many other apps are. */
const isOurs = (db: IDBDatabase): boolean => {
  if ([...db.objectStoreNames].join() !== storeName) return false;
  const { keyPath, autoIncrement } = db.transaction(storeName).objectStore(storeName);
  return keyPath === null && !autoIncrement;
};

const openDatabase = async (name: string, location: string): Promise<IDBDatabase> => {
  let isReplaced = false;
  const request = indexedDB.open(name, format);
  request.onupgradeneeded = (event) => {
    isReplaced = isDataLost(event);
    if (isReplaced) request.transaction?.abort();
    else request.result.createObjectStore(storeName);
  };
  const db = await resultOf(request).catch((thrown: unknown) => {
    if (isReplaced)
      throw new StorageError(`${location} was damaged, and the browser has deleted it.`, { cause: thrown });
    return throwOpenError(location)(thrown);
  });
  if (isOurs(db)) return db;
  db.close();
  throw new StorageError(`${location} belongs to another app. It was left as it is.`);
};

/** The access of one tab to a database. */
interface DatabaseAccess {
  readonly location: string;
  readonly release: Release;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Only for a storage that several tabs share. */
  readonly fence: WriteFence | undefined;
}

/** Creates the storage on an open database, and the function that marks it as lost because another tab has its lock. */
const createDatabaseStorage = (
  db: IDBDatabase,
  { location, release, clock: { scheduler }, fence }: DatabaseAccess,
): { storage: Storage; onStolen: () => void } => {
  const lost = new ReplaySubject<StorageError>(1);
  let lossError: StorageError | undefined;
  let closed = false;

  const lose = (reason: string, options?: ErrorOptions, Loss = StorageError): void => {
    if (closed || lossError) return;
    lossError = new Loss(`${location} was lost: ${reason}.`, options);
    db.close(); // Running transactions end first, and then the pending delete.
    lost.next(lossError);
  };
  db.addEventListener('versionchange', ({ newVersion }) =>
    lose(newVersion === null ? 'it was deleted' : 'another version of the app has taken it over'),
  );
  db.addEventListener('close', () => lose('the browser has deleted it or closed it'));

  const onTakenOver = (options?: ErrorOptions): void =>
    lose('another tab has taken it over', options, StorageTakenOverError);
  const loss = (): StorageError | undefined => lossError;
  const whileOpen = async <A>(action: string, work: () => Promise<A>): Promise<A> => {
    if (lossError) throw lossError;
    try {
      return await whileConnected(db, work());
    } catch (thrown) {
      // Some browsers report a connection that they closed only in this way.
      if (fieldOf(thrown, 'name') === 'InvalidStateError') lose('its connection is closed', { cause: thrown });
      // Only the request of the fence can fail in this way.
      if (fieldOf(thrown, 'name') === 'ConstraintError') onTakenOver({ cause: thrown });
      // Running transactions are aborted before the connection reports that it was closed.
      if (fieldOf(thrown, 'name') === 'AbortError') await firstValueFrom(timer(0, scheduler));
      throw loss() ?? toStorageError(`${location} cannot be ${action}`, thrown);
    }
  };

  const storage = createPromiseStorage({
    read: (range) => whileOpen('read', () => readEntries(db, range)),
    write: (changes, durable) =>
      whileOpen('written', async () => {
        await writeEntries(db, changes, durable, fence?.guard);
        fence?.advance();
      }),
    close: async () => {
      closed = true;
      db.close();
      lost.complete();
      await release();
    },
  });
  return {
    storage: { ...storage, lost$: lost.asObservable() },
    onStolen: () => (fence ? onTakenOver() : lose('another page has taken its lock')),
  };
};

const openNamedDatabase = async (
  name: string,
  clock: Pick<Clock, 'scheduler'>,
  fence?: WriteFence,
): Promise<Storage> => {
  const location = `The IndexedDB database "${name}"`;
  if (!('indexedDB' in globalThis))
    throw new StorageError(`${location} cannot be opened, because this platform has no IndexedDB.`);
  let onStolen = (): void => undefined;
  const stolen = new Promise<void>((resolve) => {
    onStolen = resolve;
  });
  const mode = fence ? 'shared' : 'exclusive';
  const release = await acquireLock({ name: `tidemark ${name}`, location, clock, mode, onStolen });
  try {
    const db = await openDatabase(name, location);
    await fence?.raise(db, location);
    const created = createDatabaseStorage(db, { location, release, clock, fence });
    void stolen.then(created.onStolen); // Also if it was stolen while the database was opened.
    return created.storage;
  } catch (thrown) {
    await release();
    throw toStorageError(`${location} cannot be opened`, thrown); // A sandboxed page may not even ask.
  }
};

/**
 * Opens an IndexedDB database as a storage, and creates it if it does not exist. Cold: opens the database on
 * subscription. Emits the storage once and completes. Errors with a `StorageError`.
 *
 * Only one storage can be open on a database. A second one, in this tab or another, errors after half a second and
 * changes nothing. Opening the database of another app errors too. A `durable` batch uses the durability `strict` of
 * IndexedDB, so it completes when it is flushed. A database that is deleted or evicted while it is open emits on
 * `lost$`.
 *
 * @param name - The name of the database.
 * @param clock - The clock that measures the half second, `systemClock` by default.
 * @returns A stream of one storage, for the option `storage` of `openRealm`.
 *
 * @example
 * ```ts
 * const realm = await openRealm({ schema, storage: indexedDbStorage('tasks') });
 * ```
 */
export const indexedDbStorage = (name: string, clock: Pick<Clock, 'scheduler'> = systemClock): OpenStorage =>
  defer(() => from(openNamedDatabase(name, clock)));

/**
 * Opens an IndexedDB database as the storage of a tab that leads, as `openStorage` of `TabPlatform` describes.
 *
 * Tabs that share hold the lock together: an earlier leader that is frozen, or cached for the back button, keeps its
 * part of the lock, and is excluded by the fence alone. The lock excludes exclusive storages.
 */
export const sharedIndexedDbStorage = (name: string, clock: Pick<Clock, 'scheduler'>): OpenStorage => {
  const fence = createWriteFence();
  return defer(() => from(openNamedDatabase(name, clock, fence)));
};
