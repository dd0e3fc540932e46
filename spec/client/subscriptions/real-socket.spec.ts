import { firstValueFrom } from 'rxjs';
import { createSubscriptions, createSyncClient, memoryStorage, openRealm } from '../../../lib/index.js';
import { createFolder } from '../test-kit.js';
import { openServer, schema } from './partial-devices.js';

describe('subscriptions over a real socket and LevelDB', () => {
  it('begin in an empty realm, and bring each object as it is written', async () => {
    const server = openServer({ storage: createFolder() });
    const { port } = await server.listen({ port: 0 });
    const openClient = () => createSyncClient({ url: `ws://localhost:${port}` });
    const [phone, computer] = [openClient(), openClient()];
    const options = { schema, storage: memoryStorage() };
    const part = await openRealm({
      ...options,
      sync: { client: phone, realm: 'tasks' },
      subscriptions: createSubscriptions(),
    });
    const inbox = part.subscribe('Task', { where: { list: 'inbox' } });
    await firstValueFrom(inbox.sync$);
    const whole = await openRealm({ ...options, storage: memoryStorage(), sync: { client: computer, realm: 'tasks' } });
    const arrived = firstValueFrom(part.changes$('Task'));
    await whole.write((tx) => {
      for (const list of ['inbox', 'later']) tx.create('Task', { id: list, list });
    });
    expect([...(await arrived).inserted]).toEqual(['inbox']);
    expect(part.objects('Task').map(({ id }) => id)).toEqual(['inbox']);
    expect(part.session.connectionState).toBe('connected');
    for (const realm of [part, whole]) await realm.close();
    for (const client of [phone, computer]) await client.close();
  });
});
