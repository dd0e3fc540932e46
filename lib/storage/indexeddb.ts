import { type IDBPDatabase, openDB, unwrap } from 'idb';
import { defer, firstValueFrom, from, ReplaySubject, timer } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import { createPromiseStorage } from './promise-storage.js';
import { readEntries, storeName, writeEntries } from './indexeddb-io.js';
import { toStorageError, fieldOf } from './storage-failure.js';
import { acquireLock, type Release } from './storage-lock.js';
import type { OpenStorage, Storage } from './storage.js';

/** The version of a database: how things are laid out in it, not what they mean. */
const format = 1;

/** The engine had a database of this name, could not read it, and threw it away: Chromium says so, and only then. */
const isDataLost = (event: IDBVersionChangeEvent): boolean =>
  (event as { readonly dataLoss?: string }).dataLoss === 'total';

const throwOpenError = (place: string) => (thrown: unknown) => {
  if (fieldOf(thrown, 'name') === 'VersionError') {
    const owner = 'another app, or a later version of this library';
    throw new StorageError(`${place} is of a later version: it belongs to ${owner}. It was left as it is.`, {
      cause: thrown,
    });
  }
  throw toStorageError(`${place} cannot be opened`, thrown);
};

const openDatabase = async (name: string, place: string): Promise<IDBPDatabase> => {
  let remade = false;
  const db = await openDB(name, format, {
    upgrade: (fresh, _from, _to, transaction, event) => {
      transaction.done.catch(() => undefined); // Opening fails with it.
      remade = isDataLost(event);
      if (remade) transaction.abort();
      else fresh.createObjectStore(storeName);
    },
  }).catch((thrown: unknown) => {
    if (remade) throw new StorageError(`${place} was damaged, and the browser has removed it`, { cause: thrown });
    return throwOpenError(place)(thrown);
  });
  const stores = [...db.objectStoreNames];
  if (stores.length === 1 && stores[0] === storeName) return db;
  db.close();
  throw new StorageError(`${place} belongs to another app. It was left as it is.`);
};

/** What becomes of an open database, and what is asked of it meanwhile. */
const createDatabaseStorage = (
  db: IDBPDatabase,
  place: string,
  release: Release,
  { scheduler }: Pick<Clock, 'scheduler'>,
): { storage: Storage; lose: (why: string) => void } => {
  const lost = new ReplaySubject<StorageError>(1);
  let gone: StorageError | undefined;
  let closed = false;

  const lose = (why: string, options?: ErrorOptions): void => {
    if (closed || gone) return;
    gone = new StorageError(`${place} is gone: ${why}`, options);
    db.close(); // What is under way ends first; who wants to delete it waits for that.
    lost.next(gone);
  };
  db.addEventListener('versionchange', ({ newVersion }) =>
    lose(newVersion === null ? 'it was deleted from elsewhere' : 'another version of the app has taken it over'),
  );
  db.addEventListener('close', () => lose('the browser has removed it or given up on it'));

  const loss = (): StorageError | undefined => gone;
  const whileThere = async <A>(what: string, work: () => Promise<A>): Promise<A> => {
    if (gone) throw gone;
    try {
      return await work();
    } catch (thrown) {
      // A connection that is closed though nobody closed it: some browsers do not say so in any other way.
      if (fieldOf(thrown, 'name') === 'InvalidStateError') lose('its connection is closed', { cause: thrown });
      // What was under way is aborted before the connection says that it was closed.
      if (fieldOf(thrown, 'name') === 'AbortError') await firstValueFrom(timer(0, scheduler));
      throw loss() ?? toStorageError(`${place} cannot be ${what}`, thrown);
    }
  };

  const storage = createPromiseStorage({
    read: (range) => whileThere('read', () => readEntries(db, range)),
    write: (changes, durable) => whileThere('written', () => writeEntries(unwrap(db), changes, durable)),
    close: async () => {
      closed = true;
      db.close();
      lost.complete();
      await release();
    },
  });
  return { storage: { ...storage, lost$: lost.asObservable() }, lose };
};

const openNamedDatabase = async (name: string, clock: Pick<Clock, 'scheduler'>): Promise<Storage> => {
  const place = `the IndexedDB database "${name}"`;
  if (!('indexedDB' in globalThis)) throw new StorageError(`there is no IndexedDB on this platform for ${place}`);
  let stolen = (): void => undefined;
  const release = await acquireLock({ name: `tidemark ${name}`, location: place, clock, onStolen: () => stolen() });
  try {
    const { storage, lose } = createDatabaseStorage(await openDatabase(name, place), place, release, clock);
    stolen = () => lose('somebody else has taken its lock');
    return storage;
  } catch (thrown) {
    await release();
    throw thrown;
  }
};

/**
 * An IndexedDB database of this name, which is made if it is not there. One at a time: a second opener, in this tab or
 * another, gets a `StorageError` after half a second and touches nothing; so does who opens a database that somebody
 * else has laid out.
 *
 * `durable` is IndexedDB's `strict`: completed means flushed. A database that is deleted or evicted under way is
 * `lost$`.
 */
export const indexedDbStorage = (name: string, clock: Pick<Clock, 'scheduler'> = systemClock): OpenStorage =>
  defer(() => from(openNamedDatabase(name, clock)));
