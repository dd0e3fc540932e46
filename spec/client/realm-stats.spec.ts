import { NEVER } from 'rxjs';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { createSyncClient, memoryStorage, openRealm, RealmClosedError, type Storage } from '../../lib/index.js';
import { addTask, openDevice, createFolder, open, schema, sessionOf, waitUntil } from './test-kit.js';
import { join } from 'node:path';
import { waitForValue } from '../wait-for.js';

const local = (storage: Parameters<typeof openRealm>[0]['storage'] = memoryStorage()) =>
  openRealm({
    schema: { ...schema, Tag: { primaryKey: 'id', properties: { id: 'int' } } },
    storage,
  });

describe('the stats of a realm', () => {
  it('count objects by type, tombstones apart, and what waits in the outbox', async () => {
    const realm = await local();
    expect(realm.stats()).toEqual({
      replica: expect.stringMatching(/^\w{10,}$/) as unknown,
      history: null,
      objects: { Task: 0, Tag: 0 },
      tombstones: 0,
      outbox: { changesets: 0, bytes: 0 },
      rejectedWrites: 0,
      setAside: 0,
      cursors: { downloadedTo: 0, acknowledged: 0, written: 0 },
      downloadedBytes: 0,
    });
    await realm.write((tx) => {
      for (const id of ['a', 'b', 'c']) tx.create('Task', { id, title: id, done: false });
    });
    await realm.write((tx) => tx.delete('Task', 'a'));
    expect(realm.stats()).toMatchObject({
      objects: { Task: 2, Tag: 0 },
      tombstones: 0, // No other replica could bring the object back.
      outbox: { changesets: 0, bytes: 0 }, // A local realm has no server.
      cursors: { acknowledged: 0, written: 2 },
    });
    await realm.close();
    expect(() => realm.stats()).toThrow(RealmClosedError);
  });

  it('are the same after a restart, also for types that the schema no longer has', async () => {
    const folder = join(createFolder(), 'a');
    const realm = await local(folder);
    await realm.write((tx) => tx.create('Tag', { id: 1 }));
    const before = realm.stats();
    await realm.close();
    const again = await openRealm({ schema, storage: folder });
    expect(again.stats()).toEqual({ ...before, objects: { Task: 0, Tag: 1 } });
    await again.close();
  });

  it('follow a session: uploads, downloads, and rejected writes', async () => {
    const permit = open.server();
    const [one, other] = [await openDevice(permit), await openDevice(permit)];
    await addTask(one.realm, 'milk');
    await waitForValue(one.session.uploadComplete$, 'uploadComplete$');
    await waitForValue(other.session.downloadComplete$, 'downloadComplete$');
    const [here, there] = [one.realm.stats(), other.realm.stats()];
    expect(here).toMatchObject({ outbox: { changesets: 0, bytes: 0 }, cursors: { acknowledged: 1, written: 1 } });
    expect(there).toMatchObject({ objects: { Task: 1 }, cursors: { downloadedTo: 1, acknowledged: 0, written: 0 } });
    expect(there.downloadedBytes).toBeGreaterThan(32);
    expect([here.history, here.replica]).toEqual([there.history, expect.not.stringMatching(there.replica)]);
  });

  it('do not read the storage', async () => {
    let asked = 0;
    const inner = memoryStorage();
    const storage: Storage = { ...inner, range: (range) => ((asked += 1), inner.range(range)) };
    const realm = await local(storage);
    await realm.write((tx) => tx.create('Tag', { id: 1 }));
    const before = asked;
    expect(realm.stats().objects).toEqual({ Task: 0, Tag: 1 });
    expect(asked).toBe(before);
    await realm.close();
  });

  it('show the outbox while there is no connection', async () => {
    const client = createSyncClient({ dial: NEVER });
    const realm = await open.realm(client);
    await addTask(realm, 'milk');
    const { pending } = await waitUntil(sessionOf(realm).status$, ({ pending }) => pending.changesets === 1);
    const milk = { id: 'milk', title: 'milk', done: false };
    const body = encodeOperations([{ kind: 'create', type: 'Task', key: 'milk', values: milk }]);
    expect(realm.stats().outbox).toEqual({ changesets: 1, bytes: body.byteLength + 32 });
    expect(realm.stats().outbox).toEqual(pending);
    await client.close();
  });
});
