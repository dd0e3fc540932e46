import { filter, firstValueFrom } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import type { Adapter } from './peer.js';

/*
 * Tidemark as it was built from this checkout, by its public API with default options. Only the limits of connections
 * from one address are raised, because all clients of a run have the same.
 */

const schema = {
  Item: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool', n: 'int' } },
} as const;

const createServer: Adapter['createServer'] = async ({ port, folder }) => {
  const server = createSyncServer({
    storage: folder,
    authenticate: allowAnyone,
    authorize: () => 'write',
    limits: { connectionsPerAddressMax: 100_000, upgradesPerSecondMax: 100_000 },
  });
  await server.listen({ port, host: '127.0.0.1' });
  return { stop: server.close };
};

const createClient: Adapter['createClient'] = async ({ port, realm: name, folder, store }) => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const storage = store === 'disk' ? `${folder}/realm` : memoryStorage();
  const realm = await openRealm({ schema, storage, sync: { client, realm: name } });
  const { session } = realm;
  session.pause();
  const ownIds = new Set<unknown>();
  let lastWrite: Promise<unknown> = Promise.resolve();
  return {
    onItem: (callback) => {
      realm.changes$('Item').subscribe(({ inserted }) => {
        for (const id of inserted) if (!ownIds.delete(id)) callback(String(id));
      });
    },
    connect: () => {
      session.resume();
      return firstValueFrom(session.connectionState$.pipe(filter((state) => state === 'connected')));
    },
    write: (item) => {
      ownIds.add(item.id);
      lastWrite = realm.write((tx) => tx.create('Item', { ...item }));
      return lastWrite;
    },
    waitForServer: () => firstValueFrom(session.uploadComplete$),
    waitForStore: () => lastWrite,
    count: () => realm.objects('Item').length,
    get: (id) => realm.get('Item', id),
    close: async () => {
      await realm.close();
      await client.close();
    },
  };
};

export const adapter: Adapter = { createServer, createClient };
