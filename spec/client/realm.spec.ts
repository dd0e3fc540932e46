import { EMPTY, lastValueFrom, NEVER, of, toArray } from 'rxjs';
import { join } from 'node:path';
import {
  createSyncClient,
  InvalidArgumentError,
  isNone,
  memoryStorage,
  openRealm,
  RealmClosedError,
  SchemaError,
  StorageError,
  type SyncErrorCode,
} from '../../lib/index.js';
import { addTask, openDevice, createFolder, open, schema, sessionOf, readTitles, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

describe('a realm', () => {
  it('S24 without sync has no session, and works', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    expect(isNone(realm.syncSession)).toBe(true);
    await addTask(realm, 'milk');
    expect(await readTitles(realm)).toEqual(['milk']);
    await realm.close();
  });

  it('S23 opened twice has one session; each handle closes for itself', async () => {
    const client = open.client({ dial: of(open.server().wire) });
    const storage = memoryStorage();
    const [one, other] = [await open.realm(client, storage), await open.realm(client, storage)];
    await addTask(one, 'milk');
    expect(other.get('Task', 'milk')?.title).toBe('milk');
    await one.close();
    expect(sessionOf(other).syncState).toBe('active');
    await other.close();
    expect(sessionOf(other).syncState).toBe('inactive');
  });

  it('S25 rejects calls of a closed handle, by name, and closing it again does nothing', async () => {
    const client = open.client({ dial: of(open.server().wire) });
    const storage = memoryStorage();
    const realm = await open.realm(client, storage);
    await open.realm(client, storage);
    await realm.close();
    await realm.close();
    await expect(addTask(realm, 'milk')).rejects.toThrow(RealmClosedError);
    expect(() => realm.get('Task', 'milk')).toThrow(RealmClosedError);
    expect(() => realm.objects$('Task')).toThrow(RealmClosedError);
  });

  it('S6 comes back paused when it was left paused', async () => {
    const client = open.client({ dial: of(open.server().wire) });
    const folder = join(createFolder(), 'a');
    const realm = await open.realm(client, folder);
    sessionOf(realm).pause();
    await realm.close();
    const again = sessionOf(await open.realm(client, folder));
    expect(again.syncState).toBe('paused');
    again.resume();
    expect(again.syncState).toBe('active');
  });

  it('S6 is not paused because the same realm in another storage was left paused', async () => {
    const client = open.client({ dial: of(open.server().wire) });
    const [one, other] = [join(createFolder(), 'a'), join(createFolder(), 'b')];
    const realm = await open.realm(client, one);
    sessionOf(realm).pause();
    await realm.close();
    expect(sessionOf(await open.realm(client, other)).syncState).toBe('active');
    expect(sessionOf(await open.realm(client, one)).syncState).toBe('paused');
  });

  it('S13 S14 goes on uploading after its last handle was closed, and is the same when it is opened again', async () => {
    const client = open.client({ dial: NEVER });
    const storage = memoryStorage();
    const realm = await open.realm(client, storage);
    await addTask(realm, 'milk');
    await realm.close();
    expect(sessionOf(realm).syncState).toBe('dying');
    const again = await open.realm(client, storage);
    expect(sessionOf(again).syncState).toBe('active');
    expect(sessionOf(realm).syncState).toBe('active');
  });

  it('S26 works every time when it is closed and opened a hundred times on a live socket', async () => {
    const server = open.server();
    const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
    const client = open.client({ url: `ws://127.0.0.1:${port}` });
    const folder = join(createFolder(), 'a');
    for (let time = 1; time <= 100; time++) {
      const realm = await openRealm({ schema, storage: folder, sync: { client, realm: 'tasks' } });
      await addTask(realm, `task ${time}`);
      await waitForValue(sessionOf(realm).uploadComplete$, 'uploadComplete$');
      await realm.close();
    }
    expect(await readTitles((await openDevice(server)).realm)).toHaveLength(100);
  }, 30_000);

  it('S27 breaks nothing when it is closed before its binding has finished, a thousand times', async () => {
    const server = open.server();
    const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
    const client = open.client({ url: `ws://127.0.0.1:${port}` });
    const errors: SyncErrorCode[] = [];
    client.errors$.subscribe(({ code }) => errors.push(code));
    const first = await open.realm(client, memoryStorage(), 'first');
    await waitUntil(sessionOf(first).connectionState$, (state) => state === 'connected');
    for (let time = 0; time < 1_000; time++) {
      const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'tasks' } });
      await realm.close();
    }
    await waitForValue(sessionOf(first).downloadComplete$, 'downloadComplete$');
    expect(sessionOf(first).connectionState).toBe('connected');
    expect(errors).toEqual([]);
  }, 30_000);

  it('leaves a storage that is in use unchanged, and reports that', async () => {
    const folder = join(createFolder(), 'a');
    const realm = await openRealm({ schema, storage: folder });
    const client = open.client({ dial: NEVER });
    await expect(open.realm(client, folder)).rejects.toThrow(StorageError);
    await addTask(realm, 'milk');
    await realm.close();
    const again = await openRealm({ schema, storage: folder });
    expect(await readTitles(again)).toEqual(['milk']);
    await again.close();
  });

  it.each([
    ['no schema', { schema: {} }, InvalidArgumentError],
    [
      'a schema without a primary key',
      { schema: { Task: { primaryKey: 'id', properties: { title: 'string' } } } },
      SchemaError,
    ],
    [
      'an unknown type of property',
      { schema: { Task: { primaryKey: 'id', properties: { id: 'strin' } } } },
      SchemaError,
    ],
    [
      'a type that there is not',
      { schema: { Task: { primaryKey: 'id', properties: { id: 'string', tags: 'text[]' } } } },
      SchemaError,
    ],
    ['no storage', { storage: '' }, InvalidArgumentError],
    ['a name that climbs', { sync: { realm: '../other' } }, InvalidArgumentError],
    ['an unknown stop policy', { sync: { realm: 'a', stopPolicy: 'never' } }, InvalidArgumentError],
    ['a client of another kind', { sync: { realm: 'a', client: {} } }, InvalidArgumentError],
    ['an option that is misspelt', { storge: 'x' }, InvalidArgumentError],
  ])('is rejected with %s, before anything is opened', async (_, wrong: object, error) => {
    const client = open.client({ dial: NEVER });
    const sync = 'sync' in wrong ? { client, ...(wrong.sync as object) } : undefined;
    const options = { schema, storage: memoryStorage(), ...wrong, ...(sync && { sync }) };
    await expect(openRealm(options as never)).rejects.toThrow(error);
  });
});

describe('a client', () => {
  it.each([
    [{}, /needs either url or dial. Neither was given/],
    [{ url: 'ws://a', dial: EMPTY }, /Both were given/],
    [{ url: 'https://example.com' }, /url must be a ws: or wss: URL/],
    [{ url: 'wss://example.com/?token=secret' }, /tokens never travel in a URL/],
    [{ url: 'nowhere' }, /url must be a ws: or wss: URL/],
    [{ url: 'ws://a', timeout: 1 }, /options of createSyncClient must be a record with only the names url, dial/],
    [{ url: 'ws://a', timeouts: { read: -1 } }, /timeouts.read must be a number from 1/],
    [{ url: 'ws://a', timeouts: { reed: 1 } }, /timeouts must be a record with only the names connect, read/],
    [{ url: 'ws://a', accessToken: 'secret' }, /accessToken must be a function/],
  ])('is not created with the options %j', (options, text) => {
    expect(() => createSyncClient(options as never)).toThrow(text);
  });

  it('does not repeat a secret in the error about its URL', () => {
    expect(() => createSyncClient({ url: 'wss://user:secret@example.com/?token=secret' })).toThrow(/^((?!secret).)*$/s);
  });

  it('S16 logs all its sessions out and in again', async () => {
    const client = open.client({ dial: of(open.server().wire) });
    const sessions = [
      sessionOf(await open.realm(client, memoryStorage(), 'a')),
      sessionOf(await open.realm(client, memoryStorage(), 'b')),
    ];
    const states = () => sessions.map(({ syncState, connectionState }) => `${syncState} ${connectionState}`);
    void client.logOut();
    expect(states()).toEqual(['inactive disconnected', 'inactive disconnected']);
    expect(sessionOf(await open.realm(client, memoryStorage(), 'c')).syncState).toBe('inactive');
    client.logIn();
    expect(states()).toEqual(['active connected', 'active connected']);
  });

  it('S19 reports a rejected user once, and ends the sessions of all its realms', async () => {
    const server = open.server({ authenticate: () => of({ id: 'u' }) });
    const client = open.client({ dial: of(server.wire), accessToken: () => of(null) });
    const codes: SyncErrorCode[] = [];
    client.errors$.subscribe(({ code }) => codes.push(code));
    const one = sessionOf(await open.realm(client, memoryStorage(), 'a'));
    expect(one.syncState).toBe('inactive');
    expect(sessionOf(await open.realm(client, memoryStorage(), 'b')).syncState).toBe('inactive');
    expect(codes).toEqual(['token-refused']);
  });

  it('releases everything when it is closed: states complete, and unsent changes are there the next time', async () => {
    const client = createSyncClient({ dial: NEVER });
    const folder = join(createFolder(), 'a');
    const realm = await openRealm({ schema, storage: folder, sync: { client, realm: 'tasks' } });
    await addTask(realm, 'milk');
    const states = lastValueFrom(sessionOf(realm).syncState$.pipe(toArray()));
    await client.close();
    expect(await states).toEqual(['active', 'inactive']);
    const again = await openRealm({ schema, storage: folder });
    expect(again.get('Task', 'milk')?.title).toBe('milk');
    await again.close();
    await expect(openRealm({ schema, storage: folder, sync: { client, realm: 'tasks' } })).rejects.toThrow(
      /^The client of this realm is closed\./,
    );
  });
});
