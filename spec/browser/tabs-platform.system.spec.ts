import { type Browser, type Lab, type Page, runWithLab } from './chromium-lab.js';
import { waitInPage } from './page-controls.js';
import { storageErrorWith } from './storage-error.js';

let lab: Lab;
let browser: Browser;
runWithLab(async (opened) => {
  lab = opened;
  browser = await opened.browser();
});

const pages: Page[] = [];
/** Opens tabs on one name, all of them visible. */
const openTabs = async (name: string, count: number): Promise<Page[]> => {
  const opened: Page[] = [];
  for (let left = count; left > 0; left -= 1) {
    const page = await browser.page();
    opened.push(page);
    expect(await page.call('start', name)).toBe(true);
  }
  pages.push(...opened);
  return opened;
};
afterEach(async () => {
  for (const page of pages.splice(0)) {
    expect(page.errors).toEqual([]);
    await page.close();
  }
});

const waitForLock = (page: Page, event: string) =>
  waitInPage(page.opened, `calls.lockEvents().at(-1) === 'lead ${event}'`);
const waitForQueue = (page: Page, length: number) =>
  waitInPage(page.opened, `navigator.locks.query().then(({ pending }) => pending.length === ${length})`);

describe('a lock of tabs', () => {
  it.each<[string, (page: Page) => Promise<unknown>]>([
    ['is unsubscribed', (page) => page.call('unlock', 'lead')],
    ['closes', (page) => page.close()],
    ['reloads', (page) => page.opened.reload()],
    ['crashes', (page) => page.crash()],
  ])('passes to the tab that waits longest when its holder %s', async (_, end) => {
    const [holder, next, last] = await openTabs('passed', 3);
    await holder!.call('lock', 'lead', 'wait');
    await waitForLock(holder!, 'held');
    await next!.call('lock', 'lead', 'wait');
    await waitForQueue(next!, 1);
    await last!.call('lock', 'lead', 'wait');
    await waitForQueue(last!, 2);
    const ended = end(holder!);
    await waitForLock(next!, 'held');
    await ended;
    expect(await last!.call('lockEvents')).toEqual([]);
    await next!.call('unlock', 'lead');
    await waitForLock(last!, 'held');
    expect(await next!.call('lockEvents')).toEqual(['lead held']);
  });

  it('passes on when its holder unsubscribes because the page is left, and is kept by a page in the cache otherwise', async () => {
    const [holder, waiting] = await openTabs('left', 2);
    await holder!.call('lock', 'lead', 'wait');
    await waitForLock(holder!, 'held');
    await waiting!.call('lock', 'lead', 'wait');
    await waitForQueue(waiting!, 1);
    await holder!.leave();
    expect(await holder!.back()).toBe(true); // It was cached, as leaving is reported for.
    await waitForQueue(waiting!, 1);
    expect(await waiting!.call('lockEvents')).toEqual([]);

    await holder!.call('unlockWhenLeft', 'lead');
    await holder!.leave();
    await waitForLock(waiting!, 'held');
  });

  it('stays with a holder that is hidden or frozen, until it is stolen; then the holder gets an error when it continues', async () => {
    const [holder, waiting, thief] = await openTabs('stolen', 3);
    await holder!.call('lock', 'lead', 'wait');
    await waitForLock(holder!, 'held');
    await waiting!.call('lock', 'lead', 'wait');
    await holder!.freeze();
    await waitForQueue(thief!, 1);
    await thief!.call('lock', 'lead', 'steal');
    await waitForLock(thief!, 'held');
    expect(await holder!.call('lockEvents')).toEqual(['lead held']);
    await holder!.resume();
    await waitForLock(holder!, 'taken over');
    await thief!.call('unlock', 'lead');
    await waitForLock(waiting!, 'held');
  });

  it('is not given to a tab that has withdrawn its request', async () => {
    const [holder, waiting] = await openTabs('withdrawn', 2);
    await holder!.call('lock', 'lead', 'wait');
    await waitForLock(holder!, 'held');
    await waiting!.call('lock', 'lead', 'wait');
    await waitForQueue(holder!, 1);
    await waiting!.call('unlock', 'lead');
    await waitForQueue(holder!, 0);
    await holder!.call('unlock', 'lead');
    await waitInPage(holder!.opened, 'navigator.locks.query().then(({ held }) => held.length === 0)');
    expect(await waiting!.call('lockEvents')).toEqual([]);
  });

  it('is another one for another storage, and for another purpose', async () => {
    const [one, two] = [...(await openTabs('one', 1)), ...(await openTabs('two', 1))];
    await one!.call('lock', 'lead', 'wait');
    await waitForLock(one!, 'held');
    await two!.call('lock', 'lead', 'wait');
    await waitForLock(two!, 'held');
    await two!.call('start', 'one');
    await two!.call('lock', 'other', 'wait');
    await waitInPage(two!.opened, `calls.lockEvents().at(-1) === 'other held'`);
  });
});

describe('a channel of tabs', () => {
  it('delivers clones in order to all other ends of its name and storage', async () => {
    const [a, b, c] = await openTabs('talk', 3);
    const [stranger] = await openTabs('else', 1);
    for (const page of [a!, b!, c!, stranger!]) await page.call('openChannel', 'news');
    await c!.call('openChannel', 'other');
    const sent = Array.from({ length: 500 }, (_, at) => ({ at, of: 'a' }));
    await a!.call('post', 'news', ...sent);
    await b!.call('post', 'news', 'from b');
    await waitInPage(c!.opened, 'calls.messages().length === 501');
    const received = (await c!.call('messages')) as unknown[];
    expect(received.filter((message) => message !== 'from b')).toEqual(sent);
    await waitInPage(b!.opened, 'calls.messages().length === 500');
    await waitInPage(a!.opened, 'calls.messages().length === 1');
    expect(await a!.call('messages')).toEqual(['from b']);
    expect(await stranger!.call('messages')).toEqual([]);
  });

  it('neither sends nor receives after it was closed, and throws for a message that cannot be cloned', async () => {
    const [a, b] = await openTabs('closed', 2);
    for (const page of [a!, b!]) await page.call('openChannel', 'news');
    expect(await a!.call('postFunction', 'news')).toBe('DataCloneError');
    await a!.call('post', 'news', 1);
    await a!.call('closeChannel', 'news');
    await a!.call('post', 'news', 2);
    expect(await a!.call('postFunction', 'news')).toBeUndefined();
    await b!.call('post', 'news', 3);
    await a!.call('openChannel', 'news');
    await a!.call('post', 'news', 4);
    await waitInPage(b!.opened, 'calls.messages().at(-1) === 4');
    expect(await b!.call('messages')).toEqual([1, 4]);
    await b!.call('post', 'news', 5);
    await waitInPage(a!.opened, 'calls.messages().length > 0');
    expect(await a!.call('messages')).toEqual([5]);
  });
});

describe('the state of a page', () => {
  it('follows its visibility', async () => {
    const [page, other] = await openTabs('seen', 2);
    await page!.hide();
    await page!.show();
    expect(await page!.call('states')).toEqual(['visible', 'hidden', 'visible']);
    expect(await other!.call('states')).toEqual(['visible']);
  });

  it('is `leaving` while the page is frozen', async () => {
    const [page] = await openTabs('frozen', 1);
    await page!.freeze();
    expect(await page!.call('states')).toEqual(['visible', 'hidden', 'leaving']);
    await page!.resume();
    await page!.show();
    expect(await page!.call('states')).toEqual(['visible', 'hidden', 'leaving', 'hidden', 'visible']);
  });

  it('is `leaving` while the page is in the cache of the back button', async () => {
    const [page] = await openTabs('cached', 1);
    await page!.leave();
    expect(await page!.back()).toBe(true);
    await waitInPage(page!.opened, `calls.states().at(-1) === 'visible'`);
    expect(await page!.call('states')).toEqual(['visible', 'leaving', 'hidden', 'visible']);
  });
});

const takenOver = (name: string) => `The IndexedDB database "${name}" was lost: another tab has taken it over.`;
const openAndPut = async (page: Page, at: number): Promise<void> => {
  expect(await page.call('openShared')).toBe('done');
  expect(await page.call('put', at, 10)).toBe('done');
};

describe('the storage of the tab that leads', () => {
  it.each<[string, (page: Page) => Promise<unknown>, (page: Page) => Promise<unknown>]>([
    ['frozen', (page) => page.freeze(), (page) => page.resume()],
    ['in the cache of the back button', (page) => page.leave(), (page) => page.back()],
    ['unaware', () => Promise.resolve(), () => Promise.resolve()],
  ])('stores no batch of an earlier leader that was %s, and stays lost there', async (name, pause, resume) => {
    const [before, next] = await openTabs(name, 2);
    await openAndPut(before!, 1);
    await pause(before!);
    const took = await next!.call('takeOver', 2);
    expect(took).toBeLessThan(300);
    await resume(before!);
    const lostError = storageErrorWith(takenOver(name));
    expect(await before!.call('put', 3, 10)).toEqual(lostError);
    expect(await before!.call('put', 4, 10)).toEqual(lostError);
    expect(await before!.call('losses')).toEqual([`taken over: ${takenOver(name)}`, `later: ${takenOver(name)}`]);
    expect(await next!.call('put', 5, 10)).toBe('done');
    expect(await next!.call('keys')).toEqual(['k00000001', 'k00000002', 'k00000005']);
    expect(await next!.call('losses')).toEqual([]);
  });

  it('stores the batches that an earlier leader had begun as a whole or not at all', async () => {
    const [before, next] = await openTabs('begun', 2);
    await openAndPut(before!, 1);
    await before!.call('beginBatches', 30, 300);
    await before!.freeze();
    expect(await next!.call('takeOver', 2)).toBeLessThan(2_000);
    const stored = await next!.call('keys');
    expect(stored.filter((key) => key > 'k00000002').length % 300).toBe(0);
    await before!.resume();
    await waitInPage(before!.opened, 'calls.begun().length === 30');
    expect((await before!.call('begun')).at(-1)).toEqual(storageErrorWith(takenOver('begun')));
    expect(await next!.call('keys')).toEqual(stored);
  });

  it('excludes each of many earlier leaders, however many batches each of them has stored', async () => {
    const leaders = await openTabs('many', 5);
    for (const [at, leader] of leaders.entries()) {
      expect(await leader.call('openShared')).toBe('done');
      for (let count = 0; count < at * 40; count += 1) expect(await leader.call('put', count, 1)).toBe('done');
    }
    const last = leaders.pop()!;
    for (let count = 0; count < 200; count += 1) expect(await last.call('put', 900, 1)).toBe('done');
    for (const leader of leaders) expect(await leader.call('put', 999, 1)).toEqual(storageErrorWith(takenOver('many')));
    expect(await last.call('keys')).not.toContain('k00000999');
    expect((await last.call('numbers')).length).toBeLessThan(80);
  });

  it('is not blocked by an earlier leader that was frozen while it read', async () => {
    const [before, next] = await openTabs('reading', 2);
    await openAndPut(before!, 1);
    await before!.call('beginBatches', 5, 1_000);
    await waitInPage(before!.opened, 'calls.begun().length === 5');
    for (const isReverse of [false, true]) {
      await before!.call('readForEver', isReverse);
      await before!.freeze();
      expect(await next!.call('takeOver', 2)).toBeLessThan(300);
      await next!.call('closeStorage');
      await before!.resume();
      await before!.call('closeStorage');
      expect(await before!.call('openShared')).toBe('done');
    }
  });

  it('is not blocked by a tab that was frozen while it opened the storage', async () => {
    const [before, next] = await openTabs('opening', 2);
    const frozen = await before!.call('openFrozen');
    expect(frozen).toEqual(storageErrorWith('"opening" cannot be opened: '));
    expect(await next!.call('takeOver', 2)).toBeLessThan(300);
    expect(await before!.call('openShared')).toBe('done');
  });

  it('is reopened by the same leader, but not by a leader that another tab has replaced', async () => {
    const [before, next] = await openTabs('reopened', 2);
    await openAndPut(before!, 1);
    await before!.call('closeStorage');
    expect(await before!.call('reopen')).toBe('done');
    expect(await before!.call('put', 2, 10)).toBe('done');
    await before!.call('closeStorage');
    expect(await next!.call('takeOver', 3)).toBeLessThan(300);
    expect(await before!.call('reopen')).toEqual(
      storageErrorWith('"reopened" cannot be opened again: another tab has taken it over'),
    );
    expect(await next!.call('put', 4, 10)).toBe('done');
    expect(await next!.call('keys')).toEqual(['k00000001', 'k00000002', 'k00000003', 'k00000004']);
  });

  it('is reopened by the same leader after the browser has deleted it', async () => {
    const [page] = await openTabs('evicted', 1);
    await openAndPut(page!, 1);
    const devtools = await page!.opened.context().newCDPSession(page!.opened);
    await devtools.send('Storage.clearDataForOrigin', { origin: lab.origin, storageTypes: 'indexeddb' });
    await waitInPage(page!.opened, 'calls.losses().then(({ length }) => length > 0)');
    expect((await page!.call('losses'))[0]).toMatch(/^The IndexedDB database "evicted" was lost: the browser/);
    await page!.call('closeStorage');
    expect(await page!.call('reopen')).toBe('done');
    expect(await page!.call('put', 2, 10)).toBe('done');
    expect(await page!.call('keys')).toEqual(['k00000002']);
  });

  it('excludes a tab that does not share it, and waits half a second for such a tab', async () => {
    const [sharing, exclusive] = await openTabs('mixed', 2);
    await openAndPut(sharing!, 1);
    expect(await exclusive!.call('openStorage', 'mixed')).toEqual(storageErrorWith('"mixed" is in use by another tab'));
    await sharing!.call('closeStorage');
    expect(await exclusive!.call('openStorage', 'mixed')).toBe('done');
    expect(await exclusive!.call('keys')).toEqual(['k00000001']);
    expect(await sharing!.call('openShared')).toEqual(storageErrorWith('"mixed" is in use by another tab'));
    expect(await exclusive!.call('put', 2, 10)).toBe('done');
    const waiting = sharing!.call('openShared');
    await exclusive!.call('closeStorage');
    expect(await waiting).toBe('done');
    expect(await sharing!.call('keys')).toEqual(['k00000001', 'k00000002']);
  });
});
