import { concatMap, firstValueFrom, map, of, throwError } from 'rxjs';
import { memoryStorage, WriteLimitError, type SyncError } from '../../lib/index.js';
import { encodeClient } from '../../lib/protocol/codec.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import type { Access, SyncServer } from '../../lib/server/index.js';
import { createCloseError, ConnectionError } from '../../lib/transport/wire.js';
import { addTask, openDevice, createFolder, open, sessionOf, readTitles, waitUntil, type Tasks } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const long = (kilobytes: number): string => 'x'.repeat(kilobytes * 1_024);
const isDone = (realm: Tasks) => waitUntil(sessionOf(realm).status$, ({ pending }) => pending.changesets === 0, 15_000);
const unreachable = throwError(() => new ConnectionError({ kind: 'unreachable', detail: 'no server there' }));
const rejected = async (realm: Tasks) =>
  (await firstValueFrom(realm.rejectedWrites$)).map(({ version, reasonCode, objects }) => ({
    version,
    reasonCode,
    objects,
  }));

/** Creates a path to a server that passes frames of at most a number of bytes. */
const through = (server: SyncServer, frame: { most: number }, closed: number[] = []) =>
  of<SyncServer['wire']>((sent) =>
    server.wire(
      sent.pipe(
        concatMap((message: ClientMessage) => {
          if (encodeClient(message).byteLength <= frame.most) return of(message);
          closed.push(1009);
          return throwError(() => createCloseError(1009, ''));
        }),
      ),
    ),
  );

describe('a user whose right to write was taken away', () => {
  it('field report B-2: has pending writes rejected with their reason, and downloads go on', async () => {
    let right: Access = 'write';
    const server = open.server({
      authenticate: (token) => ({ id: token }),
      authorize: ({ id }) => (id === 'other' ? 'write' : right),
    });
    const client = open.client({ dial: of(server.wire), accessToken: () => of('one') });
    const realm = await open.realm(client);
    const other = await open.realm(open.client({ dial: of(server.wire), accessToken: () => of('other') }));
    await addTask(realm, 'before');
    await isDone(realm);
    sessionOf(realm).pause();
    await addTask(realm, 'pending 1');
    await addTask(realm, 'pending 2');
    right = 'read';
    await addTask(other, 'of the other');
    await isDone(other);
    sessionOf(realm).resume();
    await isDone(realm);
    const reason = 'The user may not write to this realm.';
    expect(await rejected(realm)).toEqual([
      { version: 2, reasonCode: 'permission-denied', objects: [expect.objectContaining({ key: 'pending 1', reason })] },
      { version: 3, reasonCode: 'permission-denied', objects: [expect.objectContaining({ key: 'pending 2', reason })] },
    ]);
    expect(await readTitles(realm)).toEqual(['before', 'of the other']);
    await addTask(other, 'still');
    await waitUntil(realm.objects$('Task'), (all) => all.length === 3);
    expect(sessionOf(realm).syncState).toBe('active');
    // Access is given again: a retry writes the rejected changes.
    right = 'write';
    sessionOf(realm).pause();
    sessionOf(realm).resume();
    await realm.retry(1);
    await realm.discard(2);
    await isDone(realm);
    expect(await readTitles(other)).toEqual(['before', 'of the other', 'pending 1', 'still']);
    expect(await rejected(realm)).toEqual([]);
  });
});

describe('a write that is larger than the server takes', () => {
  it('field report B-3: is rejected at once where the limit is known, also offline and after a restart', async () => {
    const server = open.server({ limits: { changesetBytesMax: 10 * 1_024, operationsMax: 5, objectBytesMax: 15_000 } });
    const storage = createFolder();
    const client = open.client({ dial: of(server.wire) });
    const realm = await open.realm(client, storage);
    await addTask(realm, 'small');
    await isDone(realm);
    const write = (of: Tasks) => of.write((tx) => tx.create('Task', { id: 'large', title: long(11), done: false }));
    const expected = { limit: 'changesetBytesMax', most: 10 * 1_024, received: expect.any(Number) as number };
    await expect(write(realm)).rejects.toMatchObject(expected);
    await expect(write(realm)).rejects.toThrow(WriteLimitError);
    await expect(
      realm.write((tx) => {
        for (let at = 0; at < 6; at += 1) tx.create('Task', { id: `of six ${at}`, title: '', done: false });
      }),
    ).rejects.toMatchObject({ limit: 'operationsMax', most: 5, received: 6 });
    await realm.close();
    await client.close();
    const offline = await open.realm(open.client({ dial: unreachable }), storage);
    await expect(write(offline)).rejects.toMatchObject(expected);
    expect(await readTitles(offline)).toEqual(['small']);
    expect(offline.get('Task', 'large')).toBeUndefined();
  });

  it('field report B-3: is rejected with both sizes where it was not known, the session goes on, and a higher limit heals it', async () => {
    const lowStorage = memoryStorage();
    const low = open.server({ storage: lowStorage, limits: { frameBytesMax: 256 * 1_024 } });
    const storage = createFolder();
    const offline = open.client({ dial: unreachable });
    const before = await open.realm(offline, storage); // The replica was never bound, so it knows no limit.
    await addTask(before, 'a');
    await addTask(before, 'large', long(300));
    for (let at = 0; at < 8; at += 1) await addTask(before, `medium ${at}`, long(100)); // A page of them fits no frame of this server.
    await offline.close();
    const client = open.client({ dial: of(low.wire) });
    const realm = await open.realm(client, storage);
    const errors: SyncError[] = [];
    sessionOf(realm).errors$.subscribe((error) => errors.push(error));
    const another = await open.realm(client, memoryStorage(), 'another');
    await addTask(another, 'of another realm');
    await isDone(realm);
    await isDone(another);
    const [only, ...more] = await rejected(realm);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ version: 2, reasonCode: 'too-large' });
    expect(only?.objects[0]?.reason).toMatch(/30[0-9]{4} bytes.* 196608 /);
    expect(errors.map(({ code }) => code)).toEqual(['write-refused']);
    expect(errors[0]?.message).toMatch(/bytes/);
    const reader = await openDevice(low);
    await waitForValue(reader.session.downloadComplete$, 'downloadComplete$');
    expect((await readTitles(reader.realm)).map(({ length }) => length)).toEqual([
      1,
      ...Array<number>(8).fill(102_400),
    ]);
    await expect(realm.retry(1)).rejects.toThrow(WriteLimitError);
    expect(await rejected(realm)).toHaveLength(1);
    await client.close();
    const high = open.server({ storage: lowStorage });
    const healed = await open.realm(open.client({ dial: of(high.wire) }), storage);
    await waitForValue(sessionOf(healed).downloadComplete$, 'downloadComplete$');
    await healed.retry(1);
    await isDone(healed);
    expect(healed.get('Task', 'large')?.title).toHaveLength(300 * 1_024);
  });

  it.each([
    ['one that is too large alone', [200], 150],
    ['pages that are too large', Array<number>(20).fill(20), 50],
    ['both', [...Array<number>(10).fill(20), 200, ...Array<number>(10).fill(20)], 50],
  ])(
    'field report B-3: a proxy with a lower limit ends no session: %s',
    async (_, sizes, most) => {
      const server = open.server();
      const frame = { most: most * 1_024 };
      const closed: number[] = [];
      const timeouts = { backoffFirst: 20 };
      const client = open.client({ dial: through(server, frame, closed), timeouts });
      const realm = await open.realm(client);
      const another = await open.realm(client, memoryStorage(), 'another');
      sessionOf(realm).pause();
      for (const [at, kilobytes] of sizes.entries()) await addTask(realm, `${100 + at}`, long(kilobytes));
      sessionOf(realm).resume();
      await isDone(realm);
      await addTask(another, 'of another realm');
      await isDone(another);
      const large = sizes.filter((kilobytes) => kilobytes * 1_024 > frame.most);
      const found = await rejected(realm);
      expect(found.map(({ reasonCode }) => reasonCode)).toEqual(large.map(() => 'too-large'));
      const { realm: reader } = await openDevice(server);
      await waitForValue(sessionOf(reader).downloadComplete$, 'downloadComplete$');
      expect(await readTitles(reader)).toHaveLength(sizes.length - large.length);
      expect(closed.length).toBeLessThan(6);
      // The path passes larger frames now, which the client notices after a disconnect.
      frame.most = Infinity;
      sessionOf(realm).pause();
      sessionOf(another).pause();
      await client.logOut();
      client.logIn();
      sessionOf(realm).resume();
      for (const { version } of found) {
        const [first] = await firstValueFrom(
          realm.rejectedWrites$.pipe(map((all) => all.filter((each) => each.version === version))),
        );
        await realm.retry(first!.id);
      }
      await isDone(realm);
      expect(await rejected(realm)).toEqual([]);
      await waitUntil(reader.objects$('Task'), (all) => all.length === sizes.length);
    },
    30_000,
  );
});
