import { leaderOf, runWithTabs, type Tab, waitForCall, waitForIds, waitUntilSynced } from './tabs-kit.js';

const kit = runWithTabs();
afterEach(() => kit.closeAll());

const waitForState = (tab: Tab, state: 'connected' | 'offline'): Promise<void> =>
  waitForCall(tab, 'session', ({ connectionState }) => (connectionState === 'connected') === (state === 'connected'));
const waitForPending = (tab: Tab, pending: number): Promise<void> =>
  waitForCall(tab, 'session', (session) => session.pending === pending);

/** Opens two tabs. Returns the leader first. */
const openPair = async (storage: string): Promise<[Tab, Tab]> => {
  const tabs = await kit.openTabs(storage, 2);
  const leader = await leaderOf(tabs, storage);
  return [leader, tabs.find((tab) => tab !== leader)!];
};

/** Checks that both tabs work, and are equal to the server. */
const expectEqual = async (storage: string, tabs: readonly Tab[], ...ids: readonly string[]): Promise<void> => {
  for (const tab of tabs) {
    await waitForIds(tab, ...ids);
    await waitUntilSynced(tab);
  }
  expect(await kit.site().read(storage)).toEqual({ ids: [...ids].sort(), count: ids.length });
};

describe('tabs without a server', () => {
  it.each<[string, (tab: Tab) => Promise<unknown>]>([
    ['reloaded', (tab) => tab.opened.reload()],
    ['closed', (tab) => tab.close()],
    ['crashed', (tab) => tab.crash()],
  ])('upload what they have written later, also when all of them were %s', async (name, end) => {
    const storage = `unsent-${name}`;
    const [leader, follower] = await openPair(storage);
    await waitUntilSynced(leader);
    await kit.site().stop();
    expect(await leader.call('write', 'of the leader')).toBe('done');
    expect(await follower.call('write', 'of the follower')).toBe('done');
    await waitForPending(follower, 2);
    await end(leader);
    expect(await follower.call('write', 'of the next leader')).toBe('done');
    await end(follower);
    await kit.site().start();
    const next = await kit.openTab(storage);
    await expectEqual(storage, [next], 'of the leader', 'of the follower', 'of the next leader');
  });

  it('have the same state and continue together when the browser is offline and online again', async () => {
    const storage = 'switched';
    const tabs = await openPair(storage);
    const [leader, follower] = tabs;
    await waitUntilSynced(follower);
    await leader.opened.context().setOffline(true);
    await kit.site().stop(); // The switch does not end an open socket.
    for (const tab of tabs) await waitForState(tab, 'offline');
    expect(await leader.call('write', 'a')).toBe('done');
    expect(await follower.call('write', 'b')).toBe('done');
    for (const tab of tabs) await waitForPending(tab, 2);
    await kit.site().start();
    await leader.opened.context().setOffline(false);
    await expectEqual(storage, tabs, 'a', 'b');
    expect(kit.site().live(storage)).toBe(1);
  });
});

describe('a storage that its leader loses', () => {
  it('is opened again when the browser has only closed it, and all tabs continue', async () => {
    const storage = 'closed';
    const tabs = await openPair(storage);
    const [leader, follower] = tabs;
    expect(await follower.call('write', 'before')).toBe('done');
    await leader.call('closeConnection');
    expect(await follower.call('write', 'by the follower')).toBe('done');
    await leader.call('closeConnection');
    expect(await leader.call('write', 'by the leader')).toBe('done');
    await expectEqual(storage, tabs, 'before', 'by the follower', 'by the leader');
    expect(await leaderOf(tabs, storage)).toBe(leader);
  });

  it('is written again from memory when the browser has deleted it, and all tabs continue', async () => {
    const storage = 'evicted';
    const tabs = await openPair(storage);
    const [leader, follower] = tabs;
    expect(await leader.call('write', 'before')).toBe('done');
    await waitForIds(follower, 'before');
    const devtools = await leader.opened.context().newCDPSession(leader.opened);
    await devtools.send('Storage.clearDataForOrigin', { origin: kit.lab().origin, storageTypes: 'indexeddb' });
    // A write is rejected while the storage is being written again.
    await waitForCall(follower, 'write', (outcome) => outcome === 'done', 'by the follower');
    expect(await leader.call('write', 'by the leader')).toBe('done');
    await expectEqual(storage, tabs, 'before', 'by the follower', 'by the leader');

    await kit.restart();
    await kit.site().stop(); // The objects come from the storage.
    const again = await kit.openTab(storage);
    expect(await again.call('ids')).toEqual(['before', 'by the follower', 'by the leader']);
    await kit.site().start();
  });
});

describe('a log-out', () => {
  it('in a follower ends the sessions of all tabs', async () => {
    const storage = 'logged-out';
    const tabs = await kit.openTabs(storage, 3);
    const leader = await leaderOf(tabs, storage);
    const follower = tabs.find((tab) => tab !== leader)!;
    await waitUntilSynced(follower);
    expect(await follower.call('logOut')).toBe('done');
    for (const tab of tabs) await waitForCall(tab, 'session', ({ syncState }) => syncState === 'inactive');
    for (const tab of tabs) await waitForState(tab, 'offline');
    await waitForCall(leader, 'hasTotal', () => kit.site().live(storage) === 0);
  });
});
