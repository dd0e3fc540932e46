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

/** What a spec opened, closed again after it, last first. */
const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A folder that is gone after the spec. */
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

/** A device of its own: a client, over no socket, and its realm. */
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

/** A turn of the event loop: what promises and streams have to do by themselves is done. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits for a value, and not for ever. */
export const waitUntil = <T>(stream: Observable<T>, wanted: (value: T) => boolean, ms = 20_000): Promise<T> =>
  waitForValue(stream, wanted, ms);

export const addTask = (realm: Tasks, id: string, title = id) =>
  realm.write((tx) => tx.create('Task', { id, title, done: false }));

export const readTitles = (realm: Tasks): Promise<string[]> =>
  firstValueFrom(realm.objects$('Task', { sort: { id: 1 } })).then((all) => all.map(({ title }) => title));
