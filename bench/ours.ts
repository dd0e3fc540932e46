import { filter, firstValueFrom, map, startWith } from 'rxjs';
import { createSyncClient, isSome, openRealm, type SyncSession } from 'tidemark';
import { anyone, createSyncServer } from 'tidemark/server';
import { now, type Roles, type Settings } from './stage.js';

const schema = {
  Item: { primaryKey: 'id', properties: { id: 'string', title: 'string', note: 'string', at: 'double', done: 'bool' } },
} as const;

const note = 'a note of about a hundred characters, as people write them into the apps that they use every day';
const item = (index: number) => ({ id: `item-${index}`, title: `Item number ${index}`, note, at: now(), done: false });

const opened = async ({ place, port }: Settings) => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const realm = await openRealm({ schema, storage: place, sync: { client, realm: 'bench' } });
  if (!isSome(realm.syncSession)) throw new Error('no session');
  return { client, realm, session: realm.syncSession.value };
};

const connected = (session: SyncSession) =>
  firstValueFrom(session.connectionState$.pipe(filter((state) => state === 'connected')));

/** Runs `work` for every index, so many at a time. */
export const inFlight = async (
  total: number,
  most: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < total; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: most }, worker));
};

/** Calls `work` at a steady pace, whatever it takes. */
export const paced = async (total: number, perSecond: number, work: (index: number) => unknown): Promise<void> => {
  const began = now();
  for (let index = 0; index < total; index++) {
    const due = began + (index * 1_000) / perSecond;
    if (due > now()) await new Promise((resolve) => setTimeout(resolve, due - now()));
    work(index);
  }
};

export const ours: Roles = {
  server: async ({ place }) => {
    const server = createSyncServer({ storage: place, authenticate: anyone, authorize: () => 'write' });
    const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
    return { port: () => Promise.resolve(port), end: () => server.close().then(() => 0) };
  },
  writer: async (settings) => {
    const { client, realm, session } = await opened(settings);
    const write = (index: number) => realm.write((tx) => tx.create('Item', item(index)));
    return {
      offline: async (total = 0) => {
        session.pause();
        await inFlight(total, 1_000, write);
        return 0;
      },
      upload: async () => {
        const began = now();
        session.resume();
        await firstValueFrom(session.uploadComplete$);
        return now() - began;
      },
      connect: () => connected(session).then(() => 0),
      pace: async (total = 0, perSecond = 0) => {
        await paced(total, perSecond, write);
        await firstValueFrom(session.uploadComplete$);
        return 0;
      },
      live: async (total = 0, most = 0, first = 0) => {
        const began = now();
        await inFlight(total, most, (index) => write(first + index));
        return began;
      },
      end: () => client.close().then(() => 0),
    };
  },
  reader: (settings) => {
    let live: Awaited<ReturnType<typeof listening>> | null = null;
    let devices = 0;
    return Promise.resolve({
      download: async () => {
        const began = now();
        const fresh = await opened({ ...settings, place: `${settings.place}-${++devices}` });
        await firstValueFrom(fresh.session.downloadComplete$);
        const took = now() - began;
        const objects = await firstValueFrom(fresh.realm.objects$('Item').pipe(map((found) => found.length)));
        await fresh.client.close();
        return [took, objects];
      },
      connect: async () => {
        live = await listening(settings);
        return 0;
      },
      reached: async (total = 0) => (live ? live.reached(total) : 0),
      latencies: () => Promise.resolve(live?.latencies ?? []),
      end: async () => {
        await live?.close();
        return 0;
      },
    });
  },
};

/** A device that is connected, and notes how long whatever comes was under way. */
const listening = async (settings: Settings) => {
  const { client, realm, session } = await opened(settings);
  const latencies: number[] = [];
  realm.changes$('Item').subscribe(({ inserted }) => {
    const seen = now();
    for (const key of inserted) latencies.push(seen - (realm.get('Item', key as string)?.at ?? NaN));
  });
  await connected(session);
  return {
    latencies,
    reached: (total: number) =>
      firstValueFrom(
        realm.changes$('Item').pipe(
          startWith(null),
          filter(() => latencies.length >= total),
          map(now),
        ),
      ),
    close: () => client.close(),
  };
};
