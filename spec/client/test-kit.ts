import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, of, type Observable } from 'rxjs';
import {
  createSyncClient,
  isSome,
  memoryStorage,
  openRealm,
  type Realm,
  type SyncClient,
  type SyncClientOptions,
  type SyncSession,
} from '../../lib/index.js';
import { allowAnyone, createSyncServer, type ServerOptions, type SyncServer } from '../../lib/server/index.js';
import { waitForValue } from '../wait-for.js';

export const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;
export type Tasks = Realm<typeof schema>;

/** Closes everything that a spec opened, last first, after the spec. */
const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** Creates a folder that is removed after the spec. */
export const createFolder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'tidemark-spec-'));
  opened.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
};

export const open = {
  server: (options: Partial<ServerOptions> = {}): SyncServer => {
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: allowAnyone,
      authorize: () => 'write',
      log: () => undefined,
      ...options,
    });
    opened.push(server.close);
    return server;
  },
  client: (options: SyncClientOptions): SyncClient => {
    const client = createSyncClient(options);
    opened.push(client.close);
    return client;
  },
  realm: async (
    client: SyncClient,
    storage: Parameters<typeof openRealm>[0]['storage'] = memoryStorage(),
    realm = 'tasks',
  ) => {
    const made: Tasks = await openRealm({ schema, storage, sync: { client, realm } });
    opened.push(made.close);
    return made;
  },
};

/** Opens a device: a client without a socket, and its realm. */
export const openDevice = async (
  server: SyncServer,
): Promise<{ client: SyncClient; realm: Tasks; session: SyncSession }> => {
  const client = open.client({ dial: of(server.wire) });
  const realm = await open.realm(client);
  return { client, realm, session: sessionOf(realm) };
};

export const sessionOf = (realm: Tasks): SyncSession => {
  if (!isSome(realm.syncSession)) throw new Error('no session');
  return realm.syncSession.value;
};

/** Waits for an event-loop turn, after which all pending promises and streams have run. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits for a value, with a bound. */
export const waitUntil = <T>(stream: Observable<T>, wanted: (value: T) => boolean, ms = 20_000): Promise<T> =>
  waitForValue(stream, wanted, ms);

export const addTask = (realm: Tasks, id: string, title = id) =>
  realm.write((tx) => tx.create('Task', { id, title, done: false }));

export const readTitles = (realm: Tasks): Promise<string[]> =>
  firstValueFrom(realm.objects$('Task', { sort: { id: 1 } })).then((all) => all.map(({ title }) => title));
