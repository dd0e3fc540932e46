import { interval, Subscription } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import { createSyncServer } from '../../lib/server/index.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;
/** Users, with the realms of each, and the milliseconds between two of their writes. */
const devices = [
  { user: 'ann', realms: ['team-north', 'user-ann'], ms: 300 },
  { user: 'ann', realms: ['team-north'], ms: 2_300 },
  { user: 'bob', realms: ['team-north', 'team-south'], ms: 700 },
  { user: 'carla', realms: ['team-south', 'news'], ms: 1_100 },
  { user: 'dmitri', realms: ['team-south'], ms: 450 },
  { user: 'eve', realms: ['news', 'user-eve'], ms: 1_900 },
] as const;

/** Opens a server with devices that write, for the picture of the inspector. */
export const openBusyServer = async () => {
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token.replace('token-', '') }),
    authorize: () => 'write',
  });
  const { port } = await server.listen({ port: 0, host: 'localhost', inspector: ['ops'] });
  const writing = new Subscription();
  const clients = await Promise.all(
    devices.map(async ({ user, realms, ms }) => {
      const client = createSyncClient({ url: `ws://localhost:${port}`, accessToken: () => `token-${user}` });
      for (const name of realms) {
        const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: name } });
        writing.add(
          interval(ms).subscribe((at) => {
            // Users write for a while, and then read.
            const count = Math.round(4 * Math.max(0.1, Math.sin(at * (ms / 5_000) + name.length)) * Math.random());
            for (let each = 0; each < count; each += 1)
              void realm.write((tx) => tx.put('Task', { id: `${user} ${at % 40}`, title: 'milk '.repeat(count * 9) }));
          }),
        );
      }
      return client;
    }),
  );
  return {
    port,
    close: async () => {
      writing.unsubscribe();
      await Promise.all(clients.map((client) => client.close()));
      await server.close();
    },
  };
};
