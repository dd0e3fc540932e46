/* A process with any number of clients of one peer. */
import { type ArrivalRecorder, type Arrivals, createArrivalRecorder } from './arrivals.js';
import { isResolvedWithin, now, sleep } from './time-limits.js';
import { createItem, isSameItem, itemIdOf, type ItemPrefix } from './items.js';
import { loadAdapter } from './load-adapter.js';
import { type ClientStore, type PeerClient, type PeerName, peers } from './peer.js';
import { answerCalls } from './remote-calls.js';
import { writeItems, type WriteOrder, type Writes } from './write-items.js';

export interface OpenOptions {
  readonly realm: string;
  readonly folder: string;
  readonly isOffline?: boolean;
}
export interface OpenManyOptions extends OpenOptions {
  readonly total: number;
  /** Whether each client has a realm of its own, with one item. */
  readonly hasOwnRealm: boolean;
  readonly msMax: number;
}
/** Differences between the written items and those of a client. */
export interface Differences {
  readonly lost: number;
  readonly damaged: number;
  /** Items of the client, expected or not. */
  readonly count: number;
}

let peerName: PeerName = 'raw';
let port = 0;
const clients = new Map<string, { readonly client: PeerClient; readonly recorder: ArrivalRecorder }>();
const find = (key: string) => {
  const found = clients.get(key);
  if (found === undefined) throw new Error(`there is no client ${key}`);
  return found;
};

const open = async (key: string, store: ClientStore, { realm, folder, isOffline = false }: OpenOptions) => {
  const { createClient } = await loadAdapter(peers[peerName].adapter);
  const client = await createClient({ port, realm, folder, store, isOffline });
  const recorder = createArrivalRecorder();
  client.onItem(recorder.record);
  clients.set(key, { client, recorder });
  return client;
};

const connectionsAtOnce = 20;

const methods = {
  use: async (name: PeerName, serverPort: number): Promise<void> => {
    peerName = name;
    port = serverPort;
    await loadAdapter(peers[name].adapter);
  },
  open: async (key: string, options: OpenOptions): Promise<void> => {
    await open(key, peers[peerName].store, options);
  },
  expect: (key: string, prefix: ItemPrefix, total: number): Promise<void> => {
    find(key).recorder.expect(prefix, total);
    return Promise.resolve();
  },
  waitForItems: (key: string, msMax: number): Promise<Arrivals> => find(key).recorder.wait(msMax),
  /** Returns the moment before the connection attempt. */
  connect: async (key: string): Promise<number> => {
    const began = now();
    await find(key).client.connect();
    return began;
  },
  write: (key: string, order: WriteOrder): Promise<Writes> => writeItems(find(key).client, order),
  /** Returns the moment at which the client knows that the server has its writes; null without this knowledge. */
  waitForServer: async (key: string, msMax: number): Promise<number | null> => {
    const { client } = find(key);
    if (!client.waitForServer) return null;
    return (await isResolvedWithin(client.waitForServer(), msMax)) ? now() : null;
  },
  /** Returns the moment at which the storage of the client has everything. */
  waitForStore: async (key: string): Promise<number> => {
    await find(key).client.waitForStore?.();
    return now();
  },
  /** Reads all expected items. */
  verify: (key: string, prefix: ItemPrefix, total: number): Promise<Differences> => {
    const { client } = find(key);
    let lost = 0;
    let damaged = 0;
    for (let index = 0; index < total; index += 1) {
      const item = client.get(itemIdOf(prefix, index));
      if (item === undefined) lost += 1;
      else if (!isSameItem(item, createItem(prefix, index))) damaged += 1;
    }
    return Promise.resolve({ lost, damaged, count: client.count() });
  },
  close: async (key: string): Promise<void> => {
    const { client } = find(key);
    clients.delete(key);
    await client.close();
  },
  processorMs: (): Promise<number> => {
    const { user, system } = process.cpuUsage();
    return Promise.resolve((user + system) / 1_000);
  },

  /** Opens and connects many clients in memory. Returns the number of connected clients. */
  openMany: async ({ total, realm, folder, hasOwnRealm, msMax }: OpenManyOptions): Promise<number> => {
    const end = now() + msMax;
    let next = 0;
    let connected = 0;
    const worker = async (): Promise<void> => {
      while (next < total && now() < end) {
        const index = next++;
        const options = { realm: hasOwnRealm ? `${realm}-${index}` : realm, folder: `${folder}/${index}` };
        const client = await open(`many-${realm}-${index}`, 'memory', options);
        await client.connect();
        if (hasOwnRealm) {
          await client.write(createItem('id', index));
          await client.waitForServer?.();
        }
        connected += 1;
      }
    };
    await isResolvedWithin(Promise.all(Array.from({ length: connectionsAtOnce }, worker)), msMax);
    return connected;
  },
  expectMany: (prefix: ItemPrefix, total: number): Promise<void> => {
    for (const { recorder } of clients.values()) recorder.expect(prefix, total);
    return Promise.resolve();
  },
  waitForMany: (msMax: number): Promise<Arrivals[]> =>
    Promise.all([...clients.values()].map(({ recorder }) => recorder.wait(msMax))),
  closeAll: async (): Promise<void> => {
    await isResolvedWithin(Promise.all([...clients.values()].map(({ client }) => client.close())), 10_000);
    clients.clear();
    await sleep(200);
  },
};

export type ClientMethods = typeof methods;

answerCalls(methods);
