import { type Browser, type Lab, type Page, runWithLab } from './chromium-lab.js';

let home: Lab;
let browser: Browser;
let page: Page;
runWithLab(async (opened) => {
  home = opened;
  browser = await opened.browser();
  page = await browser.page();
});

const error = (text: string): unknown => ({
  name: 'StorageError',
  code: 'storage',
  message: expect.stringContaining(text) as unknown,
});

/** Opens a storage, has it disappear and looks at what is said of it. */
const lost = async (name: string, disappear: () => Promise<unknown>, why: string): Promise<void> => {
  expect(await page.call('openStorage', name)).toBe('done');
  expect(await page.call('put', 1, 10)).toBe('done');
  expect(await page.call('losses')).toEqual([]);
  await disappear();
  await page.opened.waitForFunction('calls.losses().then(({ length }) => length > 0)');
  const message = `The IndexedDB database "${name}" was lost: ${why}.`;
  expect(await page.call('losses')).toEqual([message, `later: ${message}`]);
  expect(await page.call('put', 2, 10)).toEqual(error(message));
  expect(await page.call('range')).toEqual(error(message));
  expect(await page.call('closeStorage')).toBe('done');
  expect(await page.call('losses')).toEqual([message, 'closed', `later: ${message}`]);
};

describe('IndexedDB storage that disappears under way', () => {
  it('says that it was deleted, by any tab', async () => {
    const other = await browser.page();
    await lost('deleted here', () => page.call('remove', 'deleted here'), 'it was deleted');
    await lost('deleted there', () => other.call('remove', 'deleted there'), 'it was deleted');
    await other.opened.close();
  });

  it('says that a later version has taken it over, and lets it', () =>
    lost('upgraded', () => page.call('upgrade', 'upgraded', 9), 'another version of the app has taken it over'));

  it('says that the browser has evicted it', async () => {
    const devtools = await page.opened.context().newCDPSession(page.opened);
    const evict = () => devtools.send('Storage.clearDataForOrigin', { origin: home.origin, storageTypes: 'indexeddb' });
    await lost('evicted', evict, 'the browser has deleted it or closed it');
    expect(await page.call('openStorage', 'evicted')).toBe('done');
    expect(await page.call('keys')).toEqual([]);
    await page.call('closeStorage');
  });

  it('says that somebody has taken its lock, and is not used by two', async () => {
    await lost('stolen', () => page.call('steal', 'stolen'), 'another page has taken its lock');
  });

  it('says that its connection is closed, which some browsers tell only who uses it', async () => {
    const bare = await browser.page();
    expect(await bare.call('openStorage', 'silent')).toBe('done');
    const closed = `throw new DOMException('The connection was lost.', 'InvalidStateError')`;
    await bare.opened.evaluate(`void (IDBDatabase.prototype.transaction = () => { ${closed}; })`);
    const gone = 'The IndexedDB database "silent" was lost: its connection is closed.';
    expect(await bare.call('put', 1, 10)).toEqual(error(gone));
    expect(await bare.call('losses')).toEqual([gone, `later: ${gone}`]);
    expect(await bare.call('range')).toEqual(error(gone));
    expect(await bare.call('closeStorage')).toBe('done');
    await bare.opened.close();
  });

  it('has what was under way when it was deleted either done or refused, and never by halves', async () => {
    expect(await page.call('openStorage', 'busy')).toBe('done');
    const writes = Array.from({ length: 20 }, (_, at) => page.call('put', at, 1_000));
    const removed = page.call('remove', 'busy');
    const outcomes = [...(await Promise.all(writes)), await page.call('put', 99, 1)];
    await removed;
    expect(outcomes.at(-1)).toEqual(error('it was deleted'));
    for (const outcome of outcomes.filter((one) => one !== 'done')) expect(outcome).toEqual(error('was lost'));
    await page.call('closeStorage');
  });
});

describe('IndexedDB storage', () => {
  it('says that there is no room, changes nothing, and goes on when there is', async () => {
    const small = await browser.page();
    // An origin of its own: Chromium remembers for half a minute how much room there was.
    const origin = home.origin.replace('localhost', '127.0.0.1');
    await small.opened.goto(origin);
    await small.opened.waitForFunction('globalThis.calls');
    const devtools = await small.opened.context().newCDPSession(small.opened);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 });
    expect(await small.call('openStorage', 'full')).toBe('done');
    expect(await small.call('put', 1, 10)).toBe('done');
    expect(await small.call('put', 2, 1_000_000)).toEqual(error('"full" cannot be written: QuotaExceededError'));
    expect(await small.call('keys')).toEqual(['k00000001']);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin });
    expect(await small.call('put', 2, 1_000_000)).toBe('done');
    expect(await small.call('keys')).toEqual(['k00000001', 'k00000002']);
    expect(await small.call('losses')).toEqual([]);
    expect(small.errors).toEqual([]);
    await small.opened.close();
  });

  it('has what has to be durable flushed, which no killed process can show', async () => {
    expect(await page.call('openStorage', 'strict')).toBe('done');
    expect(await page.call('durabilities')).toEqual(['strict', 'relaxed']);
    await page.call('closeStorage');
  });

  it('does nothing of a batch when the last of its values cannot be stored', async () => {
    expect(await page.call('openStorage', 'half')).toBe('done');
    expect(await page.call('putHalf')).toEqual(error('"half" cannot be written: '));
    expect(await page.call('keys')).toEqual([]);
    await page.call('closeStorage');
  });

  it('stores of a view no more than can be seen', async () => {
    expect(await page.call('openStorage', 'views')).toBe('done');
    expect(await page.call('viewed')).toBe(5);
    await page.call('closeStorage');
  });

  it('opens where there are no Web Locks, where it can keep nobody out', async () => {
    const bare = await browser.page();
    await bare.opened.evaluate('Object.defineProperty(navigator, "locks", { value: undefined })');
    expect(await bare.call('openStorage', 'unlocked')).toBe('done');
    expect(await bare.call('put', 1, 10)).toBe('done');
    expect(await bare.call('closeStorage')).toBe('done');
    await bare.opened.close();
  });

  it('says that there is no IndexedDB where there is none', async () => {
    const bare = await browser.page();
    await bare.opened.evaluate('delete globalThis.indexedDB');
    expect(await bare.call('openStorage', 'nowhere')).toEqual(error('this platform has no IndexedDB'));
    await bare.opened.close();
  });

  it('leaves nothing unhandled', () => expect(page.errors).toEqual([]));
});
