import type { Locator, Page } from 'playwright-core';
import { createSyncClient, memoryStorage, openRealm, type Realm, type SyncClient } from 'tidemark';
import { schema } from '../../demo/web/src/app/schema.js';
import { msMax } from '../angular/run-command.js';
import { findAccessibilityFaults } from '../browser/axe.js';
import { openBrowser, type OwnBrowser } from '../browser/start-chromium.js';
import { type BoardDemo, breakMethod, startBoardDemo, startSecondDemo, watchPage } from './board-demo.js';
import { installFrameClock, measureChange, measureMainThread, quantile, type ShownChange } from './frame-clock.js';

/* The example app, started by its real command. The specs share one server, so each uses tasks of its own. */
const root = process.cwd();

let demo: BoardDemo;
let own: OwnBrowser | undefined;
let page: Page;
let laptop: Locator;
let phone: Locator;
let policy: string;
/** A third device. */
let client: SyncClient;
let other: Realm<typeof schema>;
/** Everything that the page or its policy complained about. */
const complaints: string[] = [];

const columnOf = (device: Locator, name: string): Locator => device.getByRole('group', { name });
const taskOf = (device: Locator, title: string): Locator => device.locator('board-task', { hasText: title });
const addTask = async (device: Locator, title: string): Promise<void> => {
  await device.getByPlaceholder('Add a task').fill(title);
  await device.getByPlaceholder('Add a task').press('Enter');
};
/** The columns with their tasks, votes and whether these are on the server. */
const contentsOf = (device: Locator): Promise<readonly string[]> => device.locator('board-column').allInnerTexts();
const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent.trim() ?? '');

const isEditing = (): boolean => document.activeElement?.matches('.editor') ?? false;

beforeAll(async () => {
  demo = await startBoardDemo(root);
  client = createSyncClient({ url: `${demo.url.replace('http', 'ws')}sync` });
  other = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'board' } });
  own = await openBrowser();
  page = await own.browser.contexts()[0]!.newPage();
  watchPage(page, complaints);
  page.on('request', (request) => {
    if (!request.url().startsWith(demo.url)) complaints.push(`The page requested ${request.url()}`);
  });
  await installFrameClock(page);
  await page.setViewportSize({ width: 1440, height: 1000 });
  const response = await page.goto(demo.url);
  policy = response?.headers()['content-security-policy'] ?? '';
  laptop = page.getByRole('region', { name: 'Laptop' });
  phone = page.getByRole('region', { name: 'Phone' });
  for (const device of [laptop, phone]) await taskOf(device, 'Book the garden').waitFor();
}, 2 * msMax);

afterAll(async () => {
  await own?.close();
  await client.close();
  demo.child.kill('SIGKILL');
});

describe('the task board', () => {
  it('is served with a policy that allows no inline script or style, no eval, and nothing of other sites', () => {
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).not.toContain('unsafe');
  });

  it('answers an address that is not one', async () => {
    expect((await fetch(`${demo.url}/`)).status).toBe(404); // The path is `//`.
    expect((await fetch(demo.url)).status).toBe(200);
  });

  it('shows a task of one device on the other, and that it is on the server', async () => {
    await addTask(laptop, 'Buy lemonade');
    await taskOf(phone, 'Buy lemonade').getByText('On the server').waitFor();
    await taskOf(laptop, 'Buy lemonade').getByText('On the server').waitFor();
    await phone.getByText('All changes are on the server.').waitFor();
  });

  it('rolls back a task that the server rejects, and shows the reason until it is discarded', async () => {
    const title = `Long ${'x'.repeat(100)}`;
    await addTask(phone, title);
    const alert = phone.getByRole('alert', { name: '' }).filter({ hasText: 'A title has at most 80 characters.' });
    await alert.getByText(title).waitFor();
    await taskOf(phone, title).waitFor({ state: 'detached' });
    await alert.getByRole('button', { name: 'Discard' }).click();
    await alert.waitFor({ state: 'detached' });
  });

  it('can be used by keyboard alone', async () => {
    await addTask(laptop, 'Tune the piano');
    await taskOf(laptop, 'Tune the piano').waitFor();
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Tune the piano');
    await page.keyboard.press('+');
    await taskOf(laptop, 'Tune the piano').getByRole('button', { name: '1 vote' }).waitFor();
    await page.keyboard.press('Shift+ArrowRight');
    await columnOf(phone, 'In progress').locator('board-task', { hasText: 'Tune the piano' }).waitFor();
    await page.waitForFunction(() =>
      document.activeElement?.closest('board-column')?.textContent.includes('In progress'),
    );
    expect(await focused()).toBe('Tune the piano');
    await page.keyboard.press('Enter');
    await page.waitForFunction(isEditing);
    await page.keyboard.type('Tune the harp');
    await page.keyboard.press('Enter');
    await taskOf(phone, 'Tune the harp').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    expect(await focused()).toBe('Tune the harp');
    await page.keyboard.press('Enter');
    await page.waitForFunction(isEditing);
    await page.keyboard.type('Nothing');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.activeElement?.textContent.trim() === 'Tune the harp');
    await page.keyboard.press('Delete');
    await taskOf(phone, 'Tune the harp').waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.matches('.title'));
  });

  it('goes offline by its own switch or that of the inspector, and merges what both devices did meanwhile', async () => {
    const network = phone.getByRole('switch', { name: 'Network' });
    const simulate = phone.getByRole('switch', { name: 'Simulate offline' });
    expect(await simulate.getAttribute('aria-checked')).toBe('false');
    await network.press('Space');
    await phone.getByText(/^next try in \d s$/).waitFor();
    await phone.getByText('Its network is switched off.').waitFor();
    expect(await simulate.getAttribute('aria-checked')).toBe('true');
    await laptop.getByText('Connected', { exact: true }).waitFor();

    await addTask(phone, 'Written offline');
    for (const device of [laptop, phone])
      await taskOf(device, 'Plan for rain').getByRole('button', { name: 'Vote' }).click();
    await taskOf(laptop, 'Find loudspeakers').hover();
    await taskOf(laptop, 'Find loudspeakers').getByRole('button', { name: 'to Done' }).click();
    await phone.getByText('2 changes are not on the server yet.').waitFor();
    await taskOf(phone, 'Written offline').getByText('Not on the server yet').waitFor();
    await columnOf(laptop, 'Done').getByText('Find loudspeakers').waitFor();
    expect(await contentsOf(laptop)).not.toEqual(await contentsOf(phone));

    await simulate.press('Enter');
    await phone.getByText('All changes are on the server.').waitFor();
    expect(await network.isChecked()).toBe(true);
    await columnOf(phone, 'Done').getByText('Find loudspeakers').waitFor();
    await taskOf(phone, 'Plan for rain').getByRole('button', { name: '2 votes' }).waitFor();
    await taskOf(laptop, 'Written offline').waitFor();
    expect(await contentsOf(laptop)).toEqual(await contentsOf(phone));
  });

  it.each(['light', 'dark'] as const)('has no serious finding of axe in the %s scheme', async (colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    expect(await findAccessibilityFaults(page)).toEqual([]);
  });
});

describe('the task board, while another device or the storage interferes', () => {
  const create = (id: string, column: string) =>
    other.write((tx) => tx.create('Task', { id, title: id, column, movedAt: Date.now() }));

  it('keeps a title that is being typed when another device renames the task, and says when it has deleted it', async () => {
    await create('Rent chairs', 'todo');
    await taskOf(phone, 'Rent chairs').locator('.title').click();
    await page.waitForFunction(isEditing);
    await page.keyboard.type('Rent tables');
    await other.write((tx) => tx.update('Task', 'Rent chairs', { title: 'Rent benches' }));
    await taskOf(laptop, 'Rent benches').waitFor();
    expect(await phone.locator('.editor').inputValue()).toBe('Rent tables');
    await other.write((tx) => tx.delete('Task', 'Rent chairs'));
    await phone.getByText('This task was deleted on another device.').waitFor();
    await addTask(phone, 'Ask for a tent');
    await phone.locator('.problem').waitFor({ state: 'detached' });
  });

  it('leaves the focus to the user when a task comes into an empty column, and keeps it when the last one goes', async () => {
    await other.write((tx) => {
      for (const { id } of tx.objects('Task', { where: { column: 'done' } })) tx.delete('Task', id);
    });
    const done = columnOf(laptop, 'Done');
    await done.getByText('No tasks').waitFor();
    await columnOf(laptop, 'In progress').locator('.title').first().focus();
    await page.keyboard.press('ArrowRight');
    const input = laptop.getByPlaceholder('Add a task');
    await input.click();
    await create('Hang up lights', 'done');
    await done.locator('.title').waitFor();
    await page.keyboard.type('Invite');
    expect(await input.inputValue()).toBe('Invite');
    await input.fill('');
    await done.locator('.title').focus();
    await page.keyboard.press('Delete');
    await done.getByText('No tasks').waitFor();
    await page.waitForFunction(() => document.activeElement?.matches('.task-list'));
  });

  it('keeps a title that cannot be stored, and says why', async () => {
    await page.evaluate(breakMethod('IDBObjectStore', 'put', 'no space is left'));
    await addTask(laptop, 'Bake a cake');
    await laptop.getByText('no space is left').waitFor();
    expect(await laptop.getByPlaceholder('Add a task').inputValue()).toBe('Bake a cake');
    await page.evaluate('restore()');
    await laptop.getByPlaceholder('Add a task').press('Enter');
    await taskOf(phone, 'Bake a cake').waitFor();
    await laptop.locator('.problem').waitFor({ state: 'detached' });
  });

  it('says that a storage cannot be opened, and opens it again', async () => {
    const second = await page.context().newPage();
    watchPage(second, complaints);
    // Without Web Locks no other tab shares its realm.
    await second.addInitScript(`
      Object.defineProperty(navigator, 'locks', { value: undefined });
      ${breakMethod('IDBFactory', 'open', 'access is denied')}
    `);
    await second.goto(demo.url);
    const device = second.getByRole('region', { name: 'Laptop' });
    await device.getByText('Not open', { exact: true }).waitFor();
    await device.getByText('The tasks of this device cannot be shown.').waitFor();
    expect(await device.getByRole('button', { name: 'Delete all' }).isDisabled()).toBe(true);
    await addTask(device, 'Write a speech');
    await second.waitForFunction(() => document.querySelector<HTMLInputElement>('.add input')?.value !== '');
    expect(await device.getByRole('alert').count()).toBe(1);
    expect(await findAccessibilityFaults(second)).toEqual([]);
    await second.evaluate('restore()');
    await device.getByRole('button', { name: 'Try again' }).click();
    await taskOf(device, 'Bake a cake').waitFor();
    await second.close();
  });
});

describe('with ten thousand tasks in a column', () => {
  const changes = 30;
  /** At 60 frames in a second. */
  const frameMs = 1_000 / 60;

  beforeAll(async () => {
    await phone.getByRole('button', { name: 'Add 10 000 tasks' }).click();
    const hasAll = (): boolean =>
      [...document.querySelectorAll('board-column:first-child .count')].every(
        ({ textContent }) => Number(textContent.replace(/\s/g, '')) >= 10_000,
      );
    await page.waitForFunction(hasAll, null, { timeout: 60_000 });
    await laptop.getByText('All changes are on the server.').waitFor({ timeout: 60_000 });
    await phone.getByText('All changes are on the server.').waitFor({ timeout: 60_000 });
  }, 150_000);

  const measure = async (round: number): Promise<readonly ShownChange[]> => {
    const shown: ShownChange[] = [];
    for (let index = 0; index < changes; index++) {
      const id = `round ${round} change ${index}`;
      const write = () =>
        other.write((tx) => tx.create('Task', { id, title: id, column: 'todo', movedAt: Date.now() }));
      shown.push(...(await measureChange(page, id, 2, write)));
    }
    return shown;
  };

  it('shows a change of another device within two frames after it arrived', async () => {
    // Other specs may use the processors. A board that is too slow is too slow in every round.
    for (let round = 1; ; round++) {
      const endMeasure = await measureMainThread(page);
      const shown = await measure(round);
      const busyMs = (await endMeasure()) / changes;
      const [frames, ms] = [shown.map((each) => each.frames), shown.map((each) => each.ms)];
      const [median, p95] = [quantile(frames, 0.5), quantile(frames, 0.95)];
      const painted = `${quantile(ms, 0.5).toFixed(1)} ms, ${quantile(ms, 0.95).toFixed(1)} ms`;
      const figures = `frames ${median}, ${p95}; painted after ${painted}; busy for ${busyMs.toFixed(1)} ms`;
      process.stdout.write(`A change with ten thousand tasks (median, p95): ${figures}\n`);
      if (p95 > 2 && round < 5) continue;
      expect(shown).toHaveLength(2 * changes);
      expect(median).toBeLessThanOrEqual(2);
      expect(p95).toBeLessThanOrEqual(2);
      // For both devices. Otherwise frames would be few because the page itself delays them.
      expect(busyMs).toBeLessThanOrEqual(2 * frameMs);
      return;
    }
  }, 120_000);

  it('has few tasks in the page, wherever the list is scrolled', async () => {
    const list = columnOf(laptop, 'To do').locator('.task-list');
    await list.evaluate((element) => (element.scrollTop = element.scrollHeight));
    await taskOf(laptop, 'Task 10000').waitFor();
    expect(await columnOf(laptop, 'To do').locator('board-task').count()).toBeLessThan(25);
  });
});

describe('the command of the task board', () => {
  it('says which port is in use', async () => {
    const [code, output] = await startSecondDemo(root, demo.url);
    expect(code).toBe(1);
    expect(output).toMatch(/Port \d+ is in use\. Choose another one: npm run demo -- --web --port \d+/);
  }, 60_000);

  it('leaves no complaint of the page', () => {
    expect(complaints).toEqual([]);
  });

  it('ends at Ctrl+C with the exit code 0, also while the page is open', async () => {
    expect(await demo.end()).toBe(0);
  });
});
