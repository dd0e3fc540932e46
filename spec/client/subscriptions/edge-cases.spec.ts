import { firstValueFrom, of } from 'rxjs';
import {
  createSubscriptions,
  createSyncClient,
  memoryStorage,
  openRealm,
  type SyncClient,
} from '../../../lib/index.js';
import type { SyncServer } from '../../../lib/server/index.js';
import { addTask, idsOf, openServer, startDevice, waitForDownload, waitForUpload } from './partial-devices.js';

const id = { primaryKey: 'id', properties: { id: 'string' } } as const;
const numbered = { primaryKey: 'id', properties: { id: 'int' } } as const;
/** Two apps whose marks point to objects of different types, under the same name. */
const textApp = { Task: id, Mark: { ...id, properties: { id: 'string', target: 'Task?' } } } as const;
const numberApp = { Note: numbered, Mark: { ...id, properties: { id: 'string', target: 'Note?' } } } as const;

const clients: SyncClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

const syncWith = ({ wire }: SyncServer) => {
  const client = createSyncClient({ dial: of(wire) });
  clients.push(client);
  return { client, realm: 'tasks' };
};

describe('devices with subscriptions', () => {
  it('edge case 26: find objects by a link, whose text key is not the number of another app', async () => {
    const server = openServer();
    const storage = memoryStorage();
    const texts = await openRealm({ schema: textApp, storage, sync: syncWith(server) });
    await texts.write((tx) => tx.create('Mark', { id: 'text', target: '7' }));
    await firstValueFrom(texts.session.uploadComplete$);
    const numbers = await openRealm({ schema: numberApp, storage: memoryStorage(), sync: syncWith(server) });
    await numbers.write((tx) => {
      tx.create('Mark', { id: 'number', target: 7 });
      tx.create('Mark', { id: 'none' });
    });
    await firstValueFrom(numbers.session.uploadComplete$);

    const subscriptions = createSubscriptions<typeof numberApp>({
      initial: (edit) => edit.set('Mark', { where: { target: 7 } }),
    });
    const device = await openRealm({
      ...{ schema: numberApp, storage: memoryStorage(), sync: syncWith(server), subscriptions },
    });
    await firstValueFrom(device.subscriptions.sync$);
    expect(device.objects('Mark')).toEqual([{ id: 'number', target: 7 }]);
    await texts.write((tx) => tx.create('Mark', { id: 'later', target: '7' }));
    await firstValueFrom(texts.session.uploadComplete$);
    await firstValueFrom(device.session.downloadComplete$);
    expect(device.objects('Mark')).toEqual([{ id: 'number', target: 7 }]);
  });

  it('edge case 27: keep a link to an object that is not here, and follow it when that comes in', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    await addTask(computer, 'a', 'in', { parent: 'b' });
    await addTask(computer, 'b', 'out', { parent: 'a' });
    await waitForUpload(computer);
    const device = await startDevice(server);
    device.realm.subscribe('Task', { where: { list: 'in' } });
    await waitForDownload(device);
    const parentOf = () => {
      const { parent } = device.realm.get('Task', 'a') ?? {};
      return [parent, parent && device.realm.get('Task', parent)?.list];
    };
    expect(parentOf()).toEqual(['b', undefined]);

    const changed: unknown[] = [];
    const watching = device.realm.changes$('Task').subscribe(({ modified }) => changed.push(...modified));
    await computer.realm.write((tx) => tx.update('Task', 'b', { list: 'in' }));
    await waitForUpload(computer);
    await waitForDownload(device);
    expect(parentOf()).toEqual(['b', 'in']);
    expect(changed).toEqual([]); // The first object is as it was.
    watching.unsubscribe();
  });

  it('edge case 29, invariant 9: see all of a transaction at once that concerns them, of several types', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    for (const task of ['a', 'b', 'c']) await addTask(computer, task, task === 'c' ? 'out' : 'in');
    await waitForUpload(computer);
    const device = await startDevice(server);
    device.realm.subscribe('Task', { where: { list: 'in' } });
    device.realm.subscribe('Note', { where: { text: 'shown' } });
    await waitForDownload(device);

    const seen: string[] = [];
    const read = (): string => `${idsOf(device).join('')}${device.realm.objects('Note').length}`;
    const watching = device.realm.changes$('Task').subscribe(() => seen.push(read()));
    watching.add(device.realm.changes$('Note').subscribe(() => seen.push(read())));
    await computer.realm.write((tx) => {
      tx.update('Task', 'a', { list: 'out' });
      tx.update('Task', 'c', { list: 'in' });
      tx.create('Task', { id: 'd', list: 'out' });
      tx.create('Note', { id: 1, text: 'shown' });
      tx.create('Note', { id: 2, text: 'hidden' });
    });
    await waitForUpload(computer);
    await waitForDownload(device);
    expect(new Set(seen)).toEqual(new Set(['bc1']));
    watching.unsubscribe();
  });

  it('edge case 32: have nothing after the last subscription was removed, and still upload and answer waits', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    await addTask(computer, 'a', 'in');
    await waitForUpload(computer);
    const device = await startDevice(server);
    const all = device.realm.subscribe('Task', {});
    await waitForDownload(device);
    expect(idsOf(device)).toEqual(['a']);
    await all.unsubscribe();
    await waitForDownload(device);
    expect(idsOf(device)).toEqual([]);
    await addTask(device, 'mine', 'in');
    await waitForUpload(device);
    await waitForDownload(device);
    await waitForDownload(computer);
    expect([idsOf(device), idsOf(computer)]).toEqual([[], ['a', 'mine']]);
  });
});
