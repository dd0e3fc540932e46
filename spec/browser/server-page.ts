/*
 * A page with a server, and two devices that reach it without a network. The functions decide nothing: each returns a
 * result for the spec to check.
 */
import { firstValueFrom, of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import { allowAnyone, createSyncServer, jwt, type ServerOptions, type SyncServer } from '../../lib/server/index.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

const describeError = (thrown: unknown): string => (thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : '');

const createServer = (storage: ServerOptions['storage']): SyncServer =>
  createSyncServer({ storage, authenticate: allowAnyone, authorize: () => 'write' });

const openDevice = async (server: SyncServer) => {
  const client = createSyncClient({ dial: of(server.wire) });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
  return { client, realm };
};

const calls = {
  /** Writes on one device, and returns the titles that another device has then. */
  sync: async (title: string): Promise<string[]> => {
    const server = createServer(memoryStorage());
    const [one, two] = [await openDevice(server), await openDevice(server)];
    await one.realm.write((tx) => tx.create('Task', { id: 'a', title }));
    await firstValueFrom(one.realm.session.uploadComplete$);
    await firstValueFrom(two.realm.session.downloadComplete$);
    const titles = two.realm.objects('Task').map((task) => task.title);
    await Promise.all([one.client.close(), two.client.close()]);
    await server.close();
    return titles;
  },
  /** Writes to a server with a storage of this name, and returns what another device has from the next such server. */
  keep: async (name: string, title: string): Promise<string[]> => {
    const first = createServer(name);
    const writer = await openDevice(first);
    await writer.realm.write((tx) => tx.create('Task', { id: 'a', title }));
    await firstValueFrom(writer.realm.session.uploadComplete$);
    await writer.client.close();
    await first.close();
    const second = createServer(name);
    const reader = await openDevice(second);
    await firstValueFrom(reader.realm.session.downloadComplete$);
    const titles = reader.realm.objects('Task').map((task) => task.title);
    await reader.client.close();
    await second.close();
    return titles;
  },
  /** The errors of what needs Node. */
  needNode: async (): Promise<string[]> => {
    const server = createServer(memoryStorage());
    const outcomes = await Promise.all([
      server.listen({ port: 0 }).catch(describeError),
      server.backup('/backup').catch(describeError),
    ]);
    await server.close();
    return outcomes.map(String);
  },
  /** Whether a token that is not signed is rejected: `jwt` works without Node. */
  rejectToken: async (): Promise<string> => {
    const authenticate = jwt({ secret: 'a secret with more than 32 characters' });
    try {
      await firstValueFrom(of(await authenticate('no token')));
      return 'accepted';
    } catch (thrown) {
      return describeError(thrown);
    }
  },
};

export type ServerCalls = typeof calls;

Object.assign(globalThis, { calls });
