/*
 * npm run board-images: takes the pictures of the task board in docs/images/, light and dark. The phone has been offline
 * for a while, both devices have changes, and the inspectors show it.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'docs', 'images');
const executablePath =
  process.env.CHROMIUM ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

const addTask = async (device, title) => {
  await device.getByPlaceholder('Add a task').fill(title);
  await device.getByPlaceholder('Add a task').press('Enter');
};
const pressButton = (device, task, name) =>
  device.locator('board-task', { hasText: task }).locator(`button[aria-label*="${name}"]`).dispatchEvent('click');

const takePicture = async (browser, url, colorScheme) => {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(url);
  const laptop = page.getByRole('region', { name: 'Laptop' });
  const phone = page.getByRole('region', { name: 'Phone' });
  for (const device of [laptop, phone]) await device.getByText('Plan for rain').waitFor();
  await sleep(3_000);
  await pressButton(laptop, 'Book the garden', 'Vote');
  await sleep(2_000);
  await pressButton(phone, 'Plan for rain', 'to In progress');
  await sleep(1_500);
  await phone.getByRole('switch', { name: 'Network' }).click();
  await sleep(2_500);
  await addTask(laptop, 'Buy lemonade');
  await sleep(2_000);
  await addTask(phone, 'Tune the piano');
  await sleep(1_500);
  await pressButton(phone, 'Book the garden', 'Vote');
  await pressButton(phone, 'Find loudspeakers', 'to Done');
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement?.blur());
  // The highlights of new tasks end, and the next attempt is in a few seconds.
  await sleep(1_800);
  await phone.getByText(/next try in [3-6] s/).waitFor();
  await page.screenshot({ path: join(folder, `board-${colorScheme}.png`), fullPage: true });
  await context.close();
};

const startDemo = async () => {
  const args = [join(root, '.tools', 'demo', 'main.js'), '--web', '--no-open', '--port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    output += text;
    const [, url] = /board is at (\S+)/.exec(output) ?? [];
    if (url) return { url, child };
  }
  throw new Error(`The demo has ended:\n${output}`);
};

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
for (const colorScheme of ['light', 'dark']) {
  // Each picture begins with the same tasks.
  const { url, child } = await startDemo();
  await takePicture(browser, url, colorScheme);
  child.kill('SIGINT');
}
await browser.close();
