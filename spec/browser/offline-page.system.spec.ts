import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Page } from 'playwright-core';
import { filter, firstValueFrom, map, of, timeout } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { parseExamples } from '../example-compiler.js';
import { runWithLab } from './chromium-lab.js';
import { createPageControls } from './page-controls.js';
import { createBundle } from './create-bundle.js';

const recipe = readFileSync('docs/offline.md', 'utf8');

/** Returns the first code block of a language, unchanged. */
const blockOf = (language: string): string => {
  const [, text] = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(recipe) ?? [];
  if (text === undefined) throw new Error(`docs/offline.md has no ${language} block`);
  return text;
};

const types: Readonly<Record<string, string>> = {
  '/': 'text/html',
  '/app.js': 'text/javascript',
  '/sw.js': 'text/javascript',
};

/**
 * A web server with the files of the app and a sync server, as the recipe has it. It can be stopped and started again.
 */
const createSite = async (files: ReadonlyMap<string, string>) => {
  const sync = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  const http = createServer(({ url = '' }, response) => {
    const body = files.get(url);
    const type = types[url] ?? 'text/plain';
    // The HTTP cache may keep the program for an hour: an update has to bypass that cache.
    const cacheControl = url === '/app.js' ? 'max-age=3600' : 'no-cache';
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type, 'cache-control': cacheControl });
    response.end(body);
  });
  const sockets = new Set<Socket>();
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await sync.attach(http, { path: '/sync' });
  const open = (port: number): Promise<void> =>
    new Promise((resolve) => http.listen(port, '127.0.0.1', () => resolve()));
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => http.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await open(0);
  const { port } = http.address() as AddressInfo;
  return { sync, origin: `http://localhost:${port}`, reopen: () => open(port), close };
};

type Site = Awaited<ReturnType<typeof createSite>>;

/** Another device: resolves when it has received exactly these titles from the server. */
const receives = async ({ sync }: Site, ...titles: readonly string[]): Promise<void> => {
  const client = createSyncClient({ dial: of(sync.wire) });
  const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team-42' } });
  const found$ = realm.objects$('Task', { sort: { title: 1 } }).pipe(
    map((tasks) => tasks.map(({ title }) => title).join()),
    filter((found) => found === titles.join()),
  );
  await firstValueFrom(found$.pipe(timeout(15_000)));
  await realm.close();
  await client.close();
};

const files = new Map<string, string>();
let site: Site;
let openTab: () => Promise<Page>;
runWithLab(async (lab) => {
  const [program, ...others] = parseExamples('docs/offline.md', recipe);
  expect(others).toEqual([]);
  files.set('/', blockOf('html'));
  files.set('/sw.js', blockOf('js'));
  files.set('/app.js', (await createBundle(program!.text)).code);
  site = await createSite(files);
  const { opened } = await (await lab.browser()).page();
  openTab = async () => {
    const tab = await opened.context().newPage();
    await createPageControls(tab); // Keeps it visible behind other tabs, because a hidden page draws no frames.
    tab.setDefaultTimeout(15_000);
    await tab.goto(site.origin);
    return tab;
  };
});
afterAll(async () => {
  await site.close();
  await site.sync.close();
});

const has = (tab: Page, ...titles: readonly string[]): Promise<unknown> =>
  tab.waitForFunction(
    (expected) => [...document.querySelectorAll('li')].map(({ textContent }) => textContent).join() === expected,
    titles.join(),
  );

const waitForText = (tab: Page, text: RegExp): Promise<void> => tab.locator('#state', { hasText: text }).waitFor();
const online = (pending: number): RegExp => new RegExp(`^connected, ${pending} not on the server yet$`);
const offline = (pending: number): RegExp =>
  new RegExp(`^(disconnected|connecting), ${pending} not on the server yet$`);

const add = async (tab: Page, title: string): Promise<void> => {
  await tab.locator('#title').fill(title);
  await tab.locator('#add button').click();
};

describe('the recipe of docs/offline.md', () => {
  let tab: Page;

  it('field report F-7: a page that is reloaded without a network has the app and its data, writes, and syncs when it is online again', async () => {
    tab = await openTab();
    const errors: string[] = [];
    tab.on('pageerror', ({ message }) => errors.push(message));
    await waitForText(tab, online(0));
    await add(tab, 'bread');
    await has(tab, 'bread');
    await tab.getByText(/^(kept|may be deleted), \d+ of \d+ MB$/).waitFor();
    await receives(site, 'bread');
    await tab.evaluate('navigator.serviceWorker.ready.then(() => undefined)');

    await tab.context().setOffline(true);
    await site.close();
    await tab.reload();
    expect(await tab.evaluate(`fetch('/other').then(() => 'answered', () => 'no network')`)).toBe('no network');
    await has(tab, 'bread');
    await waitForText(tab, offline(0));
    await add(tab, 'milk');
    await waitForText(tab, offline(1));
    await tab.reload();
    await has(tab, 'bread', 'milk');
    await waitForText(tab, offline(1));

    await site.reopen();
    await tab.context().setOffline(false);
    await receives(site, 'bread', 'milk');
    await waitForText(tab, online(0));
    expect(errors).toEqual([]);
  }, 120_000);

  it('field report F-7: a new version of the app waits until the user asks for it, and takes over all tabs and the data', async () => {
    const second = await openTab();
    await waitForText(second, online(0));
    files.set('/', files.get('/')!.replace('<title>Tasks', '<title>New tasks'));
    files.set('/app.js', `document.body.className = 'new';${files.get('/app.js')!}`);
    files.set('/sw.js', files.get('/sw.js')!.replace('shell-1', 'shell-2'));
    await tab.reload();
    await tab.locator('#update').waitFor();
    expect(await tab.title()).toBe('Tasks');
    expect(await tab.evaluate('caches.keys()')).toEqual(['shell-1', 'shell-2']);

    await tab.locator('#update').click();
    for (const each of [tab, second]) {
      await each.waitForFunction(`document.title === 'New tasks'`);
      await each.locator('body.new').waitFor();
    }
    expect(await tab.evaluate('caches.keys()')).toEqual(['shell-2']);
    // Either tab may have the realm now: when that one is closed, the other one can open it.
    await second.close();
    await tab.reload();
    await has(tab, 'bread', 'milk');
    await tab.close();
  }, 120_000);
});
