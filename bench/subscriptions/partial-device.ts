import { filter, firstValueFrom } from 'rxjs';
import { createSubscriptions, createSyncClient, memoryStorage, openRealm, type InitialSubscriptions } from 'tidemark';
import { WebSocket } from 'ws';
import { now, type Role } from '../processes.js';
import { createReadAges } from '../read-ages.js';
import { schema as itemSchema } from '../tidemark-side.js';
import { realmOf, taskSchema } from './task-schema.js';

/** A socket that notes the direction and the bytes of its frames. */
const createCountingSocket = () => {
  let frames: { readonly isSent: boolean; readonly bytes: number; readonly kind: number }[] = [];
  const note = (isSent: boolean, data: Uint8Array): void => {
    frames.push({ isSent, bytes: data.byteLength, kind: data[1] ?? 0 });
  };
  class CountingSocket extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      this.on('message', (data: Buffer | ArrayBuffer) =>
        note(false, data instanceof ArrayBuffer ? new Uint8Array(data) : data),
      );
    }
    override send(data: Parameters<WebSocket['send']>[0]): void {
      note(true, data as Uint8Array);
      super.send(data);
    }
  }
  const take = () => {
    const all = frames;
    frames = [];
    const received = all.filter(({ isSent }) => !isSent).reduce((sum, { bytes }) => sum + bytes, 0);
    const roundTrips = all.filter(({ isSent }, at) => !isSent && all[at - 1]?.isSent === true).length;
    return { roundTrips, received };
  };
  return { CountingSocket, take };
};

const accessToken = (): Promise<string> => Promise.resolve('device');

/** A device of the realm of the parts `upload` and `latency`. */
const openItems = async (port: number, subscriptions: InitialSubscriptions<typeof itemSchema>) => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const realm = await openRealm({
    ...{ schema: itemSchema, storage: memoryStorage(), sync: { client, realm: 'bench' } },
    subscriptions: createSubscriptions(subscriptions),
  });
  return { client, realm };
};

/** A device with the tasks of one list. Connects only after `resume`. */
const openTasks = async (port: number, location: string, tasks: number, isPartial: boolean) => {
  const { CountingSocket, take } = createCountingSocket();
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}`, accessToken, WebSocket: CountingSocket });
  const realm = await openRealm({
    ...{ schema: taskSchema, storage: location, sync: { client, realm: realmOf(tasks) } },
    ...(isPartial && {
      subscriptions: createSubscriptions<typeof taskSchema>({
        initial: (edit) => edit.set('Task', { where: { list: 'list-1' } }, { name: 'list' }),
      }),
    }),
  });
  realm.session.pause();
  return { client, realm, take };
};

export const partialDevice: Role = ({ port, location }) => {
  let opened = 0;
  let device: Awaited<ReturnType<typeof openTasks>> | null = null;
  let live: Awaited<ReturnType<typeof openItems>> | null = null;
  const readAges = createReadAges();
  const open = (tasks: number, isPartial: boolean) => openTasks(port, `${location}-${++opened}`, tasks, isPartial);
  const opening = () => {
    if (device === null) throw new Error('No device is open.');
    return device;
  };

  /** Returns the milliseconds until a new device has its objects, and their number. */
  const download = async (tasks: number, isPartial: boolean): Promise<number[]> => {
    const { client, realm } = await open(tasks, isPartial);
    const began = now();
    realm.session.resume();
    await firstValueFrom(isPartial ? realm.subscriptions.sync$ : realm.session.downloadComplete$);
    const ms = now() - began;
    const { length } = realm.objects('Task');
    await client.close();
    return [ms, length];
  };

  return Promise.resolve({
    /** Lets the server watch three properties of the realm of the part `upload`. */
    watch: async () => {
      const { client, realm } = await openItems(port, {
        initial: (edit) => {
          edit.set('Item', { where: { title: 'Item number -1' } });
          edit.set('Item', { where: { at: -1 } });
          edit.set('Item', { where: { done: true } });
        },
      });
      await firstValueFrom(realm.subscriptions.sync$);
      await client.close();
      return 0;
    },
    bootstrap: (tasks = 0) => download(tasks, true),
    full: (tasks = 0) => download(tasks, false),
    open: async (tasks = 0) => {
      device = await open(tasks, true);
      const { realm, take } = device;
      realm.session.resume();
      await firstValueFrom(realm.subscriptions.sync$);
      await firstValueFrom(realm.session.downloadComplete$);
      take();
      return 0;
    },
    /** Subscribes to the same objects by another name. Returns round trips, received objects, and milliseconds. */
    subscribeAgain: async () => {
      const { realm, take } = opening();
      const before = realm.objects('Task').length;
      let received = 0;
      const changes = realm.changes$('Task').subscribe(({ inserted, modified, deleted }) => {
        received += inserted.size + modified.size + deleted.size;
      });
      const began = now();
      const again = realm.subscribe('Task', { where: { list: 'list-1' } }, { name: 'again' });
      await firstValueFrom(again.sync$);
      const ms = now() - began;
      changes.unsubscribe();
      if (realm.objects('Task').length !== before)
        throw new Error('A subscription that adds nothing has added objects.');
      return [take().roundTrips, received, ms];
    },
    /** Removes all subscriptions. Returns the milliseconds until no object is left, and the received bytes. */
    unsubscribe: async () => {
      const { realm, take } = opening();
      const began = now();
      await realm.subscriptions.update((edit) => edit.clear());
      await firstValueFrom(realm.subscriptions.sync$);
      const ms = now() - began;
      if (realm.objects('Task').length > 0) throw new Error('Objects are left without a subscription.');
      return [ms, take().received];
    },
    closeDevice: async () => {
      await device?.client.close();
      device = null;
      return 0;
    },
    /** Follows the items of the writer through a filter that all of them match. */
    connect: async () => {
      live = await openItems(port, { initial: (edit) => edit.set('Item', { where: { done: false } }) });
      const { realm } = live;
      realm.changes$('Item').subscribe(({ inserted }) => {
        readAges.record([...inserted].map((key) => realm.get('Item', key as string)?.at ?? NaN));
      });
      await firstValueFrom(realm.session.connectionState$.pipe(filter((state) => state === 'connected')));
      await firstValueFrom(realm.subscriptions.sync$);
      return 0;
    },
    expect: (total = 0) => {
      readAges.expect(total);
      return Promise.resolve(0);
    },
    reached: readAges.waitForAll,
    ages: () => Promise.resolve(readAges.ages()),
    end: async () => {
      await live?.client.close();
      return 0;
    },
  });
};
