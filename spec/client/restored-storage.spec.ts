import { finalize, firstValueFrom, NEVER, of, Subject, toArray } from 'rxjs';
import { memoryStorage, openRealm, type ClientReset } from '../../lib/index.js';
import type { Storage } from '../../lib/storage/storage.js';
import type { SyncServer } from '../../lib/server/index.js';
import { addTask, openDevice, open, schema, sessionOf, readTitles, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const everything = { from: ' ', to: '~', limit: Infinity, bytesMax: Infinity } as const;

/** Creates a storage with the current content of another one. */
const copyOf = async (storage: Storage): Promise<Storage> => {
  const entries = await firstValueFrom(storage.range(everything));
  const copy = memoryStorage();
  const puts = entries.map(([key, value]) => ({ type: 'put', key, value }) as const);
  copy.batch(puts, { durable: true }).subscribe();
  return copy;
};

/** Creates a device that moves to another server, which has no data. */
const moving = async (clientReset: ClientReset) => {
  const servers: [SyncServer, SyncServer] = [open.server(), open.server()];
  let at: 0 | 1 = 0;
  const disconnected = new Subject<void>();
  const serverWire: SyncServer['wire'] = (sent) => servers[at].wire(sent).pipe(finalize(() => disconnected.next()));
  const client = open.client({ dial: of(serverWire), timeouts: { linger: 0 } });
  const sync = { client, realm: 'tasks', clientReset };
  const realm = await openRealm({ schema, storage: memoryStorage(), sync });
  const session = sessionOf(realm);
  for (const id of ['a', 'b', 'c']) await addTask(realm, id);
  await waitUntil(session.status$, ({ pending }) => pending.changesets === 0);
  const isGone = firstValueFrom(disconnected);
  session.pause();
  await addTask(realm, 'd');
  const { version } = await addTask(realm, 'e');
  const uploaded = waitForValue(session.uploadComplete$, 'uploadComplete$');
  const stages = firstValueFrom(session.written$(version).pipe(toArray()));
  await isGone;
  at = 1;
  session.resume();
  return { servers, uploaded, stages, realm };
};

describe('a server that is another one', () => {
  it('E6 does not end the waits for what was written before: they are answered under the new numbers', async () => {
    const { servers, uploaded, stages } = await moving('recover');
    expect(await uploaded).toBe(2);
    expect((await stages).map(({ state }) => state)).toEqual(['saved', 'sent', 'accepted']);
    const other = await openDevice(servers[1]);
    await waitForValue(other.session.downloadComplete$, 'downloadComplete$');
    expect(await readTitles(other.realm)).toEqual(['d', 'e']);
  });

  it('E6 does not report discarded changes as uploaded', async () => {
    const { uploaded, stages, realm } = await moving('discard');
    const changed = { code: 'history-changed' };
    await Promise.all([expect(uploaded).rejects.toMatchObject(changed), expect(stages).rejects.toMatchObject(changed)]);
    const { version } = await addTask(realm, 'f');
    expect(await waitForValue(sessionOf(realm).uploadComplete$, 'uploadComplete$')).toBe(version);
  });
});

describe('a device whose storage was put back to an earlier copy', () => {
  it('E7 loses nothing that it writes from then on, although its numbers are taken on the server', async () => {
    const server = open.server();
    const storage = memoryStorage();
    const before = await open.realm(open.client({ dial: of(server.wire) }), storage);
    await addTask(before, 'a');
    const earlier = await copyOf(storage);
    for (const id of ['b', 'c', 'd']) await addTask(before, id);
    await waitForValue(sessionOf(before).uploadComplete$, 'uploadComplete$');
    await before.close();

    const offline = open.client({ dial: NEVER });
    const put = await open.realm(offline, earlier);
    await addTask(put, 'new');
    const later = await copyOf(earlier);

    const after = await open.realm(open.client({ dial: of(server.wire) }), later);
    await waitForValue(sessionOf(after).uploadComplete$, 'uploadComplete$');
    const other = await openDevice(server);
    await waitForValue(other.session.downloadComplete$, 'downloadComplete$');
    expect(await readTitles(other.realm)).toEqual(['a', 'b', 'c', 'd', 'new']);
    expect(await readTitles(after)).toEqual(['a', 'b', 'c', 'd', 'new']);
  });

  it('S23 cannot be open twice, under two clients: the second is rejected, and the first continues', async () => {
    const server = open.server();
    const storage = memoryStorage();
    const first = await open.realm(open.client({ dial: of(server.wire) }), storage);
    const second = open.realm(open.client({ dial: of(server.wire) }), storage);
    await expect(second).rejects.toMatchObject({ code: 'storage' });
    await addTask(first, 'a');
    expect(await waitForValue(sessionOf(first).uploadComplete$, 'uploadComplete$')).toBe(1);
  });
});
