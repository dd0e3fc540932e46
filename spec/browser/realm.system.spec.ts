import { type Browser, type Page, runWithLab } from './chromium-lab.js';
import { storageErrorWith } from './storage-error.js';

let browser: Browser;
let page: Page;
runWithLab(async (opened) => {
  browser = await opened.browser();
  page = await browser.page();
});

describe('a realm in Chromium', () => {
  it('is stored in IndexedDB under the name of its storage', async () => {
    expect(await page.call('open', 'plain')).toBe('done');
    expect(await page.call('write', 'milk')).toBe('done');
    expect(await page.call('close')).toBe('done');
    expect(await page.call('contents', 'plain')).toMatchObject({ version: 1, stores: ['tidemark'] });
    expect(await page.call('open', 'plain')).toBe('done');
    expect(await page.call('ids')).toEqual(['milk']);
    await page.call('close');
  });

  it('that is exclusive cannot be opened by a second tab or page while it is open, and can be as soon as it is closed', async () => {
    const inUse = storageErrorWith(
      'The IndexedDB database "one" is in use by another tab or worker, or by another realm of this',
    );
    expect(await page.call('open', 'one')).toBe('done');
    const other = await browser.page();
    expect(await other.call('open', 'one')).toEqual(inUse);
    expect(await page.call('write', 'still mine')).toBe('done');
    expect(await page.call('close')).toBe('done');
    expect(await other.call('open', 'one')).toBe('done');
    expect(await other.call('ids')).toEqual(['still mine']);
    expect(await page.call('open', 'one')).toEqual(inUse);
    await other.opened.close();
    expect(await page.call('open', 'one')).toBe('done');
    await page.call('close');
  });

  it('opens again after each of ten reloads of its page', async () => {
    const again = await browser.page();
    for (let time = 0; time < 10; time += 1) {
      expect(await again.call('open', 'reloaded')).toBe('done');
      expect(await again.call('write', `time ${time}`)).toBe('done');
      await again.opened.reload();
      await again.opened.waitForFunction('globalThis.calls');
    }
    expect(await again.call('open', 'reloaded')).toBe('done');
    expect(await again.call('ids')).toHaveLength(10);
    await again.opened.close();
  });

  it('field report B-5: continues with its data intact when the browser closes its connection', async () => {
    const own = await browser.page();
    await own.opened.evaluate(`(() => {
      const open = IDBFactory.prototype.open;
      globalThis.databases = [];
      IDBFactory.prototype.open = function (...given) {
        const request = open.apply(this, given);
        request.addEventListener('success', () => databases.push(request.result));
        return request;
      };
    })()`);
    expect(await own.call('open', 'closed')).toBe('done');
    expect(await own.call('write', 'a')).toBe('done');
    const under = own.call('write', 'b');
    await own.opened.evaluate('databases.at(-1).close()');
    expect(await under).toBe('done');
    expect(await own.call('write', 'c')).toBe('done');
    await own.opened.evaluate('databases.at(-1).close()');
    expect(await own.call('write', 'd')).toBe('done');
    expect(await own.opened.evaluate('databases.length')).toBe(3);
    expect(await own.call('close')).toBe('done');
    expect(await page.call('open', 'closed')).toBe('done');
    expect(await page.call('ids')).toEqual(['a', 'b', 'c', 'd']);
    await page.call('close');
    await own.opened.close();
  });

  it('is written again after its database was deleted elsewhere, and rejects writes until then', async () => {
    expect(await page.call('open', 'deleted')).toBe('done');
    expect(await page.call('write', 'before')).toBe('done');
    const other = await browser.page();
    await other.call('remove', 'deleted');
    const outcomes: unknown[] = [];
    for (const last = Date.now() + 15_000; Date.now() < last && !outcomes.includes('done');) {
      outcomes.push(await page.call('write', 'after'));
    }
    expect(outcomes.at(-1)).toBe('done');
    for (const failed of outcomes.slice(0, -1)) expect(failed).toEqual(storageErrorWith('was lost'));
    expect(await page.call('close')).toBe('done');
    expect(await other.call('open', 'deleted')).toBe('done');
    expect(await other.call('ids')).toEqual(['after', 'before']);
    await other.opened.close();
  });

  it('does not open the database of another app, and does not change it', async () => {
    for (const [name, version, stores] of [
      ['theirs', 1, ['notes', 'tags']],
      ['theirs, with one store', 1, ['notes']],
      ['theirs, with a store of our name', 1, ['notes', 'tidemark']],
      ['theirs, empty', 1, []],
      ['theirs, later', 7, ['notes']],
      ['ours, later', 2, ['tidemark']],
    ] as const) {
      await page.call('foreign', name, version, stores);
      const before = await page.call('contents', name);
      expect(await page.call('open', name)).toEqual(storageErrorWith('left as it is'));
      expect(await page.call('contents', name)).toEqual(before);
    }
  });

  it('does not open the database of another app that numbers the entries of a store of our name', async () => {
    await page.call('foreign', 'numbered', 1, ['tidemark'], { autoIncrement: true });
    const before = await page.call('contents', 'numbered');
    expect(await page.call('open', 'numbered')).toEqual(storageErrorWith('belongs to another app'));
    expect(await page.call('contents', 'numbered')).toEqual(before);
  });

  it('does not open a database of our layout that is not a realm, and does not change it', async () => {
    await page.call('openStorage', 'no realm');
    await page.call('put', 1, 1);
    await page.call('closeStorage');
    const before = await page.call('contents', 'no realm');
    expect(await page.call('open', 'no realm')).toEqual(storageErrorWith('does not hold a Tidemark realm'));
    expect(await page.call('contents', 'no realm')).toEqual(before);
  });

  it('leaves no error unhandled', () => expect(page.errors).toEqual([]));
});
