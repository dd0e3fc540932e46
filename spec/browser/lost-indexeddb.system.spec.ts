import { type Browser, type Lab, type Page, runWithLab } from './chromium-lab.js';
import { storageErrorWith } from './storage-error.js';

let lab: Lab;
let browser: Browser;
let page: Page;
runWithLab(async (opened) => {
  lab = opened;
  browser = await opened.browser();
  page = await browser.page();
});

/** Opens a storage, makes its database disappear and checks the reported loss. */
const lost = async (name: string, disappear: () => Promise<unknown>, why: string): Promise<void> => {
  expect(await page.call('openStorage', name)).toBe('done');
  expect(await page.call('put', 1, 10)).toBe('done');
  expect(await page.call('losses')).toEqual([]);
  await disappear();
  await page.opened.waitForFunction('calls.losses().then(({ length }) => length > 0)');
  const message = `The IndexedDB database "${name}" was lost: ${why}.`;
  expect(await page.call('losses')).toEqual([message, `later: ${message}`]);
  expect(await page.call('put', 2, 10)).toEqual(storageErrorWith(message));
  expect(await page.call('range')).toEqual(storageErrorWith(message));
  expect(await page.call('closeStorage')).toBe('done');
  expect(await page.call('losses')).toEqual([message, 'closed', `later: ${message}`]);
};

/**
 * The next transaction of a page never ends, and then the connection is closed. Chromium does so to a transaction that
 * begins when it closes the connection.
 */
const endNoTransaction = `{
  const original = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (...args) {
    const transaction = original.apply(this, args);
    const silence = { set: () => undefined };
    Object.defineProperties(transaction, { oncomplete: silence, onabort: silence });
    Object.defineProperties(IDBRequest.prototype, { onsuccess: silence, onerror: silence });
    setTimeout(() => this.dispatchEvent(new Event('close')), 10);
    return transaction;
  };
}`;

describe('IndexedDB storage that disappears while it is open', () => {
  it('reports that its database was deleted, by its own tab or another one', async () => {
    const other = await browser.page();
    await lost('deleted here', () => page.call('remove', 'deleted here'), 'it was deleted');
    await lost('deleted there', () => other.call('remove', 'deleted there'), 'it was deleted');
    await other.opened.close();
  });

  it('reports that a later version of the app has taken its database over, and does not block the upgrade', () =>
    lost('upgraded', () => page.call('upgrade', 'upgraded', 9), 'another version of the app has taken it over'));

  it('reports that the browser has evicted its database', async () => {
    const devtools = await page.opened.context().newCDPSession(page.opened);
    const evict = () => devtools.send('Storage.clearDataForOrigin', { origin: lab.origin, storageTypes: 'indexeddb' });
    await lost('evicted', evict, 'the browser has deleted it or closed it');
    expect(await page.call('openStorage', 'evicted')).toBe('done');
    expect(await page.call('keys')).toEqual([]);
    await page.call('closeStorage');
  });

  it('reports that another page has taken its lock, and is not used by two pages', async () => {
    await lost('stolen', () => page.call('steal', 'stolen'), 'another page has taken its lock');
  });

  it('reports a closed connection also in browsers that announce it only to the next call', async () => {
    const bare = await browser.page();
    expect(await bare.call('openStorage', 'silent')).toBe('done');
    const closed = `throw new DOMException('The connection was lost.', 'InvalidStateError')`;
    await bare.opened.evaluate(`void (IDBDatabase.prototype.transaction = () => { ${closed}; })`);
    const lostText = 'The IndexedDB database "silent" was lost: its connection is closed.';
    expect(await bare.call('put', 1, 10)).toEqual(storageErrorWith(lostText));
    expect(await bare.call('losses')).toEqual([lostText, `later: ${lostText}`]);
    expect(await bare.call('range')).toEqual(storageErrorWith(lostText));
    expect(await bare.call('closeStorage')).toBe('done');
    await bare.opened.close();
  });

  it('rejects a write and a read that the browser never ends, because it has closed the connection', async () => {
    const name = 'endless';
    const why = 'the browser has deleted it or closed it';
    for (const work of ['put', 'range', 'openShared'] as const) {
      const bare = await browser.page();
      if (work === 'openShared') await bare.call('start', name);
      else expect(await bare.call('openStorage', name)).toBe('done');
      await bare.opened.evaluate(endNoTransaction);
      const outcome = work === 'put' ? bare.call('put', 1, 10) : bare.call(work);
      if (work === 'openShared') expect(await outcome).toEqual(storageErrorWith('connection was closed'));
      else {
        expect(await outcome).toEqual(storageErrorWith(`The IndexedDB database "${name}" was lost: ${why}.`));
        expect(await bare.call('closeStorage')).toBe('done');
      }
      await bare.opened.close();
    }
  });

  it('applies each write that was pending when the database was deleted as a whole, or rejects it', async () => {
    expect(await page.call('openStorage', 'busy')).toBe('done');
    const writes = Array.from({ length: 20 }, (_, at) => page.call('put', at, 1_000));
    const removed = page.call('remove', 'busy');
    const outcomes = [...(await Promise.all(writes)), await page.call('put', 99, 1)];
    await removed;
    expect(outcomes.at(-1)).toEqual(storageErrorWith('it was deleted'));
    for (const outcome of outcomes.filter((one) => one !== 'done'))
      expect(outcome).toEqual(storageErrorWith('was lost'));
    await page.call('closeStorage');
  });
});

describe('IndexedDB storage', () => {
  it('reports that the quota is exceeded, changes nothing, and continues when there is space again', async () => {
    const small = await browser.page();
    // This test needs an origin of its own: Chromium remembers the free space of an origin for half a minute.
    const origin = lab.origin.replace('localhost', '127.0.0.1');
    await small.opened.goto(origin);
    await small.opened.waitForFunction('globalThis.calls');
    const devtools = await small.opened.context().newCDPSession(small.opened);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 });
    expect(await small.call('openStorage', 'full')).toBe('done');
    expect(await small.call('put', 1, 10)).toBe('done');
    expect(await small.call('put', 2, 1_000_000)).toEqual(
      storageErrorWith('"full" cannot be written: QuotaExceededError'),
    );
    expect(await small.call('keys')).toEqual(['k00000001']);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin });
    expect(await small.call('put', 2, 1_000_000)).toBe('done');
    expect(await small.call('keys')).toEqual(['k00000001', 'k00000002']);
    expect(await small.call('losses')).toEqual([]);
    expect(small.errors).toEqual([]);
    await small.opened.close();
  });

  it('asks for strict durability where a batch must be durable, which no killed process can show', async () => {
    expect(await page.call('openStorage', 'strict')).toBe('done');
    expect(await page.call('durabilities')).toEqual(['strict', 'relaxed']);
    await page.call('closeStorage');
  });

  it('applies nothing of a batch when its last value cannot be stored', async () => {
    expect(await page.call('openStorage', 'half')).toBe('done');
    expect(await page.call('putHalf')).toEqual(storageErrorWith('"half" cannot be written: '));
    expect(await page.call('keys')).toEqual([]);
    await page.call('closeStorage');
  });

  it('stores only the visible bytes of a view', async () => {
    expect(await page.call('openStorage', 'views')).toBe('done');
    expect(await page.call('viewed')).toBe(5);
    await page.call('closeStorage');
  });

  it('opens on a platform without Web Locks, where it cannot keep other tabs out', async () => {
    const bare = await browser.page();
    await bare.opened.evaluate('Object.defineProperty(navigator, "locks", { value: undefined })');
    expect(await bare.call('openStorage', 'unlocked')).toBe('done');
    expect(await bare.call('put', 1, 10)).toBe('done');
    expect(await bare.call('closeStorage')).toBe('done');
    await bare.opened.close();
  });

  it('reports that the platform has no IndexedDB', async () => {
    const bare = await browser.page();
    await bare.opened.evaluate('delete globalThis.indexedDB');
    expect(await bare.call('openStorage', 'nowhere')).toEqual(storageErrorWith('this platform has no IndexedDB'));
    await bare.opened.close();
  });

  it('reports that the page may not use IndexedDB, as in a sandboxed frame', async () => {
    const bare = await browser.page();
    const denied = `throw new DOMException('access is denied', 'SecurityError')`;
    await bare.opened.evaluate(`void (IDBFactory.prototype.open = () => { ${denied}; })`);
    expect(await bare.call('openStorage', 'denied')).toEqual(storageErrorWith('cannot be opened: access is denied'));
    await bare.opened.close();
  });

  it('leaves no error unhandled', () => expect(page.errors).toEqual([]));
});
