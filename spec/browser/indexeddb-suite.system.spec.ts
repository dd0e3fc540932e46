import { storageTests } from '../../lib/testing/storage-suite.js';
import { type Page, runWithLab } from './chromium-lab.js';

let page: Page;
runWithLab(async (lab) => {
  page = await (await lab.browser()).page();
});

describe('IndexedDB storage in Chromium', () => {
  it.each(Object.keys(storageTests))('%s', async (title) => {
    await page.call('try', title);
    expect(page.errors).toEqual([]);
  });

  it('reaches a minimum of durable writes and reads a second', async () => {
    expect(await page.call('openStorage', 'speed')).toBe('done');
    const speed = await page.call('bench');
    process.stdout.write(`IndexedDB, per second: ${JSON.stringify(speed)}\n`);
    // The bars are an eighth of the speed of an idle machine: below them is a fault, not a busy neighbour.
    expect(speed.single).toBeGreaterThan(30);
    expect(speed.lanes).toBeGreaterThan(300);
    expect(speed.batches).toBeGreaterThan(1_000);
    expect(speed.read).toBeGreaterThan(5_000);
    await page.call('closeStorage');
  }, 60_000);
});
