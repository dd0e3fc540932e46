import { NEVER, of } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { waitForValue } from '../wait-for.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

describe('handles of one realm', () => {
  it('field report G-9: share one session object, whose waits are correct also after its end', async () => {
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    const client = createSyncClient({ dial: of(server.wire) });
    const options = { schema, storage: memoryStorage(), sync: { client, realm: 'team' } };
    const [one, two] = [await openRealm(options), await openRealm(options)];
    if (!isSome(one.syncSession) || !isSome(two.syncSession)) throw new Error('a local realm has no session');
    expect(one.syncSession.value).toBe(two.syncSession.value);
    await one.write((tx) => tx.create('Task', { id: 'a' }));
    await waitForValue(one.syncSession.value.uploadComplete$, 'uploadComplete$');
    const session = one.syncSession.value;
    await client.close();
    await expect(waitForValue(session.uploadComplete$, 'uploadComplete$')).resolves.toBe(1); // The write is on the server.
    await expect(waitForValue(session.downloadComplete$, 'downloadComplete$')).rejects.toMatchObject({
      code: 'session-closed',
    });
    await server.close();
  });

  it('field report G-10: refresh() resolves at once offline and in a local realm, and rejects for a closed handle', async () => {
    const local = await openRealm({ schema, storage: memoryStorage() });
    await expect(local.refresh()).resolves.toBeUndefined();
    await local.close();
    await expect(local.refresh()).rejects.toMatchObject({ code: 'realm-closed' });
    const client = createSyncClient({ dial: NEVER });
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    await expect(realm.refresh()).resolves.toBeUndefined();
    await client.close();
  });
});
