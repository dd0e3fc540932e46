import { leaderOf, runWithTabs, type Tab, waitForCall, waitUntilSynced } from './tabs-kit.js';
import { createWriteLog, namesOf, type WriteLog } from './write-log.js';

const kit = runWithTabs();
afterEach(() => kit.closeAll());

const endings: readonly ((tab: Tab) => Promise<unknown>)[] = [
  (tab) => tab.close(),
  (tab) => tab.crash(),
  (tab) => tab.opened.reload(),
];

/** Opens three tabs. Returns the leader first. */
const openThree = async (log: WriteLog): Promise<[Tab, Tab, Tab]> => {
  const tabs = await log.openTabs(3);
  const leader = await leaderOf(tabs, log.storage);
  const [first, second] = tabs.filter((tab) => tab !== leader);
  return [leader, first!, second!];
};

describe('many tabs that write at once', () => {
  it('are equal in the end: ten pages, a frame and a worker, whose leaders end one after the other', async () => {
    const log = createWriteLog(kit, 'ten');
    const tabs = await log.openTabs(10);
    const [host] = tabs.splice(0, 1);
    const options = { url: kit.site().urlOf(log.storage) };
    await host!.call('addFrame');
    await host!.call('startWorker');
    for (const context of ['inFrame', 'inWorker'] as const) {
      expect(await host!.call(context, 'open', log.storage, options)).toBe('done');
      await host!.call(context, 'begin', namesOf(context, 50));
    }
    await host!.call('close'); // It leads as the first tab, and its contexts are to survive the others.
    for (const end of [...endings, ...endings]) {
      for (const [at, tab] of tabs.entries()) await log.begin(tab, `${tabs.length} of ${at}`, 20);
      const leader = await leaderOf(tabs, log.storage).catch(() => tabs[0]!); // The frame or the worker may lead.
      tabs.splice(tabs.indexOf(leader), 1);
      await end(leader);
    }
    await log.check(tabs);
    const ids = await tabs[0]!.call('ids');
    for (const context of ['inFrame', 'inWorker'] as const) {
      expect(await host!.call(context, 'ids')).toEqual(ids);
      expect(ids).toEqual(expect.arrayContaining([...namesOf(context, 50)]));
    }
    await host!.call('endWorker');
  }, 90_000);

  it.each([
    ['worker', 'startWorker', 'inWorker', 'endWorker'],
    ['frame', 'addFrame', 'inFrame', 'removeFrame'],
  ] as const)('go on when the leader is a %s that is ended', async (name, start, inContext, end) => {
    const log = createWriteLog(kit, `led-by-${name}`);
    const host = await log.openPage();
    await host.call(start);
    expect(await host.call(inContext, 'open', log.storage, { url: kit.site().urlOf(log.storage) })).toBe('done');
    expect(await host.call(inContext, 'createTotal')).toBe('done');
    expect(await host.call(inContext, 'leads', log.storage)).toBe(true);
    const tab = await log.openPage();
    await log.open(tab);
    await host.call(inContext, 'begin', namesOf('of the leader', 50));
    await log.begin(tab, 'of the follower', 300);
    await host.call(end);
    expect(await log.check([tab])).toBe(0);
  });

  it('lose nothing of a thousand transactions at once when the leader crashes in between', async () => {
    for (const stored of [0, 300]) {
      const log = createWriteLog(kit, `thousand-${stored}`);
      const [leader, ...followers] = await openThree(log);
      for (const [at, tab] of followers.entries()) await log.begin(tab, `of ${at}`, 1_000);
      await waitForCall(followers[0], 'outcomes', (outcomes) => Object.keys(outcomes).length >= stored);
      await leader.crash();
      expect(await log.check(followers)).toBe(0);
    }
  }, 60_000);

  it('can be opened at the same moment, with and without data', async () => {
    const log = createWriteLog(kit, 'same-moment');
    for (let round = 0; round < 3; round += 1) {
      const tabs = [await log.openPage(), await log.openPage(), await log.openPage()];
      await Promise.all(tabs.map((tab) => log.open(tab)));
      if (round === 0) expect(await tabs[0]!.call('createTotal')).toBe('done');
      for (const tab of tabs) await waitForCall(tab, 'hasTotal', Boolean);
      for (const [at, tab] of tabs.entries()) await log.begin(tab, `${round} of ${at}`, 100);
      expect(await log.check(tabs)).toBe(0);
      await Promise.all(tabs.map((tab) => tab.close()));
    }
  }, 60_000);

  it('keep all unsent writes when the leader is reloaded again and again without a server', async () => {
    const log = createWriteLog(kit, 'reloaded-often');
    const tabs = await log.openTabs(3);
    await waitUntilSynced(tabs[0]!);
    await kit.site().stop();
    for (let round = 0; round < 5; round += 1) {
      for (const [at, tab] of tabs.entries()) await log.begin(tab, `${round} of ${at}`, 30);
      const leader = await leaderOf(tabs, log.storage);
      await leader.opened.reload();
      await waitForCall(leader, 'isOpen', (isOpen) => !isOpen);
      await log.open(leader);
    }
    await kit.site().start();
    expect(await log.check(tabs)).toBe(0);
  }, 60_000);

  it('lose nothing when pages are left and come back in the middle', async () => {
    const log = createWriteLog(kit, 'left-and-back');
    const tabs = await log.openTabs(2);
    for (let round = 0; round < 6; round += 1) {
      const [gone, stays] = round % 2 === 0 ? [tabs[0]!, tabs[1]!] : [tabs[1]!, tabs[0]!];
      await log.begin(gone, `${round} of the page that is left`, 80);
      await log.begin(stays, `${round} of the other`, 80);
      await gone.leave();
      await log.begin(stays, `${round} meanwhile`, 30);
      if (!(await gone.back())) await log.open(gone);
      await log.begin(gone, `${round} after`, 30);
    }
    expect(await log.check(tabs)).toBe(0);
  }, 60_000);
});

describe('an eviction of the data while all tabs write', () => {
  it.each(['deleted by a page', 'evicted by the browser'])(
    'rejects or keeps each write, and the tabs go on with what they have in memory: %s',
    async (how) => {
      const log = createWriteLog(kit, how.replaceAll(' ', '-'));
      const tabs = await openThree(log);
      const foreign = await kit.openPage();
      const devtools = await foreign.opened.context().newCDPSession(foreign.opened);
      await waitUntilSynced(tabs[0]);
      await kit.site().stop(); // So that all changes are unsent.
      for (let round = 0; round < 8; round += 1) {
        for (const [at, tab] of tabs.entries()) await log.begin(tab, `${round} of ${at}`, 60);
        if (how === 'deleted by a page') expect(await foreign.call('deleteDatabase', log.storage)).toBe('deleted');
        else
          await devtools.send('Storage.clearDataForOrigin', {
            ...{ origin: kit.lab().origin, storageTypes: 'indexeddb' },
          });
        for (const tab of tabs)
          await waitForCall(tab, 'write', (outcome) => outcome === 'done', `${round} again in ${tabs.indexOf(tab)}`);
      }
      await tabs[0].crash();
      await kit.site().start();
      await log.check(tabs.slice(1));
    },
    60_000,
  );

  it('leaves one leader and one socket when the locks were deleted too, and tabs are opened afterwards', async () => {
    const log = createWriteLog(kit, 'all-deleted');
    const before = await log.openTabs(3);
    await waitUntilSynced(before[0]!);
    const devtools = await before[0]!.opened.context().newCDPSession(before[0]!.opened);
    // Chromium then separates the locks of the tabs before from those of the tabs after.
    await devtools.send('Storage.clearDataForOrigin', { origin: kit.lab().origin, storageTypes: 'all' });
    const after = [await log.openPage(), await log.openPage()];
    for (const tab of after) await log.open(tab);
    // Two idle leaders would have two sockets for longer than a second now.
    for (const ends = Date.now() + 1_500; Date.now() < ends;) await after[0]!.call('session');
    for (let round = 0; round < 10; round += 1) {
      for (const [at, tab] of [...before, ...after].entries()) await log.begin(tab, `${round} of ${at}`, 20);
      await waitForCall(after[1]!, 'write', (outcome) => outcome === 'done', `${round}`);
    }
    expect(await log.check([...before, ...after])).toBe(0);
    await Promise.all(after.map((tab) => tab.close()));
    for (const [at, tab] of before.entries()) await log.begin(tab, `last of ${at}`, 20);
    expect(await log.check(before)).toBe(0);
  }, 60_000);
});
