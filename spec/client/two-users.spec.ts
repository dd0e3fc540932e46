import { join } from 'node:path';
import { firstValueFrom, NEVER, of, take, throwError } from 'rxjs';
import { importRealm } from '../../lib/client/transfer-realm.js';
import { memoryStorage, openRealm, type Realm, type SyncClient } from '../../lib/index.js';
import { createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { addTask, createFolder, open, schema, sessionOf, readTitles, waitUntil } from './test-kit.js';

type Tasks = Realm<typeof schema>;

const opened: { close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

/** Creates a server on which a token is the user's id. */
const server = (): SyncServer => {
  const made = createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
  });
  opened.push(made);
  return made;
};

const clientOf = (user: string, one: SyncServer | null): SyncClient =>
  open.client({ dial: one ? of(one.wire) : NEVER, user, accessToken: () => of(user) });

const started = async (client: SyncClient, storage: string, realm = 'tasks', more: object = {}): Promise<Tasks> => {
  const made: Tasks = await openRealm({ schema, storage, sync: { client, realm, ...more } });
  opened.push(made);
  return made;
};

const logIn = (client: SyncClient, user: string): void => {
  client.logIn(() => of(user), { user });
};

const otherUserError = { code: 'other-user', message: expect.stringContaining('Nothing was written') as unknown };

describe('two users of one device', () => {
  it('field report A-1: a write of one of them into the open realm of the other is rejected, also offline', async () => {
    const one = server();
    const client = clientOf('ann', one);
    const realm = await started(client, join(createFolder(), 'a'));
    sessionOf(realm).pause();
    await addTask(realm, 'of ann');
    await client.logOut({ unsynced: 'keep' });
    logIn(client, 'ben');
    const lines = ['{"tidemark":"realm 1"}'];
    await expect(addTask(realm, 'of ben')).rejects.toMatchObject(otherUserError);
    await expect(importRealm(realm, lines)).rejects.toMatchObject(otherUserError);
    await expect(realm.retry(1)).rejects.toMatchObject(otherUserError);
    await expect(realm.discard(1)).rejects.toMatchObject(otherUserError);
    sessionOf(realm).resume();
    await waitUntil(sessionOf(realm).syncState$, (state) => state === 'inactive');
    await expect(addTask(realm, 'of ben')).rejects.toMatchObject(otherUserError);

    await client.logOut();
    logIn(client, 'ann');
    await addTask(realm, 'of ann, later');
    await firstValueFrom(sessionOf(realm).uploadComplete$);
    const other = await started(clientOf('zoe', one), join(createFolder(), 'b'));
    await firstValueFrom(sessionOf(other).downloadComplete$);
    expect(await readTitles(other)).toEqual(['of ann', 'of ann, later']);
  });

  it('field report A-1: is rejected when only the server knows the owner, and when it was opened read-only', async () => {
    const one = server();
    const folder = join(createFolder(), 'a');
    const anns = open.client({ dial: of(one.wire), accessToken: () => of('ann') });
    const realm = await started(anns, folder);
    await firstValueFrom(sessionOf(realm).downloadComplete$);
    await anns.close();
    const bens = open.client({ dial: of(one.wire), accessToken: () => of('ben') });
    const his = await started(bens, folder);
    await waitUntil(sessionOf(his).syncState$, (state) => state === 'inactive');
    await expect(addTask(his, 'of ben')).rejects.toMatchObject(otherUserError);
    await bens.close();

    const named = clientOf('ann', one);
    await addTask(await started(named, folder), 'of ann');
    await named.close();
    const reading = await started(clientOf('ben', null), folder, 'tasks', { otherUser: 'read' });
    expect(await readTitles(reading)).toEqual(['of ann']);
    await expect(addTask(reading, 'of ben')).rejects.toMatchObject(otherUserError);
    expect(reading.stats().outbox.changesets).toBeLessThanOrEqual(1);
  });

  it('field report A-1: an empty replica may become another realm, of any user', async () => {
    const folder = join(createFolder(), 'a');
    const one = server();
    for (const [user, name] of [
      ['ann', 'misspelt'],
      ['ann', 'tasks'],
      ['ben', 'tasks'],
      ['ben', 'other'],
    ] as const) {
      const client = clientOf(user, null);
      await started(client, folder, name);
      await client.close();
    }
    const client = clientOf('ann', one);
    const realm = await started(client, folder);
    await addTask(realm, 'of ann');
    await firstValueFrom(sessionOf(realm).uploadComplete$);
    await client.close();
    await expect(started(clientOf('ben', one), folder)).rejects.toMatchObject({ code: 'other-user' });
  });

  it('field report A-5: a log-out that discards leaves what another user has kept in a closed realm', async () => {
    const one = server();
    const [hers, his] = [join(createFolder(), 'hers'), join(createFolder(), 'his')];
    const client = clientOf('ann', one);
    const realm = await started(client, hers);
    sessionOf(realm).pause();
    await addTask(realm, 'of ann');
    await realm.close();
    await client.logOut({ unsynced: 'keep' });
    logIn(client, 'ben');
    const other = await started(client, his, 'others');
    sessionOf(other).pause();
    await addTask(other, 'of ben');
    await other.close();
    await client.logOut({ unsynced: 'discard' });
    logIn(client, 'ann');
    const again = await started(client, hers);
    expect(await readTitles(again)).toEqual(['of ann']);
    sessionOf(again).resume();
    await firstValueFrom(sessionOf(again).uploadComplete$);
    expect(await readTitles(await started(client, his, 'others'))).toEqual([]);
  });

  it('field report A-1: a log-in of another user logs the first one out, and nothing is shared', async () => {
    const one = server();
    const client = clientOf('ann', one);
    const codes: string[] = [];
    client.errors$.subscribe(({ code }) => codes.push(code));
    const hers = await started(client, join(createFolder(), 'hers'));
    await firstValueFrom(sessionOf(hers).downloadComplete$);
    sessionOf(hers).pause();
    await addTask(hers, 'of ann');
    const uploaded = firstValueFrom(sessionOf(hers).uploadComplete$);
    logIn(client, 'ben');
    await expect(uploaded).rejects.toMatchObject({ name: 'SessionClosedError' });
    const his = await started(client, join(createFolder(), 'his'), 'others');
    await addTask(his, 'of ben');
    await firstValueFrom(sessionOf(his).uploadComplete$);
    expect(codes).toEqual([]);
    sessionOf(hers).resume();
    await waitUntil(sessionOf(hers).syncState$, (state) => state === 'inactive');
    expect(codes).toEqual(['other-user']);
    expect(hers.stats().outbox.changesets).toBe(1);
  });

  it.each(['keep', 'discard', null] as const)(
    'field report G-5: a log-in inside errors$ counts while a realm is being opened, too (after a log-out: %s)',
    async (unsynced) => {
      const one = server();
      const rejectToken = () => throwError(() => Object.assign(new Error('who are you?'), { status: 401 }));
      const client = open.client({ dial: of(one.wire), user: 'ann', accessToken: rejectToken });
      const folder = join(createFolder(), 'a');
      const offline = clientOf('ann', null);
      await addTask(await started(offline, folder), 'of ann');
      await offline.close();
      const outs: Promise<void>[] = [];
      const ids = unsynced === 'discard' ? 'ben' : 'ann';
      client.errors$.pipe(take(1)).subscribe(() => {
        if (unsynced) outs.push(client.logOut({ unsynced }));
        logIn(client, ids);
      });
      const realm = await started(client, folder);
      await Promise.all(outs);
      await firstValueFrom(sessionOf(realm).downloadComplete$);
      await firstValueFrom(sessionOf(realm).uploadComplete$);
      expect(sessionOf(realm).syncState).toBe('active');
      expect(await readTitles(realm)).toEqual(unsynced === 'discard' ? [] : ['of ann']);
    },
  );
});
