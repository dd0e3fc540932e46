import { defer, filter, firstValueFrom, of, repeat, Subject, take } from 'rxjs';
import { memoryStorage, openRealm } from '../../lib/index.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import type { Permit } from '../../lib/server/index.js';
import type { Storage } from '../../lib/storage/storage.js';
import { addTask, open, schema, sessionOf, readTitles, nextTurn } from './test-kit.js';
import { createPassingTime } from './passing-time.js';

/** Creates a server with a retention period of one minute, whose clock can jump. */
const forgetful = (permit?: Permit) => {
  const time = createPassingTime();
  const { clock } = time;
  const storage: Storage = memoryStorage();
  const limits = { retentionMs: 60_000, compactionMs: 20, projectionLagBytesMax: 1_024, snapshotLeaseMs: 1 };
  const server = open.server({ storage, clock, limits, ...(permit && { permit }) });
  const entries = defer(() =>
    storage.range({ from: 'realm/tasks/', to: 'realm/tasks/~', limit: Infinity, bytesMax: Infinity }),
  );
  /** Waits until the keys on the server's disk fulfil a condition. */
  const waitForKeys = (what: (keys: readonly string[]) => boolean) =>
    time.until(
      firstValueFrom(
        entries.pipe(
          repeat({ delay: nextTurn }),
          filter((found) => what(found.map(([key]) => key))),
        ),
      ),
    );
  return { server, time, lies: waitForKeys };
};

const deviceOf = async ({ server, time }: Pick<ReturnType<typeof forgetful>, 'server' | 'time'>) => {
  const { clock } = time;
  const received: ServerMessage[] = [];
  const dial = of((sent: Parameters<typeof server.wire>[0]) =>
    defer(() => server.wire(sent)).pipe(filter((message) => received.push(message) > 0)),
  );
  const client = open.client({ dial, clock, timeouts: { linger: 0 } });
  const realm = await openRealm({ schema, storage: memoryStorage(), clock, sync: { client, realm: 'tasks' } });
  const session = sessionOf(realm);
  const synced = async () => {
    await time.until(firstValueFrom(session.uploadComplete$));
    await time.until(firstValueFrom(session.downloadComplete$));
  };
  return { client, realm, session, synced, messages: received };
};

describe('a device that comes back after the server has forgotten what was deleted', () => {
  it('E6 resets with its unsent changes as new writes, and all replicas are equal', async () => {
    const scene = forgetful();
    const first = await deviceOf(scene);
    const second = await deviceOf(scene);
    for (const id of ['kept', 'deleted', 'changed']) await addTask(first.realm, id);
    await first.synced();
    await second.synced();
    second.session.pause();
    await scene.time.until(
      firstValueFrom(second.session.connectionState$.pipe(filter((state) => state === 'disconnected'))),
    );
    await second.realm.write((tx) => tx.update('Task', 'changed', { title: 'changed long ago' }));
    await second.realm.write((tx) => tx.update('Task', 'deleted', { title: 'deleted meanwhile' }));
    await addTask(second.realm, 'made long ago');
    await first.realm.write((tx) => tx.delete('Task', 'deleted'));
    await first.synced();
    await scene.lies((keys) => keys.some((key) => key.includes('object')));

    scene.time.jumpMs(10 * 60_000);
    await scene.lies((keys) => keys.includes('realm/tasks/horizon'));
    second.session.resume();
    await second.synced();
    await first.synced();
    const expected = ['changed long ago', 'kept', 'made long ago'];
    for (const { realm } of [first, second]) expect((await readTitles(realm)).sort()).toEqual(expected);
    const ends = second.messages.flatMap((message) => (message.type === 'error' ? [message.code] : []));
    expect(ends).toEqual(['history-changed']); // Once: later writes are not older than the retention cutoff.
    const fresh = await deviceOf(scene);
    await fresh.synced();
    expect((await readTitles(fresh.realm)).sort()).toEqual(expected);
    for (const { client } of [first, second, fresh]) await client.close();
  });

  it('does not restore an object whose delete arrives after the replica’s earlier write was rejected', async () => {
    const answers = new Subject<string>();
    const asked = new Subject<void>();
    const scene = forgetful((_, __, { after }) => {
      if (after?.['title'] !== 'bad') return true;
      asked.next();
      return answers.pipe(take(1));
    });
    const first = await deviceOf(scene);
    const second = await deviceOf(scene);
    await addTask(first.realm, 'one');
    await first.synced();
    await second.synced();
    const isPaused = async () => {
      second.session.pause();
      const { connectionState$ } = second.session;
      await scene.time.until(firstValueFrom(connectionState$.pipe(filter((state) => state === 'disconnected'))));
    };
    await isPaused();
    await second.realm.write((tx) => {
      tx.create('Task', { id: 'two', title: 'bad', done: false });
      tx.update('Task', 'one', { done: true });
    });
    await second.realm.write((tx) => tx.delete('Task', 'one'));
    await addTask(second.realm, 'one', 'mine');
    scene.time.jumpMs(1_000);
    await first.realm.write((tx) => tx.delete('Task', 'one'));
    await first.synced();

    const isAsked = firstValueFrom(asked);
    second.session.resume();
    await scene.time.until(isAsked);
    await scene.time.until(
      firstValueFrom(second.realm.objects$('Task').pipe(filter((all) => all.every(({ id }) => id !== 'one')))),
    );
    await isPaused();
    answers.next('no');
    await scene.lies((keys) => keys.some((key) => key.includes('refused')));
    scene.time.jumpMs(10 * 60_000);
    await scene.lies((keys) => keys.includes('realm/tasks/horizon') && !keys.some((key) => key.includes('object/')));

    second.session.resume();
    await second.synced();
    expect(await firstValueFrom(second.realm.rejectedWrites$)).toHaveLength(1);
    for (const { realm } of [first, second]) expect(await readTitles(realm)).toEqual([]);
    for (const { client } of [first, second]) await client.close();
  });
});
