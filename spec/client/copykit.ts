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
import { toBytes } from '../../lib/model/bytes.js';
import { anyone, createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { until } from './kit.js';
import { comes } from '../waiting.js';

/** One of everything that could be lost or doubled: a count, elements of a list, and keys. */
export const schema = {
  Log: { primaryKey: 'id', properties: { id: 'string', count: 'counter', lines: 'string[]' } },
} as const;
export type Logs = Realm<typeof schema>;

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const everything = { from: ' ', to: '~', limit: Infinity, bytesMax: Infinity } as const;

/** What is on a storage now, on another one: as a copied folder is, or a backup that is put back. */
export const copyOf = async (storage: Storage): Promise<Storage> => {
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

/** A server's storage, as it comes back from a backup of this moment: under another history id. */
export const restoredFrom = async (storage: Storage): Promise<Storage> => {
  const copy = await copyOf(storage);
  const value = toBytes('another-history-0001');
  copy.batch([{ type: 'put', key: 'realm/logs/id', value }], { durable: true }).subscribe();
  return copy;
};

export const serverOn = (storage: Storage = memoryStorage(), more: object = {}): SyncServer => {
  const server = createSyncServer({ storage, authenticate: anyone, authorize: () => 'write', ...more });
  opened.push(server.close);
  return server;
};

/** A folder, which outlives the processes that open it. */
export interface Disk {
  storage: Storage;
}

export interface Running {
  readonly realm: Logs;
  readonly session: SyncSession;
  readonly client: SyncClient;
  /** Goes online, if it was started offline. */
  readonly connect: () => void;
  /** Ends the process; what is on its disk stays. */
  readonly end: () => Promise<void>;
}

/** Starts a process on a disk, online unless it is told otherwise. */
export const started = async (
  disk: Disk,
  server: SyncServer,
  { clientReset = 'recoverOrDiscard', online = true }: { clientReset?: ClientReset; online?: boolean } = {},
): Promise<Running> => {
  const isOnline = new BehaviorSubject(online);
  const dial = isOnline.pipe(
    filter(Boolean),
    map(() => server.wire),
  );
  const client = createSyncClient({ dial, timeouts: { linger: 0 } });
  const held = disk.storage;
  const realm: Logs = await openRealm({ schema, storage: held, sync: { client, realm: 'logs', clientReset } });
  if (!isSome(realm.syncSession)) throw new Error('no session');
  const session = realm.syncSession.value;
  const end = async (): Promise<void> => {
    disk.storage = await copyOf(held);
    await client.close();
  };
  opened.push(client.close);
  return { realm, session, client, end, connect: () => isOnline.next(true) };
};

/** Adds one to the count, a line, and an object: each by this name. */
export const log = (realm: Logs, name: string) =>
  realm.write((tx) => {
    if (!tx.get('Log', 'all')) tx.create('Log', { id: 'all', count: 0, lines: [] });
    tx.increment('Log', 'all', 'count');
    tx.list('Log', 'all', 'lines').push(name);
    tx.create('Log', { id: name, count: 1, lines: [name] });
  });

/** What a realm has: the count, the lines, and the other objects. */
export const found = async (realm: Logs): Promise<object> => {
  const all = await firstValueFrom(realm.objects$('Log'));
  const log = realm.get('Log', 'all');
  const names = all.flatMap(({ id }) => (id === 'all' ? [] : [id])).sort();
  return { count: log?.count ?? 0, lines: [...(log?.lines ?? [])].sort(), names };
};

/** Those names, each exactly once. */
export const once = (...names: readonly string[]): object => {
  const sorted = [...names].sort();
  return { count: sorted.length, lines: sorted, names: sorted };
};

/** Waits until nothing is left to upload or download. */
export const synced = async ({ session }: Running): Promise<void> => {
  await until(
    session.status$,
    ({ pending, connection }) => pending.changesets === 0 && connection.state === 'connected',
  );
  await comes(session.downloadComplete$, 'downloadComplete$');
};
