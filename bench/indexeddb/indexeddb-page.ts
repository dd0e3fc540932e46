/*
 * The page of the IndexedDB benchmark: the same work by tidemark, and by hand with one object store. By hand,
 * an object is text of JSON, a durable transaction has the durability `strict`, and writes that wait for a transaction
 * share the next one.
 */
import { firstValueFrom } from 'rxjs';
import { createSyncClient, openRealm, type Realm } from 'tidemark';
import { createItem, type Item, schema } from './items.js';

type Items = Realm<typeof schema>;

/** Milliseconds of some work. */
const measure = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};

/** Runs `count` writes, `atOnce` of them at the same time. */
const writeAll = async (count: number, atOnce: number, write: (item: Item) => Promise<unknown>): Promise<void> => {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await write(createItem(next++));
  };
  await Promise.all(Array.from({ length: atOnce }, one));
};

/** The work of one side on a database. */
interface Side {
  readonly open: () => Promise<void>;
  readonly write: (item: Item) => Promise<unknown>;
  readonly writeTogether: (items: readonly Item[]) => Promise<unknown>;
  readonly count: () => number;
  /** Receives all items from a server, and stores them. */
  readonly download: (port: number, count: number) => Promise<void>;
  readonly close: () => Promise<unknown>;
}

const createTidemarkSide = (name: string): Side => {
  let realm: Items | null = null;
  const requireRealm = (): Items => {
    if (realm === null) throw new Error('The realm is not open.');
    return realm;
  };
  return {
    open: async () => {
      realm = await openRealm({ schema, storage: name });
    },
    write: (item) => requireRealm().write((tx) => tx.create('Item', { ...item })),
    writeTogether: (items) =>
      requireRealm().write((tx) => {
        for (const item of items) tx.create('Item', { ...item });
      }),
    count: () => requireRealm().objects('Item').length,
    download: async (port, count) => {
      const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
      const synced = await openRealm({ schema, storage: name, sync: { client, realm: 'items' } });
      await firstValueFrom(synced.session.downloadComplete$);
      const found = synced.objects('Item').length;
      if (found !== count) throw new Error(`${found} of ${count} items were downloaded`);
      await synced.close();
      await client.close();
    },
    close: () => requireRealm().close(),
  };
};

const resultOf = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('The request failed.'));
  });

const openDatabase = (name: string): Promise<IDBDatabase> => {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => void request.result.createObjectStore('items');
  return resultOf(request);
};

const putAll = (db: IDBDatabase, items: readonly Item[], durability: 'strict' | 'relaxed'): Promise<void> =>
  new Promise((resolve, reject) => {
    const transaction = db.transaction('items', 'readwrite', { durability });
    const store = transaction.objectStore('items');
    for (const item of items) store.put(JSON.stringify(item), item.id);
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error ?? new Error('The transaction failed.'));
  });

/** Stores the items that wait while a transaction runs together in the next one. */
const createGroupedWrites = (db: () => IDBDatabase): ((item: Item) => Promise<void>) => {
  let waiting: Item[] = [];
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  return (item) => {
    waiting.push(item);
    next ??= running.then(() => {
      const items = waiting;
      waiting = [];
      next = null;
      running = putAll(db(), items, 'strict');
      return running;
    });
    return next;
  };
};

const receiveItems = (port: number, count: number, store: (items: readonly Item[]) => Promise<void>): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    let received = 0;
    let stored: Promise<void> = Promise.resolve();
    socket.onerror = () => reject(new Error('The socket failed.'));
    socket.onmessage = ({ data }) => {
      const items = JSON.parse(String(data)) as Item[];
      received += items.length;
      const isLast = received === count;
      stored = stored.then(() => store(items));
      stored.then(() => {
        if (!isLast) return;
        socket.close();
        resolve();
      }, reject);
    };
  });

const createRawSide = (name: string): Side => {
  const items = new Map<string, Item>();
  let db: IDBDatabase | null = null;
  const requireDatabase = (): IDBDatabase => {
    if (db === null) throw new Error('The database is not open.');
    return db;
  };
  const show = (all: readonly Item[]): void => {
    for (const item of all) items.set(item.id, item);
  };
  const writeGrouped = createGroupedWrites(requireDatabase);
  return {
    open: async () => {
      db = await openDatabase(name);
      const found = (await resultOf(db.transaction('items').objectStore('items').getAll())) as readonly string[];
      show(found.map((text) => JSON.parse(text) as Item));
    },
    write: (item) => writeGrouped(item).then(() => show([item])),
    writeTogether: (all) => putAll(requireDatabase(), all, 'strict').then(() => show(all)),
    count: () => items.size,
    download: async (port, count) => {
      db = await openDatabase(name);
      await receiveItems(port, count, async (all) => {
        await putAll(requireDatabase(), all, 'relaxed');
        show(all);
      });
      if (items.size !== count) throw new Error(`${items.size} of ${count} items were received`);
      db.close();
    },
    close: () => {
      db?.close();
      return Promise.resolve();
    },
  };
};

export type SideName = 'ours' | 'raw';
const createSide = (side: SideName, name: string): Side =>
  side === 'ours' ? createTidemarkSide(name) : createRawSide(name);

const calls = {
  /** Milliseconds of single writes, each of which is durable before its promise resolves. */
  write: async (side: SideName, name: string, count: number, atOnce: number): Promise<number> => {
    const { open, write, close } = createSide(side, name);
    await open();
    const spent = await measure(() => writeAll(count, atOnce, write));
    await close();
    return spent;
  },
  /** Milliseconds of durable transactions of a thousand items. */
  fill: async (side: SideName, name: string, count: number): Promise<number> => {
    const { open, writeTogether, close } = createSide(side, name);
    await open();
    const spent = await measure(async () => {
      for (let from = 0; from < count; from += 1_000)
        await writeTogether(Array.from({ length: 1_000 }, (_, at) => createItem(from + at)));
    });
    await close();
    return spent;
  },
  /** Milliseconds until all items of a database can be read. */
  open: async (side: SideName, name: string, count: number): Promise<number> => {
    const { open, count: countItems, close } = createSide(side, name);
    const spent = await measure(open);
    if (countItems() !== count) throw new Error(`${countItems()} of ${count} items are there`);
    await close();
    return spent;
  },
  /** Milliseconds until a new device has received and stored all items of a server. */
  download: (side: SideName, name: string, port: number, count: number): Promise<number> =>
    measure(() => createSide(side, name).download(port, count)),
  remove: (name: string): Promise<unknown> => resultOf(indexedDB.deleteDatabase(name)),
};

export type Calls = typeof calls;
Object.assign(globalThis, { calls });
