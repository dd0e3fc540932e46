import { join } from 'node:path';
import { NEVER, of } from 'rxjs';
import {
  isSome,
  memoryStorage,
  openRealm,
  type Realm,
  SyncError,
  type SyncClient,
  WrongRealmError,
} from '../../lib/index.js';
import { createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { encodeToken } from './token-kit.js';
import { createFolder, open, schema, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

type Tasks = Realm<typeof schema>;

/** Creates a server on which tokens name their users. */
const server = (): SyncServer =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: decoded(token) }),
    authorize: () => 'write',
  });
const decoded = (token: string): string =>
  token.includes('.')
    ? (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }).sub
    : token;

const opened: { close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

const started = async (client: SyncClient, storage: string, realm = 'tasks', more: object = {}): Promise<Tasks> => {
  const made: Tasks = await openRealm({ schema, storage, sync: { client, realm, ...more } });
  opened.push(made);
  return made;
};
const sessionIn = ({ syncSession }: Tasks) => {
  if (!isSome(syncSession)) throw new Error('no session');
  return syncSession.value;
};
const write = (realm: Tasks, id: string) => realm.write((tx) => tx.create('Task', { id, title: id, done: false }));

describe('a storage that holds another realm', () => {
  it('field report A-1: is rejected with both names, without a change', async () => {
    const folder = join(createFolder(), 'a');
    const client = open.client({ dial: NEVER });
    const ann = await started(client, folder, 'user-ann');
    await write(ann, 'milk');
    await expect(started(client, folder, 'user-bob')).rejects.toThrow(WrongRealmError); // The realm is still open.
    await client.close();
    const next = open.client({ dial: of(server().wire) });
    const bob = started(next, folder, 'user-bob');
    await expect(bob).rejects.toThrow(WrongRealmError);
    await expect(bob).rejects.toMatchObject({ code: 'wrong-realm', stored: 'user-ann', requested: 'user-bob' });
    const again = await started(next, folder, 'user-ann');
    expect(again.get('Task', 'milk')).toMatchObject({ title: 'milk' });
    expect(again.stats().outbox.changesets).toBe(1);
  });

  it('field report A-1: is joined by a local realm the first time, and is that realm from then on', async () => {
    const folder = join(createFolder(), 'a');
    const local = await openRealm({ schema, storage: folder });
    await local.write((tx) => tx.create('Task', { id: 'milk', title: 'milk', done: false }));
    await local.close();
    const client = open.client({ dial: NEVER });
    await (await started(client, folder, 'one')).close();
    await client.close();
    const next = open.client({ dial: NEVER });
    await expect(started(next, folder, 'other')).rejects.toThrow(WrongRealmError);
    await (await openRealm({ schema, storage: folder })).close();
    expect((await started(next, folder, 'one')).get('Task', 'milk')).toBeDefined();
  });
});

describe('a copy that belongs to another user', () => {
  const kinds: readonly (readonly [string, (user: string) => object])[] = [
    ['the option user', (user) => ({ user, accessToken: () => of(user) })],
    ['a token that names the user', (user) => ({ accessToken: () => of(encodeToken({ sub: user })) })],
    ['a token that is promised', (user) => ({ accessToken: () => Promise.resolve(encodeToken({ sub: user })) })],
  ];

  it.each(kinds)('field report A-1: is rejected, and nothing is sent or lost (%s)', async (_, as) => {
    const folder = join(createFolder(), 'a');
    const one = server();
    opened.push(one);
    const anns = open.client({ dial: of(one.wire), ...as('ann') });
    const ann = await started(anns, folder);
    await write(ann, 'sent');
    await waitForValue(sessionIn(ann).uploadComplete$, 'uploadComplete$');
    sessionIn(ann).pause();
    await write(ann, 'unsent');
    await anns.close();

    const bobs = open.client({ dial: of(one.wire), ...as('bob') });
    const bob = started(bobs, folder);
    await expect(bob).rejects.toThrow(SyncError);
    await expect(bob).rejects.toMatchObject({ code: 'other-user', level: 'session', fatal: true });
    const elsewhere = await started(bobs, join(createFolder(), 'b'));
    await waitForValue(sessionIn(elsewhere).downloadComplete$, 'downloadComplete$');
    expect(elsewhere.get('Task', 'unsent')).toBeUndefined();

    const reading = await started(bobs, folder, 'tasks', { otherUser: 'read' });
    expect(reading.get('Task', 'unsent')).toMatchObject({ title: 'unsent' });
    await waitUntil(sessionIn(reading).syncState$, (state) => state === 'inactive');
    expect(reading.stats().outbox.changesets).toBe(1);
    await bobs.close();

    const again = open.client({ dial: of(one.wire), ...as('ann') });
    const back = await started(again, folder);
    await waitForValue(sessionIn(back).uploadComplete$, 'uploadComplete$');
    expect(back.get('Task', 'unsent')).toMatchObject({ title: 'unsent' });
  });

  it('field report A-1: is reported by the session when the user is known only later, before anything is sent', async () => {
    const folder = join(createFolder(), 'a');
    const one = server();
    opened.push(one);
    const anns = open.client({ dial: NEVER, accessToken: () => of(encodeToken({ sub: 'ann' })), user: 'ann' });
    await write(await started(anns, folder), 'offline');
    await anns.close();
    const client = open.client({ dial: of(one.wire), accessToken: () => NEVER });
    const realm = await started(client, folder);
    client.logIn(() => of(encodeToken({ sub: 'bob' })));
    await waitUntil(sessionIn(realm).syncState$, (state) => state === 'inactive');
    expect(sessionIn(realm).status.connection).toMatchObject({ reason: { kind: 'failed', code: 'other-user' } });
    expect(realm.stats().outbox.changesets).toBe(1);
    await client.logOut();
    client.logIn(() => of(encodeToken({ sub: 'ann' })));
    await waitForValue(sessionIn(realm).uploadComplete$, 'uploadComplete$');
  });

  it('field report A-1: is reported by the server when no token names the user', async () => {
    const folder = join(createFolder(), 'a');
    const one = server();
    opened.push(one);
    const anns = open.client({ dial: of(one.wire), accessToken: () => of('ann') });
    const ann = await started(anns, folder);
    await waitForValue(sessionIn(ann).downloadComplete$, 'downloadComplete$');
    sessionIn(ann).pause();
    await write(ann, 'unsent');
    await anns.close();
    const bobs = open.client({ dial: of(one.wire), accessToken: () => of('bob') });
    const codes: string[] = [];
    bobs.errors$.subscribe(({ code }) => codes.push(code));
    const realm = await started(bobs, folder);
    await waitUntil(sessionIn(realm).syncState$, (state) => state === 'inactive');
    expect(sessionIn(realm).status.connection).toMatchObject({ reason: { kind: 'failed', code: 'other-user' } });
    expect(realm.stats().outbox.changesets).toBe(1);
  });

  it('field report A-1: is free for the next user after everything was discarded', async () => {
    const folder = join(createFolder(), 'a');
    const one = server();
    opened.push(one);
    const client = open.client({ dial: of(one.wire), user: 'ann', accessToken: () => of('ann') });
    const realm = await started(client, folder);
    await write(realm, 'milk');
    await client.logOut({ unsynced: 'discard' });
    client.logIn(() => of('bob'), { user: 'bob' });
    await waitForValue(sessionIn(realm).downloadComplete$, 'downloadComplete$');
    await realm.close();
    await expect(started(client, folder, 'other')).rejects.toThrow(WrongRealmError);
    expect(sessionIn(await started(client, folder)).syncState).toBe('active');
  });

  it('field report A-1: is opened offline by its user, whose tokens cannot be had', async () => {
    const folder = join(createFolder(), 'a');
    const online = open.client({ dial: NEVER, accessToken: () => of(encodeToken({ sub: 'ann' })), user: 'ann' });
    await write(await started(online, folder), 'milk');
    await online.close();
    for (const accessToken of [() => NEVER, () => Promise.reject(new Error('no network'))]) {
      const client = open.client({ dial: NEVER, accessToken });
      expect((await started(client, folder)).get('Task', 'milk')).toBeDefined();
      await client.close();
    }
  });
});
