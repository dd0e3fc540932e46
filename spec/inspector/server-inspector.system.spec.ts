import type { Locator, Page } from 'playwright-core';
import { of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import { createSyncServer, type SyncServer, TokenRejectedError } from '../../lib/server/index.js';
import { findAccessibilityFaults } from '../browser/axe.js';
import { openBrowser, type OwnBrowser } from '../browser/start-chromium.js';
import { openBusyServer } from './busy-server.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

let own: OwnBrowser | undefined;

beforeAll(async () => {
  own = await openBrowser();
}, 60_000);
afterAll(() => own?.close());

const openPage = async (port: number): Promise<{ readonly page: Page; readonly errors: readonly string[] }> => {
  const page = await own!.browser.contexts()[0]!.newPage();
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => {
    // A browser reports each answer with an error status, such as that to a token that is not valid.
    if (message.type() === 'error' && !message.text().includes('status of 401')) errors.push(message.text());
  });
  await page.goto(`http://localhost:${port}/inspector`);
  return { page, errors };
};

/** Expects no serious finding of axe in light and in dark. */
const expectAccessible = async (page: Page): Promise<void> => {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await findAccessibilityFaults(page)).toEqual([]);
  }
};

/** Waits until a table has a number of rows. */
const expectRows = async (rows: Locator, count: number): Promise<void> => {
  if (count > 0) await rows.nth(count - 1).waitFor();
  await rows.nth(count).waitFor({ state: 'detached' });
};

describe("the server's inspector in Chromium", () => {
  let server: SyncServer;
  let port: number;
  const clients: ReturnType<typeof createSyncClient>[] = [];

  beforeAll(async () => {
    server = createSyncServer({
      storage: memoryStorage(),
      authenticate: (token) => {
        const [, id] = /^token-(\w+)$/.exec(token) ?? [];
        if (id === undefined) throw new TokenRejectedError('token-refused', 'The token is not known.');
        return { id };
      },
      authorize: ({ id }, realm) => (realm === 'team' || realm === `private-${id}` ? 'write' : 'none'),
    });
    ({ port } = await server.listen({ port: 0, host: 'localhost', inspector: true }));
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  });

  const openDevice = async (user: string, realm: string) => {
    const client = createSyncClient({ url: `ws://localhost:${port}`, accessToken: () => `token-${user}` });
    clients.push(client);
    return { client, realm: await openRealm({ schema, storage: memoryStorage(), sync: { client, realm } }) };
  };

  it('asks for a token, and shows realms, connections and sessions as they come, change and go', async () => {
    const { page, errors } = await openPage(port);
    const field = page.getByLabel('Access token');
    await field.waitFor();
    expect(await field.evaluate((input) => input === document.activeElement)).toBe(true);
    await expectAccessible(page);
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'The token is not known. Enter another access token.' }).waitFor();
    await page.keyboard.type('token-an…');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'signs of ASCII' }).waitFor();
    await page.keyboard.type('token-ann');
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    await page.getByText('No realms.').waitFor();

    const own = await openDevice('ann', 'team');
    const other = await openDevice('bob', 'team');
    await openDevice('bob', 'private-bob');
    await own.realm.write((tx) => tx.create('Task', { id: 'milk' }));
    const realms = page.getByRole('table', { name: 'Realms' }).locator('tbody tr');
    await realms.filter({ hasText: /^team21/ }).waitFor();
    expect(await realms.count()).toBe(1);
    const connections = page.getByRole('table', { name: 'Connections' }).locator('tbody tr');
    await connections.filter({ hasText: /ann \(you\)(127|::1)/ }).waitFor();
    await connections.filter({ hasText: /user [0-9a-f]{12}–/ }).waitFor();
    const sessions = page.getByRole('table', { name: 'Sessions' }).locator('tbody tr');
    await sessions.filter({ hasText: /teamann.*write.*1up to date$/ }).waitFor();
    const text = await page.locator('body').innerText();
    expect(text).not.toMatch(/bob|private|milk/);
    await expectAccessible(page);

    await page.getByLabel('Filter').fill('nothing has this text');
    await expectRows(connections, 0);
    await page.getByLabel('Filter').fill('');
    await page.getByRole('button', { name: 'Stop updates' }).click();
    await other.client.close();
    await page.getByRole('status').filter({ hasText: 'Stopped' }).waitFor();
    expect(await connections.count()).toBe(2);
    await page.getByRole('button', { name: 'Stop updates' }).click();
    await expectRows(connections, 1);

    await page.reload();
    await connections.filter({ hasText: 'ann (you)' }).waitFor();
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await field.waitFor();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    expect(await connections.count()).toBe(0);
    expect(errors).toEqual([]);
    await page.close();
  }, 60_000);

  it('shows clients in the process of the server, which have no number', async () => {
    const { page, errors } = await openPage(port);
    for (const user of ['ann', 'bob']) {
      const client = createSyncClient({ dial: of(server.wire), accessToken: () => `token-${user}` });
      clients.push(client);
      await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    }
    await page.getByLabel('Access token').fill('token-ann');
    await page.keyboard.press('Enter');
    const rows = page.getByRole('table', { name: 'Connections' }).locator('tbody tr').filter({ hasText: /^–/ });
    await rows.nth(1).waitFor();
    // The next drawing changes the charts, and adds no row.
    const added = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let rowsAdded = 0;
          new MutationObserver((records) => {
            for (const { target, addedNodes } of records)
              if (target.nodeName === 'TBODY') rowsAdded += addedNodes.length;
          }).observe(document.body, { childList: true, subtree: true });
          const charts = new MutationObserver(() => resolve(rowsAdded));
          charts.observe(document.body, { attributes: true, attributeFilter: ['d'], subtree: true });
        }),
    );
    expect([added, await rows.count(), errors]).toEqual([0, 2, []]);
    await page.close();
  }, 60_000);

  it('says when the server does not answer, and goes on when it is back', async () => {
    const { page } = await openPage(port);
    await page.getByLabel('Access token').fill('token-ann');
    await page.getByRole('button', { name: 'Show the server' }).click();
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    await page.route('**/state', (route) => route.abort());
    await page.getByRole('status').filter({ hasText: 'The server does not answer' }).waitFor();
    await page.unroute('**/state');
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    await page.close();
  }, 60_000);
});

// Takes the picture of docs/hosting.md: SCREENSHOTS=1 npm run test:system -- spec/inspector/server-inspector
if (process.env['SCREENSHOTS'] !== undefined) {
  it('has its picture taken', async () => {
    const busy = await openBusyServer();
    const { page } = await openPage(busy.port);
    await page.setViewportSize({ width: 1280, height: 1080 });
    await page.getByLabel('Access token').fill('token-ops');
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    await page.waitForFunction(
      () => (document.querySelector('#totals path')?.getAttribute('d') ?? '').split('L').length > 57,
      null,
      {
        timeout: 90_000,
      },
    );
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      const name = colorScheme === 'light' ? 'server-inspector' : 'server-inspector-dark';
      await page.screenshot({ path: `docs/images/${name}.png` });
    }
    await page.close();
    await busy.close();
  }, 120_000);
}
