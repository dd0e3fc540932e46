import { runWithTabs, type Tab, waitForIds } from './tabs-kit.js';
import type { PageOptions } from './tabs-page.js';

const kit = runWithTabs();
afterEach(() => kit.closeAll());

/** Expects that a realm goes on in two tabs. */
const expectToGoOn = async (first: Tab, storage: string, options: Partial<PageOptions> = {}): Promise<void> => {
  const second = await kit.openTab(storage, options);
  expect(await first.call('write', 'of the first')).toBe('done');
  expect(await second.call('write', 'of the second')).toBe('done');
  for (const tab of [first, second]) await waitForIds(tab, 'of the first', 'of the second');
};

const failure = (name: string, code: string, text: RegExp): unknown => ({
  ...{ name, code },
  message: expect.stringMatching(text) as unknown,
});

describe('a tab that opens the storage of another tab differently', () => {
  it('gets an error that names another schema, and the other tabs go on', async () => {
    const [first] = await kit.openTabs('schemas', 1);
    const second = await kit.openPage();
    expect(await kit.open(second, 'schemas', { hasOtherSchema: true })).toEqual(
      failure('InvalidArgumentError', 'invalid-argument', /done.*another tab|another tab.*done/is),
    );
    await expectToGoOn(first!, 'schemas');
  });

  it('gets an error that names another realm, and the other tabs go on', async () => {
    const [first] = await kit.openTabs('realms', 1);
    const second = await kit.openPage();
    expect(await kit.open(second, 'realms', { realm: 'elsewhere' })).toEqual(
      failure('WrongRealmError', 'wrong-realm', /realms.*elsewhere|elsewhere.*realms/s),
    );
    await expectToGoOn(first!, 'realms');
  });

  it('gets a SyncError for another user, and the other tabs go on', async () => {
    const first = await kit.openTab('users', { user: 'ada' });
    expect(await first.call('createTotal')).toBe('done');
    const second = await kit.openPage();
    expect(await kit.open(second, 'users', { user: 'bob' })).toEqual(failure('SyncError', 'other-user', /user/));
    await expectToGoOn(first, 'users', { user: 'ada' });
  });
});

describe('a tab that does not share its storage', () => {
  it('gets a StorageError when other tabs have opened the realm, which go on', async () => {
    const [first] = await kit.openTabs('shared', 1);
    const second = await kit.openPage();
    expect(await kit.open(second, 'shared', { tabs: 'exclusive' })).toEqual(
      failure('StorageError', 'storage', /in use by another tab/),
    );
    await expectToGoOn(first!, 'shared');
  });

  it('keeps other tabs out, which get a StorageError after half a second', async () => {
    const first = await kit.openTab('exclusive', { tabs: 'exclusive' });
    expect(await first.call('createTotal')).toBe('done');
    const second = await kit.openPage();
    const start = performance.now();
    expect(await kit.open(second, 'exclusive')).toEqual(failure('StorageError', 'storage', /in use by another tab/));
    expect(performance.now() - start).toBeGreaterThan(500);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(await first.call('write', 'of the first')).toBe('done');
    await first.close();
    expect(await kit.open(second, 'exclusive')).toBe('done');
    expect(await second.call('ids')).toEqual(['of the first']);
  });
});
