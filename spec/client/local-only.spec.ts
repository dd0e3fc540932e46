import { join } from 'node:path';
import { EMPTY, firstValueFrom, NEVER, of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type Realm } from '../../lib/index.js';
import type { Storage } from '../../lib/storage/storage.js';
import { limits } from '../../lib/model/limits.js';
import { createFolder, open } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const schema = {
  Page: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      steps: 'string[]',
      tags: 'string<>',
      sizes: 'double{}',
      likes: 'counter',
      raw: 'data?',
    },
  },
} as const;

const keysIn = async (storage: Storage): Promise<readonly string[]> => {
  const entries = await firstValueFrom(storage.range({ from: ' ', to: '~', limit: Infinity, bytesMax: Infinity }));
  return entries.map(([key]) => key);
};

const unclosed = (storage: Storage): Storage => ({ ...storage, close: () => EMPTY });

/** Writes values of every kind in several transactions. */
const fill = async (storage: string | Storage) => {
  const realm = await openRealm({ schema, storage });
  for (const id of ['a', 'b', 'gone']) {
    await realm.write((tx) => tx.create('Page', { id, title: id, steps: ['one', 'two'], tags: ['x'], likes: 2 }));
  }
  await realm.write((tx) => {
    tx.increment('Page', 'a', 'likes', 3);
    tx.list('Page', 'a', 'steps').insert(1, 'between');
    tx.list('Page', 'a', 'steps').move(0, 2);
    tx.set('Page', 'a', 'tags').remove('x');
    tx.set('Page', 'a', 'tags').add('y');
    tx.dictionary('Page', 'a', 'sizes').set('w', 1.5);
    tx.update('Page', 'b', { raw: Uint8Array.of(1, 2) });
    tx.delete('Page', 'gone');
  });
  return realm;
};

const all = (realm: Realm<typeof schema>) => firstValueFrom(realm.objects$('Page', { sort: { id: 1 } }));

const synced = async (storage: string | Storage, server: ReturnType<typeof open.server>) => {
  const client = open.client({ dial: of(server.wire) });
  const realm = await openRealm({ schema, storage, sync: { client, realm: 'pages' } });
  if (realm.syncSession._tag === 'None') throw new Error('no session');
  return { client, realm, session: realm.syncSession.value };
};

describe('a local realm', () => {
  it('keeps no outbox: what it stores does not grow with what it writes', async () => {
    const storage = memoryStorage();
    const realm = await fill(storage);
    const before = await keysIn(storage);
    for (let n = 0; n < 100; n += 1) await realm.write((tx) => tx.update('Page', 'a', { title: `title ${n}` }));
    expect(await keysIn(storage)).toEqual(before);
    expect(before).toEqual(['meta', 'o/Page/sa', 'o/Page/sb', 'schema', 'u/floor']);
    await realm.close();
  });

  it('continues the numbers of its writes after a restart', async () => {
    const folder = join(createFolder(), 'a');
    const realm = await fill(folder);
    const { version } = await realm.write((tx) => tx.update('Page', 'a', { title: 'last' }));
    await realm.close();
    const again = await openRealm({ schema, storage: folder });
    expect((await again.write((tx) => tx.update('Page', 'a', { title: 'next' }))).version).toBe(version + 1);
    await again.close();
  });

  it('removes the outbox of a server that it never reached', async () => {
    const folder = join(createFolder(), 'a');
    const client = createSyncClient({ dial: NEVER });
    const sync = { client, realm: 'pages', stopPolicy: 'immediately' } as const;
    const before = await openRealm({ schema, storage: folder, sync });
    await before.write((tx) => tx.create('Page', { id: 'a', title: 'a' }));
    expect(before.stats().outbox.changesets).toBe(1);
    await before.close();
    await client.close();
    const local = await openRealm({ schema, storage: folder });
    expect(local.stats().outbox).toEqual({ changesets: 0, bytes: 0 });
    expect(local.get('Page', 'a')?.title).toBe('a');
    await local.close();
  });
});

describe('a realm that was local, on the day it syncs', () => {
  it('uploads all its objects, so that others get the same', async () => {
    const folder = join(createFolder(), 'a');
    const local = await fill(folder);
    const had = await all(local);
    await local.close();
    const server = open.server();
    const device = await synced(folder, server);
    expect(await all(device.realm)).toEqual(had);
    expect(device.realm.stats().tombstones).toBe(0);
    await waitForValue(device.session.uploadComplete$, 'uploadComplete$');
    const other = await synced(memoryStorage(), server);
    await waitForValue(other.session.downloadComplete$, 'downloadComplete$');
    expect(await all(other.realm)).toEqual(had);
    // Both continue from there.
    await other.realm.write((tx) => {
      tx.increment('Page', 'a', 'likes');
      tx.list('Page', 'a', 'steps').push('four');
    });
    await waitForValue(other.session.uploadComplete$, 'uploadComplete$');
    await waitForValue(device.session.downloadComplete$, 'downloadComplete$');
    expect(device.realm.get('Page', 'a')).toMatchObject({ likes: 6, steps: ['between', 'two', 'one', 'four'] });
    await device.realm.close();
  });

  it('uploads them in pages, whatever their number, and once', async () => {
    const storage = memoryStorage();
    const local = await openRealm({ schema, storage: unclosed(storage) });
    const raw = new Uint8Array(100_000);
    const steps = Array.from({ length: 2_500 }, (_, n) => `step ${n}`);
    await local.write((tx) => {
      for (let n = 0; n < 10; n += 1) tx.create('Page', { id: `p${n}`, title: 'page', raw, steps });
    });
    await local.close();
    const client = createSyncClient({ dial: NEVER });
    const sync = { client, realm: 'pages', stopPolicy: 'immediately' } as const;
    const first = await openRealm({ schema, storage: unclosed(storage), sync });
    const { changesets, bytes } = first.stats().outbox;
    expect(changesets).toBeGreaterThan(4);
    expect(bytes / changesets).toBeLessThan(limits.pageBytesMax + 200_000);
    await first.close();
    const again = await openRealm({ schema, storage: unclosed(storage), sync });
    expect(again.stats().outbox).toEqual({ changesets, bytes });
    expect(again.get('Page', 'p9')?.steps).toEqual(steps);
    await client.close();
  });
});

describe('a realm that has met its server, opened without', () => {
  it('keeps what it writes for that server', async () => {
    const folder = join(createFolder(), 'a');
    const server = open.server();
    const before = await synced(folder, server);
    await before.realm.write((tx) => tx.create('Page', { id: 'a', title: 'a' }));
    await waitForValue(before.session.uploadComplete$, 'uploadComplete$');
    await before.realm.close();
    const local = await openRealm({ schema, storage: folder });
    await local.write((tx) => tx.update('Page', 'a', { title: 'offline' }));
    expect(local.stats().outbox.changesets).toBe(1);
    await local.close();
    const after = await synced(folder, server);
    await waitForValue(after.session.uploadComplete$, 'uploadComplete$');
    const other = await synced(memoryStorage(), server);
    await waitForValue(other.session.downloadComplete$, 'downloadComplete$');
    expect(other.realm.get('Page', 'a')?.title).toBe('offline');
    await after.realm.close();
  });
});
