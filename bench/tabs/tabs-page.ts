/*
 * The page of the benchmark of tabs. Each call works on the one realm of its tab.
 */
import { createSyncClient, openRealm, type Realm } from 'tidemark';
import { createItem, schema } from '../indexeddb/items.js';
import type { WriteTimes } from './hand-over-figures.js';

let realm: Realm<typeof schema> | null = null;
/** Moments at which the session became connected. */
let connectedAt: number[] = [];
let times: WriteTimes[] = [];
let ticks: Worker | null = null;

const requireRealm = (): Realm<typeof schema> => {
  if (realm === null) throw new Error('The realm is not open.');
  return realm;
};

let updates = 0;
/** Updates one of the objects, all of which exist. */
const writeOnce = (): Promise<unknown> => {
  updates += 1;
  return requireRealm().write((tx) => tx.update('Item', 'item-0', { n: updates }));
};

/** The lock with which this page finds itself among the holders of locks. */
const ownLock = `bench ${Math.random()}`;
void navigator.locks.request(ownLock, () => new Promise(() => undefined));

/** Timers of workers are exact in hidden pages too. */
const createTicks = (ms: number): Worker => {
  const code = `setInterval(() => postMessage(0), ${ms})`;
  return new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
};

const calls = {
  /** Opens the realm. Returns the milliseconds until an object is read. `port`: of a server to sync with. */
  open: async (storage: string, tabs: 'share' | 'exclusive', count: number, port?: number): Promise<number> => {
    const began = performance.now();
    if (port === undefined) realm = await openRealm({ schema, storage, tabs });
    else {
      const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
      const synced = await openRealm({ schema, storage, tabs, sync: { client, realm: storage } });
      synced.session.connectionState$.subscribe((state) => {
        if (state === 'connected') connectedAt.push(performance.now());
      });
      realm = synced;
    }
    const isLastThere = count === 0 || realm.get('Item', `item-${count - 1}`) !== undefined;
    if (!isLastThere) throw new Error(`The last of ${count} items is not there.`);
    return performance.now() - began;
  },
  fill: async (count: number): Promise<void> => {
    for (let from = 0; from < count; from += 1_000)
      await requireRealm().write((tx) => {
        for (let n = from; n < Math.min(count, from + 1_000); n += 1) tx.create('Item', { ...createItem(n) });
      });
  },
  /** Milliseconds of each of some writes, one after the other. */
  writeSingly: async (count: number): Promise<readonly number[]> => {
    const all: number[] = [];
    for (let left = count; left > 0; left -= 1) {
      const began = performance.now();
      await writeOnce();
      all.push(performance.now() - began);
    }
    return all;
  },
  /** Writes a second, while `atOnce` are pending. */
  writeTogether: async (count: number, atOnce: number): Promise<number> => {
    let left = count;
    const one = async (): Promise<void> => {
      while (left-- > 0) await writeOnce();
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: atOnce }, one));
    return (count * 1_000) / (performance.now() - began);
  },
  /** Whether this tab holds the lock of the leader. */
  isLeading: async (): Promise<boolean> => {
    const { held = [] } = await navigator.locks.query();
    const { clientId } = held.find(({ name }) => name === ownLock) ?? {};
    return held.some((lock) => lock.clientId === clientId && lock.name?.endsWith(',"lead"]'));
  },
  /** Lets the page answer nothing for some milliseconds. */
  block: (ms: number): void => {
    for (const ends = performance.now() + ms; performance.now() < ends;);
  },
  /** Whether the session has become connected since `startWriting`. */
  hasReconnected: (): boolean => connectedAt.length > 0,
  /** Begins a write every few milliseconds, whether or not earlier ones are pending. */
  startWriting: (ms: number): void => {
    times = [];
    connectedAt = [];
    ticks = createTicks(ms);
    ticks.onmessage = () => {
      const time: { began: number; ended: number | null } = { began: performance.now(), ended: null };
      times.push(time);
      void writeOnce().then(() => (time.ended = performance.now()));
    };
  },
  /** The number of writes since `startWriting` that are durable. */
  countWritten: (): number => times.filter(({ ended }) => ended !== null).length,
  /** Ends the writing. Resolves when all writes are durable. */
  stopWriting: async (): Promise<{
    readonly times: readonly WriteTimes[];
    readonly connectedAt: readonly number[];
  }> => {
    ticks?.terminate();
    await writeOnce();
    return { times, connectedAt };
  },
  close: async (): Promise<void> => {
    await requireRealm().close();
    realm = null;
  },
};

export type Calls = typeof calls;
Object.assign(globalThis, { calls });
