import { catchError, EMPTY, filter, firstValueFrom, map, of, take } from 'rxjs';
import {
  createSyncClient,
  DiscardError,
  InvalidStateError,
  isSome,
  memoryStorage,
  openRealm,
  type Realm,
  type SyncClient,
} from '../../lib/index.js';
import { createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { createDisk, type Disk } from './disk-kit.js';
import { createFolder } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;
type Tasks = Realm<typeof schema>;
type DeviceStorage = Parameters<typeof openRealm>[0]['storage'];

/** Creates a server that rejects notes with the text "bad". A token is the user's id. */
const theServer = (): SyncServer =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
    permit: (_user, _realm, { after }) => (after?.['title'] === 'bad' ? 'not that' : true),
  });

const clientOf = (server: SyncServer, token = 'anna'): SyncClient =>
  createSyncClient({ dial: of(server.wire), accessToken: () => of(token) });

const opening = (
  client: SyncClient,
  storage: DeviceStorage,
  realm = 'team',
  stopPolicy?: 'immediately',
): Promise<Tasks> => openRealm({ schema, storage, sync: { client, realm, ...(stopPolicy && { stopPolicy }) } });

const sessionOf = (realm: Tasks) => {
  if (!isSome(realm.syncSession)) throw new Error('no session');
  return realm.syncSession.value;
};

const add = (realm: Tasks, id: string, title = id) => realm.write((tx) => tx.create('Task', { id, title }));
const ids = (realm: Tasks): Promise<string[]> =>
  firstValueFrom(realm.objects$('Task').pipe(map((all) => all.map(({ id }) => id))));
const rejected = (realm: Tasks) => firstValueFrom(realm.rejectedWrites$.pipe(map((all) => all.map(({ id }) => id))));

/** Returns the keys of objects, unsent changesets and rejected writes. */
const dataIn = (disk: Disk): string[] =>
  disk.entries().flatMap(([key]) => (/^(?:o\/|r\/|u\/e)/.test(key) ? [key] : []));

/** Creates a realm with one object on the server, one write that the server rejected, and one that was not sent. */
const filled = async (client: SyncClient, storage: DeviceStorage, name = 'team'): Promise<Tasks> => {
  const realm = await opening(client, storage, name);
  const session = sessionOf(realm);
  await add(realm, 'sent');
  await add(realm, 'refused', 'bad');
  await firstValueFrom(session.uploadComplete$.pipe(catchError(() => EMPTY)), { defaultValue: 0 });
  await firstValueFrom(realm.rejectedWrites$.pipe(filter(({ length }) => length === 1)));
  session.pause();
  await add(realm, 'unsent');
  return realm;
};

const discard = (client: SyncClient) => client.logOut({ unsynced: 'discard' });

describe('a log-out that discards', () => {
  it('field report A-5: rejected writes go, too, and stay away after a restart', async () => {
    const disk = createDisk();
    const client = clientOf(theServer());
    const realm = await filled(client, disk.open);
    await discard(client);
    expect([await ids(realm), await rejected(realm), realm.stats().outbox.changesets]).toEqual([[], [], 0]);
    await expect(realm.retry(1)).rejects.toThrow('the id of a rejected write');
    await client.close();
    expect(dataIn(disk)).toEqual([]);
  });

  it('field report A-5: a rejected write cannot be retried after the log-out', async () => {
    const disk = createDisk();
    const client = clientOf(theServer());
    const realm = await filled(client, disk.open);
    disk.isSlow = true;
    const leaving = discard(client);
    await expect(realm.retry(1)).rejects.toThrow('rejected write');
    await leaving;
    expect([await ids(realm), await rejected(realm)]).toEqual([[], []]);
    await client.close();
  });

  it('field report A-5: one storage fails, everything else is discarded, and the error names it', async () => {
    const disks = [createDisk(), createDisk(), createDisk()] as const;
    const client = clientOf(theServer());
    const realms: Tasks[] = [];
    for (const [at, { open }] of disks.entries()) realms.push(await filled(client, open, `team-${at}`));
    disks[0].isBroken = true;
    const failure: unknown = await discard(client).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(DiscardError);
    expect((failure as DiscardError).realms).toMatchObject([
      { realm: 'team-0', error: { message: 'the disk is full' } },
    ]);
    expect(await Promise.all(realms.map(ids))).toEqual([['sent', 'unsent'], [], []]);
    expect(sessionOf(realms[0]!).syncState).toBe('paused');

    disks[0].isBroken = false;
    await discard(client); // A second call discards everything.
    expect([await ids(realms[0]!), await rejected(realms[0]!)]).toEqual([[], []]);
    await client.close();
  });

  it('field report A-5: realms that are closed at the moment are cleared, too, in a folder as elsewhere', async () => {
    const disk = createFolder();
    const other = createDisk();
    const client = clientOf(theServer());
    for (const [at, storage] of [disk, other.open].entries()) {
      const realm = await filled(client, storage, `team-${at}`);
      await realm.close();
    }
    await discard(client);
    expect(other.entries()).toEqual([]);
    const again = await opening(client, disk, 'team-0');
    expect([await ids(again), await rejected(again)]).toEqual([[], []]);
    await client.close();
  });

  it('field report A-5: a closed realm that cannot be cleared is named, with the name of its storage', async () => {
    const disk = createFolder();
    const client = clientOf(theServer());
    await (await filled(client, disk)).close();
    const stranger = await openRealm({ schema, storage: disk }); // This opening shows that the lock was released.
    await expect(discard(client)).rejects.toMatchObject({
      name: 'DiscardError',
      realms: [{ realm: 'team', storage: disk }],
    });
    await stranger.close();
    await discard(client);
    const again = await openRealm({ schema, storage: disk });
    expect(await ids(again)).toEqual([]);
    await again.close();
    await client.close();
  });

  it('field report A-5: a realm that is dying, closing or being opened is cleared as others are', async () => {
    const disks: readonly Disk[] = [createDisk(), createDisk(), createDisk()];
    const client = clientOf(theServer());
    const [dying, closing, opened] = disks;
    const first = await filled(client, dying!.open, 'dying');
    await (await filled(client, opened!.open, 'opened')).close();
    const second = await filled(client, closing!.open, 'closing');
    for (const disk of disks) disk.isSlow = true;
    sessionOf(first).resume();
    const isOver = [first.close(), second.close()];
    const late = opening(client, opened!.open, 'opened');
    await discard(client);
    await Promise.all(isOver);
    expect(await ids(await late)).toEqual([]);
    await client.close();
    expect(disks.map(dataIn)).toEqual([[], [], []]);
  });

  it('field report A-5: a storage that has never been a realm of this client is left as it is', async () => {
    const disk = createFolder();
    const local = await openRealm({ schema: { Note: schema.Task }, storage: disk });
    await local.write((tx) => tx.create('Note', { id: 'a', title: 'a' }));
    await local.close();
    const client = clientOf(theServer());
    await discard(client);
    const again = await openRealm({ schema: { Note: schema.Task }, storage: disk });
    expect(again.get('Note', 'a')?.title).toBe('a');
    await again.close();
    await client.close();
  });

  it('field report A-5: inside a write it is rejected, without a change', async () => {
    const client = clientOf(theServer());
    const realm = await filled(client, memoryStorage());
    let asked: Promise<void> | undefined;
    await realm.write(() => void (asked = discard(client)));
    await expect(asked).rejects.toThrow(InvalidStateError);
    expect(await ids(realm)).toEqual(['sent', 'unsent']);
    sessionOf(realm).resume();
    expect(sessionOf(realm).syncState).toBe('active');
    await client.close();
  });
});

describe('a log-in after a log-out that discards', () => {
  it('field report G-2: writes after the next log-in are kept and uploaded, in every realm', async () => {
    const disks = [createDisk(), createDisk()] as const;
    const server = theServer();
    const client = clientOf(server);
    const realms = [await filled(client, disks[0].open, 'one'), await filled(client, disks[1].open, 'two')];
    for (const disk of disks) disk.isSlow = true;
    const leaving = discard(client);
    client.logIn(() => of('ben'));
    const writes = Promise.all(realms.map((realm) => add(realm, 'new')));
    for (const realm of realms) sessionOf(realm).resume();
    await Promise.all([leaving, writes]);
    for (const realm of realms) await waitForValue(sessionOf(realm).uploadComplete$, 'uploadComplete$');
    for (const realm of realms) await waitForValue(sessionOf(realm).downloadComplete$, 'downloadComplete$');
    expect(await Promise.all(realms.map(ids))).toEqual([
      ['new', 'sent'],
      ['new', 'sent'],
    ]);
    await client.close();
  });

  it('field report G-2: a second log-out discards what was written since, and no more', async () => {
    const disk = createDisk();
    const client = clientOf(theServer());
    const realm = await filled(client, disk.open);
    disk.isSlow = true;
    const leaving = [discard(client)];
    const first = add(realm, 'first');
    leaving.push(discard(client));
    const second = add(realm, 'second');
    await Promise.all([...leaving, first, second]);
    expect(await ids(realm)).toEqual(['second']);
    await client.close();
    const again = await openRealm({ schema, storage: disk.open });
    expect(await ids(again)).toEqual(['second']);
    await again.close();
  });

  it('field report G-2: opening a closed realm between the two waits until it is clear', async () => {
    const disk = createDisk();
    const client = clientOf(theServer());
    await (await filled(client, disk.open)).close();
    disk.isSlow = true;
    const leaving = discard(client);
    const opened = opening(client, disk.open);
    client.logIn(() => of('ben'));
    const realm = await opened;
    await leaving;
    expect(await rejected(realm)).toEqual([]);
    sessionOf(realm).resume();
    await waitForValue(sessionOf(realm).downloadComplete$, 'downloadComplete$');
    expect(await ids(realm)).toEqual(['sent']);
    await client.close();
  });

  it('field report G-2: closing the client meanwhile waits for what is being discarded', async () => {
    const disks = [createDisk(), createDisk()] as const;
    const client = clientOf(theServer());
    await filled(client, disks[0].open, 'one');
    await (await filled(client, disks[1].open, 'two')).close();
    for (const disk of disks) disk.isSlow = true;
    const leaving = discard(client);
    await client.close();
    expect([dataIn(disks[0]), disks[1].entries()]).toEqual([[], []]);
    await leaving;
  });

  it('field report G-2: it ends the waits of those who waited, and starts nothing before the log-in', async () => {
    const client = clientOf(theServer());
    const realm = await filled(client, memoryStorage());
    const session = sessionOf(realm);
    const waiting = waitForValue(session.uploadComplete$, 'uploadComplete$');
    await discard(client);
    session.resume();
    expect(session.syncState).toBe('inactive');
    await expect(waiting).rejects.toMatchObject({ code: 'session-closed' });
    const isIn = firstValueFrom(
      session.syncState$.pipe(
        filter((state) => state === 'active'),
        take(1),
      ),
    );
    client.logIn();
    expect(await isIn).toBe('active');
    await client.close();
  });
});
