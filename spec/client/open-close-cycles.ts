import { EMPTY, filter, firstValueFrom, of } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm, type OpenStorage, type Storage } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { measureHeap } from './heap-used.js';
import { waitForValue } from '../wait-for.js';

/*
 * Opens and closes a realm repeatedly in a process of its own, and sends the heap size before and after. The arguments
 * are the kind of realm, the cycles before the first measurement, the cycles after it, and the port of a server for
 * kinds with a socket.
 */
const [way = '', warm = '0', times = '0', port = ''] = process.argv.slice(2);
const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;

/** Creates one storage that is opened every time, as a folder would be, and keeps its content. */
const createKeptStorage = (): OpenStorage => {
  const storage = memoryStorage();
  return of<Storage>({ ...storage, close: () => EMPTY });
};

const createClient = () => {
  if (way.includes('socket')) return createSyncClient({ url: `ws://127.0.0.1:${port}`, timeouts: { linger: 0 } });
  const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  return createSyncClient({ dial: of(server.wire) });
};

const openAndClose = async (
  client: ReturnType<typeof createSyncClient>,
  storage: OpenStorage | Storage,
): Promise<void> => {
  const realm = await openRealm({ schema, storage, sync: { client, realm: 'tasks' } });
  if (isSome(realm.syncSession)) {
    await firstValueFrom(realm.syncSession.value.connectionState$.pipe(filter((state) => state === 'connected')));
    await waitForValue(realm.syncSession.value.downloadComplete$, 'downloadComplete$');
  }
  await realm.close();
};

const shared = createClient();
const storage = createKeptStorage();
const runCycle = async (): Promise<void> => {
  switch (way) {
    case 'one storage':
    case 'one storage, socket':
      return openAndClose(shared, storage);
    case 'new storages, socket':
      return openAndClose(shared, memoryStorage());
    case 'new clients, socket': {
      const client = createClient();
      await openAndClose(client, createKeptStorage());
      return client.close();
    }
    default:
      throw new Error(`no such way: ${way}`);
  }
};

const runCycles = async (count: number): Promise<void> => {
  for (let time = 0; time < count; time += 1) await runCycle();
};

/** Returns the least of four measurements, some cycles apart: the engine's own memory varies by some per cent. */
const measureLeast = async (): Promise<number> => {
  const looks: number[] = [];
  for (let look = 0; look < 4; look += 1) {
    await runCycles(100);
    looks.push(await measureHeap());
  }
  return Math.min(...looks);
};

await runCycles(Number(warm)); // Compiled code and hidden classes grow for two thousand cycles, with those measured.
const before = await measureLeast();
await runCycles(Number(times));
const after = await measureLeast();
process.send?.({ before, after });
