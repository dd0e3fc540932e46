import { BehaviorSubject, filter, firstValueFrom, map } from 'rxjs';
import {
  createSyncClient,
  isSome,
  memoryStorage,
  openRealm,
  type ClientReset,
  type Realm,
  type Storage,
  type SyncClient,
  type SyncSession,
} from '../../lib/index.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { allowAnyone, createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

/** The schema has every value that could be lost or doubled: a count, list elements, and keys. */
export const schema = {
  Log: { primaryKey: 'id', properties: { id: 'string', count: 'counter', lines: 'string[]' } },
} as const;
export type LogRealm = Realm<typeof schema>;

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const everything = { from: ' ', to: '~', limit: Infinity, bytesMax: Infinity } as const;

/** Copies a storage, as a copied folder or a restored backup. */
export const copyStorage = async (storage: Storage): Promise<Storage> => {
  const entries = await firstValueFrom(storage.range(everything));
  const copy = memoryStorage();
  copy
    .batch(
      entries.map(([key, value]) => ({ type: 'put', key, value })),
      { durable: true },
    )
    .subscribe();
  return copy;
};

/** Copies a server's storage as a restored backup: under another history id. */
export const restoreStorage = async (storage: Storage): Promise<Storage> => {
  const copy = await copyStorage(storage);
  const value = encodeValue('another-history-0001');
  copy.batch([{ type: 'put', key: 'realm/logs/id', value }], { durable: true }).subscribe();
  return copy;
};

export const createServer = (storage: Storage = memoryStorage(), more: object = {}): SyncServer => {
  const server = createSyncServer({ storage, authenticate: allowAnyone, authorize: () => 'write', ...more });
  opened.push(server.close);
  return server;
};

/** A folder that outlives the processes that open it. */
export interface Disk {
  storage: Storage;
}

export interface RunningDevice {
  readonly realm: LogRealm;
  readonly session: SyncSession;
  readonly client: SyncClient;
  /** Connects a device that was started offline. */
  readonly connect: () => void;
  /** Ends the process and keeps its disk. */
  readonly end: () => Promise<void>;
}

/** Starts a process on a disk, online by default. */
export const startDevice = async (
  disk: Disk,
  server: SyncServer,
  { clientReset = 'recoverOrDiscard', online = true }: { clientReset?: ClientReset; online?: boolean } = {},
): Promise<RunningDevice> => {
  const isOnline = new BehaviorSubject(online);
  const dial = isOnline.pipe(
    filter(Boolean),
    map(() => server.wire),
  );
  const client = createSyncClient({ dial, timeouts: { linger: 0 } });
  const held = disk.storage;
  const realm: LogRealm = await openRealm({ schema, storage: held, sync: { client, realm: 'logs', clientReset } });
  if (!isSome(realm.syncSession)) throw new Error('no session');
  const session = realm.syncSession.value;
  const end = async (): Promise<void> => {
    disk.storage = await copyStorage(held);
    await client.close();
  };
  opened.push(client.close);
  return { realm, session, client, end, connect: () => isOnline.next(true) };
};

/** Increments the count, and adds a line and an object with this name. */
export const addLog = (realm: LogRealm, name: string) =>
  realm.write((tx) => {
    if (!tx.get('Log', 'all')) tx.create('Log', { id: 'all', count: 0, lines: [] });
    tx.increment('Log', 'all', 'count');
    tx.list('Log', 'all', 'lines').push(name);
    tx.create('Log', { id: name, count: 1, lines: [name] });
  });

/** Returns the content of a realm: the count, the lines, and the other objects. */
export const readContents = async (realm: LogRealm): Promise<object> => {
  const all = await firstValueFrom(realm.objects$('Log'));
  const log = realm.get('Log', 'all');
  const names = all.flatMap(({ id }) => (id === 'all' ? [] : [id])).sort();
  return { count: log?.count ?? 0, lines: [...(log?.lines ?? [])].sort(), names };
};

/** Returns the content with these names, each exactly once. */
export const contentsOf = (...names: readonly string[]): object => {
  const sorted = [...names].sort();
  return { count: sorted.length, lines: sorted, names: sorted };
};

/** Waits until everything is uploaded and downloaded. */
export const waitUntilSynced = async ({ session }: RunningDevice): Promise<void> => {
  await waitUntil(
    session.status$,
    ({ pending, connection }) => pending.changesets === 0 && connection.state === 'connected',
  );
  await waitForValue(session.downloadComplete$, 'downloadComplete$');
};
