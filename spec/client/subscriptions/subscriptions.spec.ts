import { firstValueFrom, of } from 'rxjs';
import {
  createSubscriptions,
  createSyncClient,
  memoryStorage,
  openRealm,
  SubscriptionError,
} from '../../../lib/index.js';
import { waitUntil } from '../test-kit.js';
import {
  addTask,
  createDisk,
  contentOf,
  idsOf,
  openServer,
  startDevice,
  waitForDownload,
  waitForUpload,
} from './partial-devices.js';

describe('a device with subscriptions', () => {
  it('V1 holds the objects that it subscribed to, and follows those that move in, change, move out and are deleted', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    await addTask(computer, 'milk', 'inbox');
    await addTask(computer, 'tea', 'later');
    await waitForUpload(computer);

    const phone = await startDevice(server);
    await waitForDownload(phone);
    expect(idsOf(phone)).toEqual([]);
    const inbox = phone.realm.subscribe('Task', { where: { list: 'inbox' } }, { name: 'inbox' });
    await firstValueFrom(inbox.sync$);
    expect(idsOf(phone)).toEqual(['milk']);

    const seen: string[] = [];
    phone.realm.changes$('Task').subscribe(({ inserted, modified, deleted, left }) => {
      for (const key of inserted) seen.push(`+${key}`);
      for (const key of modified) seen.push(`~${key}`);
      for (const key of deleted) seen.push(`${left.has(key) ? '<' : '-'}${key}`);
    });
    const step = async (change: Parameters<typeof computer.realm.write>[0]): Promise<void> => {
      await computer.realm.write(change);
      await waitForUpload(computer);
      await waitForDownload(phone);
    };
    await step((tx) => tx.update('Task', 'tea', { list: 'inbox' }));
    await step((tx) => tx.update('Task', 'tea', { n: 1 }));
    await step((tx) => tx.update('Task', 'tea', { list: 'later' }));
    await step((tx) => tx.update('Task', 'tea', { n: 2 }));
    await step((tx) => tx.delete('Task', 'milk'));
    expect(seen).toEqual(['+tea', '~tea', '<tea', '-milk']);
    expect(idsOf(phone)).toEqual([]);
  });

  it('V4 uploads what it does not subscribe to, and keeps it until the server has it', async () => {
    const server = openServer();
    const phone = await startDevice(server, { isOnline: false });
    await addTask(phone, 'cake', 'party');
    expect(idsOf(phone)).toEqual(['cake']);
    phone.setOnline(true);
    await waitUntil(phone.realm.count$('Task'), (count) => count === 0);
    const computer = await startDevice(server, { isPartial: false });
    await waitForDownload(computer);
    expect(idsOf(computer)).toEqual(['cake']);
    expect(phone.realm.session.status.pending.changesets).toBe(0);
  });

  it('V5 edge case 8: uploads an offline edit of an object that left meanwhile, and then the object leaves', async () => {
    const server = openServer();
    const [computer, phone] = [await startDevice(server, { isPartial: false }), await startDevice(server)];
    await addTask(computer, 'milk', 'inbox');
    await waitForUpload(computer);
    await firstValueFrom(phone.realm.subscribe('Task', { where: { list: 'inbox' } }).sync$);
    phone.setOnline(false);
    await phone.realm.write((tx) => tx.update('Task', 'milk', { n: 5 }));
    await computer.realm.write((tx) => tx.update('Task', 'milk', { list: 'later' }));
    await waitForUpload(computer);
    expect(idsOf(phone)).toEqual(['milk']);
    phone.setOnline(true);
    await waitForUpload(phone);
    await waitForDownload(phone);
    expect(idsOf(phone)).toEqual([]);
    await waitForDownload(computer);
    expect(contentOf(computer).tasks).toMatchObject([{ id: 'milk', list: 'later', n: 5 }]);
  });

  it('V3 keeps its subscriptions and objects over a restart, also offline', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    await addTask(computer, 'milk', 'inbox');
    await addTask(computer, 'tea', 'later');
    await waitForUpload(computer);
    const storage = createDisk();
    const first = await startDevice(server, { storage });
    await firstValueFrom(first.realm.subscribe('Task', { where: { list: 'inbox' } }, { name: 'inbox' }).sync$);
    await first.stop();
    const again = await startDevice(server, { storage, isOnline: false });
    expect(idsOf(again)).toEqual(['milk']);
    const [inbox] = await firstValueFrom(again.realm.subscriptions.list$);
    expect(inbox).toMatchObject({ name: 'inbox', type: 'Task', state: 'complete' });
    await firstValueFrom(again.realm.subscribe('Task', { where: { list: 'inbox' } }, { name: 'inbox' }).sync$);
    again.setOnline(true);
    await computer.realm.write((tx) => tx.update('Task', 'tea', { list: 'inbox' }));
    await waitForUpload(computer);
    await waitForDownload(again);
    expect(idsOf(again)).toEqual(['milk', 'tea']);
  });

  it('V6 drops what no other subscription selects, when one is removed', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    for (const [id, list, n] of [
      ['a', 'x', 1],
      ['b', 'x', 2],
      ['c', 'y', 2],
    ] as const)
      await addTask(computer, id, list, { n });
    await waitForUpload(computer);
    const phone = await startDevice(server);
    const x = phone.realm.subscribe('Task', { where: { list: 'x' } });
    phone.realm.subscribe('Task', { where: { n: { $gt: 1 } } });
    await firstValueFrom(phone.realm.subscriptions.sync$);
    expect(idsOf(phone)).toEqual(['a', 'b', 'c']);
    await x.unsubscribe();
    await firstValueFrom(phone.realm.subscriptions.sync$);
    expect(idsOf(phone)).toEqual(['b', 'c']);
    await phone.realm.subscriptions.update((edit) => edit.clear());
    await firstValueFrom(phone.realm.subscriptions.sync$);
    expect(idsOf(phone)).toEqual([]);
  });

  it('V7 shows a subscription that the server rejects, and goes on with the others', async () => {
    const names = Array.from({ length: 17 }, (_, at) => `p${at}`);
    const properties = { id: 'string', ...Object.fromEntries(names.map((name) => [name, 'int?' as const])) } as const;
    const client = createSyncClient({ dial: of(openServer().wire) });
    const realm = await openRealm({
      schema: { Wide: { primaryKey: 'id', properties } } as const,
      storage: memoryStorage(),
      sync: { client, realm: 'tasks', stopPolicy: 'immediately' },
      subscriptions: createSubscriptions(),
    });
    const subscriptions = names.map((name) => realm.subscribe('Wide', { where: { [name]: 1 } }));
    await firstValueFrom(realm.subscriptions.sync$);
    const states = await Promise.all(subscriptions.map(({ state$ }) => firstValueFrom(state$)));
    expect(states).toEqual([...new Array<string>(16).fill('complete'), 'rejected']);
    const wait = firstValueFrom(subscriptions[16]!.sync$);
    await expect(wait).rejects.toThrow(SubscriptionError);
    await expect(wait).rejects.toMatchObject({ code: 'too-many-properties', type: 'Wide' });
    await realm.close();
    await client.close();
  });
});
