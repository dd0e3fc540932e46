/*
 * npm run bench -- indexeddb [--quick]: a realm in the IndexedDB of Chromium beside the same work by hand. See
 * docs/BENCHMARKS.md.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import { firstValueFrom } from 'rxjs';
import { WebSocketServer } from 'ws';
import { formatTable, rowsOf, type Measured } from '../result-table.js';
import { openBrowserPage, type BrowserPage } from './browser-page.js';
import type { Calls, SideName } from './indexeddb-page.js';
import { createItem, schema } from './items.js';

type Page = BrowserPage<Calls>;

const itemsPerFrame = 600;

/** Servers that have all items: a server of tidemark, and one that sends them in frames of JSON. */
interface Servers {
  readonly ports: Readonly<Record<SideName, number>>;
  readonly close: () => Promise<void>;
}

const fillRealm = async (port: number, count: number): Promise<void> => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'items' } });
  for (let n = 0; n < count; n += 1) void realm.write((tx) => tx.create('Item', { ...createItem(n) }));
  await firstValueFrom(realm.session.uploadComplete$);
  await realm.close();
  await client.close();
};

const startServers = async (origin: string, count: number): Promise<Servers> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-indexeddb-'));
  const server = createSyncServer({
    storage: join(folder, 'data'),
    authenticate: allowAnyone,
    authorize: () => 'write',
  });
  const { port } = await server.listen({ port: 0, host: '127.0.0.1', origins: [origin] });
  await fillRealm(port, count);
  const raw = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(raw, 'listening');
  raw.on('connection', (socket) => {
    for (let from = 0; from < count; from += itemsPerFrame) {
      const length = Math.min(itemsPerFrame, count - from);
      socket.send(JSON.stringify(Array.from({ length }, (_, at) => createItem(from + at))));
    }
  });
  return {
    ports: { ours: port, raw: (raw.address() as AddressInfo).port },
    close: async () => {
      raw.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** Measures one side once. Returns a figure for each row, in milliseconds. */
const measureSide = async (
  page: Page,
  side: SideName,
  { ports }: Servers,
  { writes, items }: { readonly writes: number; readonly items: number },
): Promise<Readonly<Record<string, number>>> => {
  const names = ['single', 'together', 'filled', 'downloaded'];
  const figures = {
    [`${writes} writes, one after the other, ms`]: await page.call('write', side, 'single', writes, 1),
    [`${10 * writes} writes, 64 at a time, ms`]: await page.call('write', side, 'together', 10 * writes, 64),
    [`${items} items in transactions of a thousand, ms`]: await page.call('fill', side, 'filled', items),
    [`opening ${items} items, ms`]: await page.call('open', side, 'filled', items),
    [`first download of ${items} items, ms`]: await page.call('download', side, 'downloaded', ports[side], items),
  };
  for (const name of names) await page.call('remove', name);
  return figures;
};

/** Prints a table of medians, and returns the exit code. The first round warms up and does not count. */
export const benchIndexedDb = async (args: readonly string[]): Promise<number> => {
  const isQuick = args.includes('--quick');
  if (args.some((arg) => arg !== '--quick')) {
    console.error(`expected nothing or --quick, received ${args.join(' ')}`);
    return 2;
  }
  const sizes = isQuick ? { writes: 50, items: 2_000 } : { writes: 500, items: 10_000 };
  const rounds = isQuick ? 1 : 5;
  const page = await openBrowserPage<Calls>('./indexeddb-page.js');
  const servers = await startServers(page.origin, sizes.items);
  const measured: Measured = new Map();
  try {
    for (let round = 0; round <= rounds; round += 1) {
      for (const side of ['ours', 'raw'] as const) {
        for (const [name, ms] of Object.entries(await measureSide(page, side, servers, sizes))) {
          const row = measured.get(name) ?? { ours: [], raw: [] };
          measured.set(name, row);
          if (round > 0) row[side].push(ms);
        }
      }
    }
  } finally {
    await page.close();
    await servers.close();
  }
  console.log(`Chromium ${page.version}; medians of ${rounds} (min–max)\n\n${formatTable(rowsOf(measured))}`);
  return 0;
};
