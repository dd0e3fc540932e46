import { concatMap, firstValueFrom, of, throwError } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type SyncError } from '../../lib/index.js';
import { createSyncServer, type Permit, type SyncServer } from '../../lib/server/index.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import type { Storage } from '../../lib/storage/storage.js';
import { createCloseError } from '../../lib/transport/wire.js';
import { addTask, schema, sessionOf, waitUntil } from '../client/test-kit.js';
import { waitForValue } from '../wait-for.js';

const permit: Permit = (user, _, { before, after }) =>
  (after ?? before)?.['title'] === 'bad' ? `not for ${user.id}` : true;

/** Copies the content of a disk, as it remains when its process is killed. */
const copyOf = async (storage: Storage): Promise<Storage> => {
  const entries = await firstValueFrom(storage.range({ from: ' ', to: '~', limit: 1e6, bytesMax: Infinity }));
  const copy = memoryStorage();
  const changes = entries.map(([key, value]) => ({ type: 'put', key, value }) as const);
  copy.batch(changes, { durable: true }).subscribe();
  return copy;
};

/** Creates a server whose connections break after a number of messages. */
const breaking = (server: SyncServer, messages: number) => {
  let left = messages;
  const cut = (message: ServerMessage) => {
    left -= 1;
    return left >= 0 ? of(message) : throwError(() => createCloseError(1006, 'cut'));
  };
  return of<SyncServer['wire']>((sent) => server.wire(sent).pipe(concatMap(cut)));
};

const opened = async (dial: ReturnType<typeof breaking>, storage: Storage) => {
  const client = createSyncClient({ dial });
  const realm = await openRealm({ schema, storage, sync: { client, realm: 'tasks' } });
  const errors: SyncError[] = [];
  sessionOf(realm).errors$.subscribe((error) => errors.push(error));
  return { client, realm, errors };
};

describe('E9 a write that the server rejects', () => {
  it('is taken back, reported once with its reason, and kept with its payload', async () => {
    const server = createSyncServer({ storage: memoryStorage(), permit });
    const { client, realm, errors } = await opened(breaking(server, Infinity), memoryStorage());
    await addTask(realm, 'milk');
    await realm.write((tx) => {
      tx.create('Task', { id: 'tea', title: 'tea', done: false });
      tx.update('Task', 'milk', { title: 'bad' });
    });
    await addTask(realm, 'bread');
    await waitUntil(sessionOf(realm).status$, ({ pending }) => pending.changesets === 0);
    expect(realm.get('Task', 'milk')?.title).toBe('milk');
    expect([realm.get('Task', 'tea'), realm.get('Task', 'bread')?.title]).toEqual([undefined, 'bread']);
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ['write-refused', expect.stringContaining('not for anyone')],
    ]);
    expect(await firstValueFrom(realm.rejectedWrites$)).toMatchObject([{ version: 2 }]);
    await client.close();
    await server.close();
  });

  it.each(Array.from({ length: 9 }, (_, messages) => [messages]))(
    'is taken back and reported once, when line, client and server break after %i messages',
    async (messages) => {
      const serverDisk = memoryStorage();
      const first = createSyncServer({ storage: serverDisk, permit });
      const disk = memoryStorage();
      const before = await opened(breaking(first, messages), disk);
      await addTask(before.realm, 'milk');
      await before.realm.write((tx) => tx.update('Task', 'milk', { title: 'bad' }));
      await addTask(before.realm, 'bread');
      await new Promise((resolve) => setImmediate(resolve));
      // Both processes are killed without closing the connection.
      const [server, storage] = [createSyncServer({ storage: await copyOf(serverDisk), permit }), await copyOf(disk)];
      const after = await opened(breaking(server, Infinity), storage);
      await waitUntil(sessionOf(after.realm).status$, ({ pending }) => pending.changesets === 0);
      expect(after.realm.get('Task', 'milk')?.title).toBe('milk');
      expect(await firstValueFrom(after.realm.rejectedWrites$)).toHaveLength(1);
      const reported = [...before.errors, ...after.errors].filter(({ code }) => code === 'write-refused');
      expect(reported.length).toBeLessThanOrEqual(1); // The rejection may have arrived before the subscription: `rejectedWrites$` keeps it.
      const other = await opened(breaking(server, Infinity), memoryStorage());
      await waitForValue(sessionOf(other.realm).downloadComplete$, 'downloadComplete$');
      expect(other.realm.get('Task', 'milk')?.title).toBe('milk');
      expect(other.realm.get('Task', 'bread')?.title).toBe('bread');
      for (const { client } of [before, after, other]) await client.close();
      for (const each of [first, server]) await each.close();
    },
  );
});
