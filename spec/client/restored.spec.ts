import { finalize, firstValueFrom, NEVER, of, Subject, toArray } from 'rxjs';
import { memoryStorage, openRealm, type ClientReset } from '../../lib/index.js';
import type { Storage } from '../../lib/storage/storage.js';
import type { SyncServer } from '../../lib/server/index.js';
import { add, device, open, schema, sessionOf, titles, until } from './kit.js';
import { comes } from '../waiting.js';

const everything = { from: ' ', to: '~', limit: Infinity, bytesMax: Infinity } as const;

/** A storage with all that another one has now. */
const copyOf = async (storage: Storage): Promise<Storage> => {
  const entries = await firstValueFrom(storage.range(everything));
  const copy = memoryStorage();
  const puts = entries.map(([key, value]) => ({ type: 'put', key, value }) as const);
  copy.batch(puts, { durable: true }).subscribe();
  return copy;
};

/** A device whose server is another one from some moment on, which knows nothing. */
const moving = async (clientReset: ClientReset) => {
  const servers: [SyncServer, SyncServer] = [open.server(), open.server()];
  let at: 0 | 1 = 0;
  const gone = new Subject<void>();
  const line: SyncServer['wire'] = (said) => servers[at].wire(said).pipe(finalize(() => gone.next()));
  const client = open.client({ dial: of(line), timeouts: { linger: 0 } });
  const sync = { client, realm: 'tasks', clientReset };
  const realm = await openRealm({ schema, storage: memoryStorage(), sync });
  const session = sessionOf(realm);
  for (const id of ['a', 'b', 'c']) await add(realm, id);
  await until(session.status$, ({ pending }) => pending.changesets === 0);
  const isGone = firstValueFrom(gone);
  session.pause();
  await add(realm, 'd');
  const { version } = await add(realm, 'e');
  const uploaded = comes(session.uploadComplete$, 'uploadComplete$');
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
    const other = await device(servers[1]);
    await comes(other.session.downloadComplete$, 'downloadComplete$');
    expect(await titles(other.realm)).toEqual(['d', 'e']);
  });

  it('E6 does not let anybody believe that what it made us discard has arrived', async () => {
    const { uploaded, stages, realm } = await moving('discard');
    const changed = { code: 'history-changed' };
    await Promise.all([expect(uploaded).rejects.toMatchObject(changed), expect(stages).rejects.toMatchObject(changed)]);
    const { version } = await add(realm, 'f');
    expect(await comes(sessionOf(realm).uploadComplete$, 'uploadComplete$')).toBe(version);
  });
});

describe('a device whose storage was put back to an earlier copy', () => {
  it('E7 loses nothing that it writes from then on, although its numbers are taken on the server', async () => {
    const server = open.server();
    const storage = memoryStorage();
    const before = await open.realm(open.client({ dial: of(server.wire) }), storage);
    await add(before, 'a');
    const earlier = await copyOf(storage);
    for (const id of ['b', 'c', 'd']) await add(before, id);
    await comes(sessionOf(before).uploadComplete$, 'uploadComplete$');
    await before.close();

    const offline = open.client({ dial: NEVER });
    const put = await open.realm(offline, earlier);
    await add(put, 'new');
    const later = await copyOf(earlier);

    const after = await open.realm(open.client({ dial: of(server.wire) }), later);
    await comes(sessionOf(after).uploadComplete$, 'uploadComplete$');
    const other = await device(server);
    await comes(other.session.downloadComplete$, 'downloadComplete$');
    expect(await titles(other.realm)).toEqual(['a', 'b', 'c', 'd', 'new']);
    expect(await titles(after)).toEqual(['a', 'b', 'c', 'd', 'new']);
  });

  it('S23 cannot be open twice, under two clients: the second is refused, and the first goes on', async () => {
    const server = open.server();
    const storage = memoryStorage();
    const first = await open.realm(open.client({ dial: of(server.wire) }), storage);
    const second = open.realm(open.client({ dial: of(server.wire) }), storage);
    await expect(second).rejects.toMatchObject({ code: 'storage' });
    await add(first, 'a');
    expect(await comes(sessionOf(first).uploadComplete$, 'uploadComplete$')).toBe(1);
  });
});
