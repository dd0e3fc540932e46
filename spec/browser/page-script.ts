/*
 * Functions that the specs call in a real browser. They decide nothing: each returns a result for the spec to check.
 */
import { filter, firstValueFrom, lastValueFrom, type Subscription } from 'rxjs';
import {
  indexedDbStorage,
  type OpenStorage,
  openRealm,
  type Realm,
  type Storage,
  type StorageChange,
} from '../../lib/index.js';
import { createBrowserTabs } from '../../lib/storage/browser-tabs.js';
import type { TabChannel, TabPlatform } from '../../lib/storage/tab-platform.js';
import { StorageTakenOverError } from '../../lib/model/taken-over-error.js';
import { storageTests, runStorageTest } from '../../lib/testing/storage-suite.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

/** An error in a form that can be passed from the page to the spec. */
export interface PageMessage {
  readonly name: string;
  readonly code: unknown;
  readonly message: string;
}

const describeError = (thrown: unknown): PageMessage => {
  const { name, code, message } = thrown as Error & { code?: unknown };
  return { name, code, message };
};
const outcome = (work: Promise<unknown>): Promise<PageMessage | 'done'> =>
  work.then(() => 'done' as const, describeError);
const done = (work: ReturnType<Storage['batch']>) => lastValueFrom(work, { defaultValue: undefined });
const everything = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity };
/** Random bytes, because Chromium compresses what it stores. */
const entry = (at: number, bytes: number): StorageChange => ({
  type: 'put',
  key: `k${String(at).padStart(8, '0')}`,
  value: Uint8Array.from({ length: bytes }, () => Math.random() * 256),
});

const settled = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('it failed'));
  });

let realm: Realm<typeof schema> | undefined;
let storage: Storage | undefined;
let losses: string[] = [];
let tries = 0;

let tabs: TabPlatform | null = null;
const states: string[] = [];
const locks = new Map<string, Subscription>();
const lockEvents: string[] = [];
const channels = new Map<string, TabChannel>();
const messages: unknown[] = [];
const begun: unknown[] = [];
let shared: OpenStorage | undefined;

/** The spec defines this function. It is called after each write whose promise has resolved. */
declare const acknowledged: (id: string) => void;

type Transact = (this: IDBDatabase, ...args: Parameters<IDBDatabase['transaction']>) => IDBTransaction;

const keepStorage = (opened: Storage): void => {
  storage = opened;
  losses = [];
  opened.lost$?.subscribe({
    next: (error) =>
      losses.push(error instanceof StorageTakenOverError ? `taken over: ${error.message}` : error.message),
    complete: () => losses.push('closed'),
  });
};

/** Functions of the platform of one name, which `start` creates. */
const tabCalls = {
  /** Returns whether this browser has the platform. */
  start: (name: string): boolean => {
    tabs = createBrowserTabs(name);
    tabs?.page$.subscribe((state) => states.push(state));
    return tabs !== null;
  },
  /** The states of the page since `start`. */
  states: (): readonly string[] => states,
  /** Requests a lock. `lockEvents` has what happens to it. */
  lock: (name: string, how: 'wait' | 'steal'): void => {
    const note = (event: string): void => void lockEvents.push(`${name} ${event}`);
    const lock = tabs!.lock(name, how).subscribe({
      next: () => note('held'),
      error: (thrown: unknown) => note(thrown instanceof StorageTakenOverError ? 'taken over' : String(thrown)),
      complete: () => note('completed'),
    });
    locks.set(name, lock);
  },
  unlock: (name: string): void => locks.get(name)?.unsubscribe(),
  lockEvents: (): readonly string[] => lockEvents,
  openChannel: (name: string): void => {
    channels.set(
      name,
      tabs!.openChannel(name, (message) => messages.push(message)),
    );
  },
  post: (name: string, ...sent: readonly unknown[]): void => {
    for (const message of sent) channels.get(name)!.post(message);
  },
  /** Posts a function, which cannot be cloned. Returns the name of what is thrown. */
  postFunction: (name: string): unknown => {
    try {
      channels.get(name)!.post(() => undefined);
      return;
    } catch (thrown) {
      return (thrown as Error).name;
    }
  },
  closeChannel: (name: string): void => channels.get(name)!.close(),
  messages: (): readonly unknown[] => messages,
  unlockWhenLeft: (name: string): void => {
    tabs!.page$.pipe(filter((state) => state === 'leaving')).subscribe(() => locks.get(name)?.unsubscribe());
  },
  openShared: () => {
    shared = tabs!.openStorage();
    return tabCalls.reopen();
  },
  /** Opens the storage again for the same leader. */
  reopen: () => outcome(firstValueFrom(shared!).then(keepStorage)),
  /** Returns the milliseconds until a first batch is stored. */
  takeOver: async (at: number): Promise<number> => {
    const start = performance.now();
    await firstValueFrom(tabs!.openStorage()).then(keepStorage);
    await done(storage!.batch([entry(at, 10)], { durable: true }));
    return performance.now() - start;
  },
  /** Opens the storage, and reports that the page is frozen while its first request runs. */
  openFrozen: async () => {
    const original = Reflect.get(IDBObjectStore.prototype, 'openKeyCursor') as (...args: unknown[]) => unknown;
    IDBObjectStore.prototype.openKeyCursor = function (...args) {
      queueMicrotask(() => document.dispatchEvent(new Event('freeze')));
      return original.apply(this, args) as ReturnType<IDBObjectStore['openKeyCursor']>;
    };
    const opened = await tabCalls.openShared();
    Object.assign(IDBObjectStore.prototype, { openKeyCursor: original });
    return opened;
  },
  /** Writes batches of new entries one after the other. `begun` has their outcomes. */
  beginBatches: (batches: number, entries: number): void => {
    const write = async (): Promise<void> => {
      for (let batch = 1; batch <= batches; batch += 1) {
        const changes = Array.from({ length: entries }, (_, at) => entry(batch * 10_000 + at, 1_000));
        begun.push(await outcome(done(storage!.batch(changes, { durable: true }))));
      }
    };
    void write();
  },
  begun: (): readonly unknown[] => begun,
  /** Reads everything again and again, until an error. Returns when the first read is over. */
  readForEver: async (reverse: boolean): Promise<void> => {
    const read = () => outcome(firstValueFrom(storage!.range({ ...everything, reverse })));
    const readOn = async (): Promise<void> => {
      while ((await read()) === 'done');
    };
    await read();
    void readOn();
  },
  /** The keys of the database that are numbers. */
  numbers: async (): Promise<readonly unknown[]> => {
    const db = await settled(indexedDB.open(tabs!.name));
    const keys = await settled(
      db.transaction('tidemark').objectStore('tidemark').getAllKeys(IDBKeyRange.upperBound(Infinity)),
    );
    db.close();
    return keys;
  },
};

const calls = {
  ...tabCalls,
  /** Runs one test of the storage suite on a database of its own. */
  try: async (title: string): Promise<void> => {
    const name = `suite ${(tries += 1)}`;
    await runStorageTest(indexedDbStorage(name), storageTests[title]!);
    indexedDB.deleteDatabase(name);
  },

  open: (name: string) =>
    outcome(openRealm({ schema, storage: name, tabs: 'exclusive' }).then((opened) => (realm = opened))),
  write: (id: string) => outcome(realm!.write((tx) => tx.create('Task', { id, title: `task ${id}` }))),
  /** Writes until the browser is killed, with several writes pending. */
  flood: (): void => {
    let count = 0;
    const one = async (): Promise<void> => {
      for (;;) {
        const id = String((count += 1));
        await realm!.write((tx) => {
          tx.create('Task', { id, title: 'first' });
          tx.create('Task', { id: `${id} too`, title: 'second' });
        });
        acknowledged(id);
      }
    };
    for (let writer = 0; writer < 8; writer += 1) void one();
  },
  ids: async (): Promise<string[]> => (await firstValueFrom(realm!.objects$('Task'))).map(({ id }) => id),
  close: () => outcome(realm!.close()),

  openStorage: (name: string) => outcome(firstValueFrom(indexedDbStorage(name)).then(keepStorage)),
  /** Emissions of `lost$`, and those of a later subscription to it. */
  losses: async (): Promise<readonly string[]> => {
    const later: string[] = [];
    storage!.lost$?.subscribe(({ message }) => later.push(message));
    return Promise.resolve([...losses, ...later.map((message) => `later: ${message}`)]);
  },
  put: (at: number, bytes: number, durable = true) => outcome(done(storage!.batch([entry(at, bytes)], { durable }))),
  /** The durability of the transactions of a batch that has to be durable and of one that does not. */
  durabilities: async (): Promise<readonly unknown[]> => {
    const asked: unknown[] = [];
    const observed = new Proxy(Reflect.get(IDBDatabase.prototype, 'transaction') as Transact, {
      apply: (transaction, db: IDBDatabase, args: Parameters<Transact>) => {
        asked.push(args[2]?.durability);
        return transaction.apply(db, args);
      },
    });
    Object.assign(IDBDatabase.prototype, { transaction: observed });
    for (const durable of [true, false]) await done(storage!.batch([entry(1, 1)], { durable }));
    return asked;
  },
  /** Writes a batch of which the last value cannot be stored. */
  putHalf: () => {
    const lostBytes = new Uint8Array(8);
    structuredClone(lostBytes.buffer, { transfer: [lostBytes.buffer] });
    const changes = [entry(1, 1), { type: 'put' as const, key: 'z', value: lostBytes }];
    return outcome(done(storage!.batch(changes, { durable: true })));
  },
  /** Returns how many bytes are stored for a view of a larger buffer. */
  viewed: async (): Promise<number> => {
    const value = new Uint8Array(64 * 1024).subarray(5, 10);
    await done(storage!.batch([{ type: 'put', key: 'view', value }], { durable: true }));
    const [found] = await firstValueFrom(storage!.range({ ...everything, from: 'view', to: 'view ' }));
    return found![1].buffer.byteLength;
  },
  keys: async (): Promise<string[]> => (await firstValueFrom(storage!.range(everything))).map(([key]) => key),
  range: () => outcome(firstValueFrom(storage!.range(everything))),
  closeStorage: () => outcome(done(storage!.close())),

  /** Creates a database of another app, with its own stores and version. */
  foreign: async (
    name: string,
    version: number,
    stores: readonly string[],
    options: IDBObjectStoreParameters = {},
  ): Promise<void> => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      for (const store of stores)
        request.result.createObjectStore(store, options).put('a value', options.autoIncrement ? 5 : 'a key');
    };
    (await settled(request)).close();
  },
  /** Returns all contents of a database. */
  contents: async (name: string): Promise<unknown> => {
    const db = await settled(indexedDB.open(name));
    const stores = [...db.objectStoreNames];
    const found = stores.map(async (store) => settled(db.transaction(store).objectStore(store).getAll()));
    const all = { version: db.version, stores, values: await Promise.all(found) };
    db.close();
    return all;
  },
  upgrade: async (name: string, version: number): Promise<void> => {
    (await settled(indexedDB.open(name, version))).close();
  },
  remove: async (name: string): Promise<void> => {
    await settled(indexedDB.deleteDatabase(name));
  },
  steal: (name: string): void => {
    void navigator.locks.request(`tidemark ${name}`, { steal: true }, () => new Promise(() => undefined));
  },

  /**
   * Measures durable writes a second, one after the other, with 64 pending, and in batches of 1 000; and reads a
   * second.
   */
  bench: async () => {
    const perSecond = async (count: number, work: () => Promise<unknown>): Promise<number> => {
      const start = performance.now();
      await work();
      return Math.round((count * 1_000) / (performance.now() - start));
    };
    const write = (changes: readonly StorageChange[]) => done(storage!.batch(changes, { durable: true }));
    const single = await perSecond(300, async () => {
      for (let at = 0; at < 300; at += 1) await write([entry(at, 100)]);
    });
    const parallel = await perSecond(6_400, () =>
      Promise.all(
        Array.from({ length: 64 }, async (_, writer) => {
          for (let at = 0; at < 100; at += 1) await write([entry(writer * 100 + at, 100)]);
        }),
      ),
    );
    const batches = await perSecond(20_000, async () => {
      for (let batch = 0; batch < 20; batch += 1) {
        await write(Array.from({ length: 1_000 }, (_, at) => entry(10_000 + batch * 1_000 + at, 100)));
      }
    });
    const read = await perSecond(20_000, () => firstValueFrom(storage!.range({ ...everything, from: 'k00010000' })));
    return { single, lanes: parallel, batches, read };
  },
};

export type Calls = typeof calls;
Object.assign(globalThis, { calls });
