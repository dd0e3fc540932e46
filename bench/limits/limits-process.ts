import { firstValueFrom } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type Realm } from 'tidemark';
import { medianOf } from '../peers/statistics.js';
import type { Actions, Role, Settings } from '../processes.js';
import { fill, measureOpening, task, taskSchema, usedBytes } from '../store-benchmark.js';
import { folderBytesOf, item, runInFlight, schema } from '../tidemark-side.js';

/* The process of one measurement of `npm run bench -- limits`. Each command has figures of its own. */

const writesInFlight = 1_000;
/** Writes that run before their cost counts, because Node compiles their code meanwhile. */
const warmUpWrites = 10_000;

/** An app with items that a device needs (`Item`) and items that it does not need (`Other`). */
const mixedSchema = { ...schema, Other: schema.Item } as const;

/** Returns KiB of heap for each idle session of one client with its realm in memory, all bound to the server. */
const measureIdleSessions = async (port: number, count: number): Promise<number> => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const opened: Realm<typeof schema>[] = [];
  const open = async (): Promise<void> => {
    const sync = { client, realm: `idle-${opened.length}` };
    const realm = await openRealm({ schema, storage: memoryStorage(), sync });
    opened.push(realm);
    await firstValueFrom(realm.session.downloadComplete$);
  };
  for (let warm = 0; warm < 50; warm += 1) await open();
  const before = await usedBytes();
  for (let more = 0; more < count; more += 1) await open();
  const after = await usedBytes();
  await client.close();
  return (after - before) / count / 1_024;
};

/** Returns the median microseconds of processor time of one write to a realm in memory with this many objects. */
const measureWriteCost = async (count: number, writes: number): Promise<number> => {
  const realm = await openRealm({ schema: taskSchema, storage: memoryStorage() });
  await fill(realm, count);
  await usedBytes(); // Collects the garbage of filling, which is no cost of the writes.
  const perBatch = 500;
  const batches: number[] = [];
  for (let from = 0; from < warmUpWrites + writes; from += perBatch) {
    const cpu = process.cpuUsage();
    for (let n = from; n < from + perBatch; n += 1) {
      const { id } = task((n * 7_919) % count);
      await realm.write((tx) => {
        tx.update('Task', id, { votes: n });
      });
    }
    const { user, system } = process.cpuUsage(cpu);
    if (from >= warmUpWrites) batches.push((user + system) / perBatch);
  }
  await realm.close();
  return medianOf(batches);
};

/** A device with one realm on LevelDB that connects only for an upload or a download. */
const openMixedDevice = async ({ location, port }: Settings) => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const realm = await openRealm({ schema: mixedSchema, storage: location, sync: { client, realm: 'bench' } });
  realm.session.pause();
  return { client, realm, session: realm.session };
};

const createDeviceActions = (settings: Settings): Actions => {
  let device: ReturnType<typeof openMixedDevice> | null = null;
  const open = () => (device ??= openMixedDevice(settings));
  return {
    /** Creates objects, one in each transaction: those that are needed, spread among those that are not. */
    create: async (total = 0, needed = total) => {
      const { realm } = await open();
      let index = 0;
      await runInFlight(total, writesInFlight, () => {
        const at = index++;
        const isNeeded = Math.floor((at * needed) / total) < Math.floor(((at + 1) * needed) / total);
        return realm.write((tx) => tx.create(isNeeded ? 'Item' : 'Other', item(at)));
      });
      return 0;
    },
    /** Updates the created objects in turns, one in each transaction. */
    update: async (objects = 0, total = 0) => {
      const { realm } = await open();
      let index = 0;
      await runInFlight(total, writesInFlight, () => {
        const at = index++;
        return realm.write((tx) => {
          tx.update('Item', `item-${at % objects}`, { title: `Title number ${at}`, done: at % 2 === 0 });
        });
      });
      return 0;
    },
    /** Connects. Returns the milliseconds until the server has accepted all writes. */
    upload: async () => {
      const { session } = await open();
      const began = performance.now();
      session.resume();
      await firstValueFrom(session.uploadComplete$);
      return performance.now() - began;
    },
    /** Connects. Returns the milliseconds until all is downloaded, and the number of needed objects. */
    catchUp: async () => {
      const { realm, session } = await open();
      const began = performance.now();
      session.resume();
      await firstValueFrom(session.downloadComplete$);
      return [performance.now() - began, realm.objects('Item').length];
    },
    pause: async () => {
      (await open()).session.pause();
      return 0;
    },
    jsonBytes: async () => {
      const { realm } = await open();
      return realm.objects('Item').reduce((sum, found) => sum + Buffer.byteLength(JSON.stringify(found)), 0);
    },
    diskBytes: () => folderBytesOf(settings.location),
    closeDevice: async () => {
      await (await device)?.client.close();
      device = null;
      return 0;
    },
  };
};

export const limits: Role = (settings) =>
  Promise.resolve({
    ...createDeviceActions(settings),
    opening: (count = 0, times = 0) => measureOpening(settings.location, count, times),
    idleSessions: (count = 0) => measureIdleSessions(settings.port, count),
    writeCost: (count = 0, writes = 0) => measureWriteCost(count, writes),
    end: () => Promise.resolve(0),
  });
