import { storageTests } from '../../lib/testing/storage.js';
import { lab, type Lab, type Page } from './browser.js';

let home: Lab;
let page: Page;
beforeAll(async () => {
  home = await lab();
  page = await (await home.browser()).page();
}, 60_000);
afterAll(() => home.end());

describe('IndexedDB storage in Chromium', () => {
  it.each(Object.keys(storageTests))('%s', async (title) => {
    await page.call('try', title);
    expect(page.errors).toEqual([]);
  });
});
