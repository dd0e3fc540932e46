import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';

interface SocketLife {
  readonly from: number;
  to: number;
}

/** A sync server with a port, which knows when each WebSocket was open. It can be stopped and started again. */
export interface TabsSite {
  /** The address for the tabs of one storage, whose sockets are counted together. */
  readonly urlOf: (storage: string) => string;
  /** The number of open sockets. */
  readonly live: (storage: string) => number;
  /** The longest time in milliseconds in which more than one socket was open. */
  readonly doubleMs: (storage: string) => number;
  /** The objects of a realm on the server, as another device receives them. */
  readonly read: (realm: string) => Promise<{ readonly ids: readonly string[]; readonly count: number }>;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly end: () => Promise<void>;
}

const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } },
  Total: { primaryKey: 'id', properties: { id: 'string', count: 'counter' } },
} as const;

/** The longest time in which at least two of the lives overlap. */
const longestOverlap = (lives: readonly SocketLife[]): number => {
  const changes = lives
    .flatMap(({ from, to }) => [
      { at: from, by: 1 },
      { at: to, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by);
  let [open, since, longest] = [0, 0, 0];
  for (const { at, by } of changes) {
    open += by;
    if (open === 2 && by === 1) since = at;
    if (open === 1 && by === -1) longest = Math.max(longest, at - since);
  }
  return longest;
};

export const createTabsSite = async (): Promise<TabsSite> => {
  const sync = createSyncServer({
    ...{ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' as const, log: () => undefined },
  });
  const http = createServer((_, response) => response.end());
  const all = new Set<Socket>();
  const lives = new Map<string, SocketLife[]>();
  http.on('connection', (socket) => {
    all.add(socket);
    socket.once('close', () => all.delete(socket));
  });
  http.on('upgrade', ({ url = '' }, socket) => {
    const life = { from: performance.now(), to: Infinity };
    lives.set(url, [...(lives.get(url) ?? []), life]);
    socket.once('close', () => (life.to = performance.now()));
  });
  await sync.attach(http);
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => http.listen(port, '127.0.0.1', () => resolve()));
  const stop = async (): Promise<void> => {
    if (!http.listening) return;
    const closed = new Promise((resolve) => http.close(resolve));
    for (const socket of all) socket.destroy();
    await closed;
  };
  await listen(0);
  const { port } = http.address() as AddressInfo;
  const livesOf = (storage: string): readonly SocketLife[] => lives.get(`/${encodeURIComponent(storage)}`) ?? [];
  return {
    urlOf: (storage) => `ws://127.0.0.1:${port}/${encodeURIComponent(storage)}`,
    live: (storage) => livesOf(storage).filter(({ to }) => to === Infinity).length,
    doubleMs: (storage) => {
      const now = performance.now();
      return longestOverlap(livesOf(storage).map(({ from, to }) => ({ from, to: Math.min(to, now) })));
    },
    read: async (realm) => {
      const client = createSyncClient({ dial: of(sync.wire) });
      const device = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm } });
      await new Promise<unknown>((resolve) => device.session.downloadComplete$.subscribe(resolve));
      const ids = device
        .objects('Task')
        .map(({ id }) => id)
        .sort();
      const count = device.objects('Total')[0]?.count ?? 0;
      await device.close();
      await client.close();
      return { ids, count };
    },
    stop,
    start: () => listen(port),
    end: async () => {
      await stop();
      await sync.close();
    },
  };
};
