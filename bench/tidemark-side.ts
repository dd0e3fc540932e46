import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { filter, firstValueFrom, map } from 'rxjs';
import { createSyncClient, isSome, openRealm, type Realm, type SyncSession } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import { now, type Roles, type Settings } from './processes.js';
import { createReadAges } from './read-ages.js';

export const schema = {
  Item: { primaryKey: 'id', properties: { id: 'string', title: 'string', note: 'string', at: 'double', done: 'bool' } },
} as const;

export const note = 'a note of about a hundred characters, as people write them into the apps that they use every day';
export const item = (index: number) => ({
  id: `item-${index}`,
  title: `Item number ${index}`,
  note,
  at: now(),
  done: false,
});

export const sessionOf = ({ syncSession }: Pick<Realm<typeof schema>, 'syncSession'>): SyncSession => {
  if (!isSome(syncSession)) throw new Error('no session');
  return syncSession.value;
};

/** A device that connects only after `resume`. */
const openDevice = async ({ location, port }: Settings) => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const realm = await openRealm({ schema, storage: location, sync: { client, realm: 'bench' } });
  const session = sessionOf(realm);
  session.pause();
  return { client, realm, session };
};

const waitForConnection = (session: SyncSession) =>
  firstValueFrom(session.connectionState$.pipe(filter((state) => state === 'connected')));

/** Runs `work` a number of times, with a number of runs at a time. */
export const runInFlight = async (total: number, most: number, work: () => Promise<unknown>): Promise<void> => {
  let left = total;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: most }, worker));
};

/** Calls `work` at a steady pace, however long it takes, so that a slow system gets no pause. */
export const runAtPace = async (total: number, perSecond: number, work: () => unknown): Promise<void> => {
  const began = now();
  for (let index = 0; index < total; index++) {
    const due = began + (index * 1_000) / perSecond;
    if (due > now()) await sleep(due - now());
    work();
  }
};

/** Returns the bytes of all files in a folder. */
export const folderBytesOf = async (folder: string): Promise<number> => {
  const entries = await readdir(folder, { recursive: true });
  const sizes = entries.map((entry) =>
    stat(join(folder, entry)).then(
      (found) => (found.isFile() ? found.size : 0),
      () => 0, // LevelDB has removed the file.
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
};

export const ours: Roles = {
  server: async ({ location }) => {
    const server = createSyncServer({
      ...{ storage: location, authenticate: allowAnyone, authorize: () => 'write' },
      limits: { realmsPerUserMax: 10_000 }, // The clients of a run may be one user.
    });
    const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
    return {
      port: () => Promise.resolve(port),
      /** Milliseconds of processor time of this process so far. */
      cpu: () => {
        const { user, system } = process.cpuUsage();
        return Promise.resolve((user + system) / 1_000);
      },
      diskBytes: () => folderBytesOf(location),
      end: () => server.close().then(() => 0),
    };
  },
  writer: async (settings) => {
    const { client, realm, session } = await openDevice(settings);
    let written = 0;
    const write = () => realm.write((tx) => tx.create('Item', item(written++)));
    return {
      offline: async (total = 0) => {
        session.pause();
        await runInFlight(total, 1_000, write);
        return 0;
      },
      upload: async () => {
        const began = now();
        session.resume();
        await firstValueFrom(session.uploadComplete$);
        return now() - began;
      },
      connect: async () => {
        session.resume();
        await waitForConnection(session);
        return 0;
      },
      pace: async (total = 0, perSecond = 0) => {
        await runAtPace(total, perSecond, write);
        await firstValueFrom(session.uploadComplete$);
        return 0;
      },
      live: async (total = 0, most = 0) => {
        const began = now();
        await runInFlight(total, most, write);
        return began;
      },
      end: () => client.close().then(() => 0),
    };
  },
  reader: (settings) => {
    let live: Awaited<ReturnType<typeof openDevice>> | null = null;
    const readAges = createReadAges();
    let devices = 0;
    return Promise.resolve({
      download: async () => {
        const { client, realm, session } = await openDevice({
          ...settings,
          location: `${settings.location}-${++devices}`,
        });
        const began = now();
        session.resume();
        await firstValueFrom(session.downloadComplete$);
        const elapsedMs = now() - began;
        const objects = await firstValueFrom(realm.objects$('Item').pipe(map((found) => found.length)));
        await client.close();
        return [elapsedMs, objects];
      },
      connect: async () => {
        live = await openDevice(settings);
        const { realm, session } = live;
        realm.changes$('Item').subscribe(({ inserted }) => {
          readAges.record([...inserted].map((key) => realm.get('Item', key as string)?.at ?? NaN));
        });
        session.resume();
        await waitForConnection(session);
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
  },
};
