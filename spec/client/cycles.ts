import { EMPTY, filter, firstValueFrom, of } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm, type OpenStorage, type Storage } from '../../lib/index.js';
import { anyone, createSyncServer } from '../../lib/server/index.js';
import { heapUsed } from './heap.js';
import { comes } from '../waiting.js';

/*
 * Opens and closes a realm again and again in a process of its own, and sends the bytes of heap before and after it.
 * Arguments: which way, how often before the
 * first measurement, how often after it, and the port of a server for the ways with a socket.
 */
const [way = '', warm = '0', times = '0', port = ''] = process.argv.slice(2);
const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;

/** One storage that is opened every time, as a folder would be; what is in it stays. */
const kept = (): OpenStorage => {
  const storage = memoryStorage();
  return of<Storage>({ ...storage, close: () => EMPTY });
};

const newClient = () => {
  if (way.includes('socket')) return createSyncClient({ url: `ws://127.0.0.1:${port}`, timeouts: { linger: 0 } });
  const server = createSyncServer({ storage: memoryStorage(), authenticate: anyone, authorize: () => 'write' });
  return createSyncClient({ dial: of(server.wire) });
};

const once = async (client: ReturnType<typeof createSyncClient>, storage: OpenStorage | Storage): Promise<void> => {
  const realm = await openRealm({ schema, storage, sync: { client, realm: 'tasks' } });
  if (isSome(realm.syncSession)) {
    await firstValueFrom(realm.syncSession.value.connectionState$.pipe(filter((state) => state === 'connected')));
    await comes(realm.syncSession.value.downloadComplete$, 'downloadComplete$');
  }
  await realm.close();
};

const shared = newClient();
const storage = kept();
const cycle = async (): Promise<void> => {
  switch (way) {
    case 'one storage':
    case 'one storage, socket':
      return once(shared, storage);
    case 'new storages, socket':
      return once(shared, memoryStorage());
    case 'new clients, socket': {
      const client = newClient();
      await once(client, kept());
      return client.close();
    }
    default:
      throw new Error(`no such way: ${way}`);
  }
};

const cycles = async (count: number): Promise<void> => {
  for (let time = 0; time < count; time += 1) await cycle();
};

/** The least of four looks, some cycles apart: what the engine keeps for itself comes and goes by some per cent. */
const least = async (): Promise<number> => {
  const looks: number[] = [];
  for (let look = 0; look < 4; look += 1) {
    await cycles(200);
    looks.push(await heapUsed());
  }
  return Math.min(...looks);
};

await cycles(Number(warm)); // Machine code and its shapes grow for a while: about two thousand times.
const before = await least();
await cycles(Number(times));
const after = await least();
process.send?.({ before, after });
