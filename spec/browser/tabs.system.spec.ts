import { strictPath } from './chromium-lab.js';
import { leaderOf, runWithTabs, type Tab, waitForCall, waitForIds, waitUntilSynced } from './tabs-kit.js';

const kit = runWithTabs();
afterEach(() => kit.closeAll());

describe('a realm that several tabs have opened', () => {
  it.each([2, 3])('shows the same objects in %d tabs, and has one socket', async (count) => {
    const storage = `same-${count}`;
    const tabs = await kit.openTabs(storage, count);
    for (const [at, tab] of tabs.entries()) expect(await tab.call('write', `of ${at}`)).toBe('done');
    const ids = tabs.map((_, at) => `of ${at}`);
    for (const tab of tabs) {
      await waitForIds(tab, ...ids);
      await waitUntilSynced(tab);
      expect(await tab.call('count')).toBe(count);
    }
    expect(await kit.site().read(storage)).toEqual({ ids, count });
    expect(kit.site().live(storage)).toBe(1);
    expect(kit.site().doubleMs(storage)).toBe(0);
  });

  it('has a write of a follower in IndexedDB when its promise resolves', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const storage = `durable-${round}`;
      const tabs = await kit.openTabs(storage, 2);
      const leader = await leaderOf(tabs, storage);
      const follower = tabs.find((tab) => tab !== leader)!;
      const written = Array.from({ length: 5 }, (_, at) => `w${at}`);
      for (const id of written) expect(await follower.call('write', id)).toBe('done');
      await kit.restart();
      await kit.site().stop(); // The objects come from the storage.
      const again = await kit.openTab(storage);
      expect(await again.call('ids')).toEqual(written);
      expect(await again.call('count')).toBe(written.length);
      await kit.site().start();
    }
  }, 60_000);

  it('works in a page with a strict Content Security Policy', async () => {
    const storage = 'strict';
    const tabs = [await kit.openTab(storage, {}, strictPath), await kit.openTab(storage, {}, strictPath)];
    for (const [at, tab] of tabs.entries()) {
      expect(await tab.call('mayEvaluate')).toBe(false);
      if (at === 0) expect(await tab.call('createTotal')).toBe('done');
      await waitForCall(tab, 'hasTotal', Boolean);
      expect(await tab.call('write', `of ${at}`)).toBe('done');
    }
    for (const tab of tabs) {
      await waitForIds(tab, 'of 0', 'of 1');
      await waitUntilSynced(tab);
    }
    expect(kit.site().live(storage)).toBe(1);
  });

  it('has the same subscriptions in all tabs, whichever leads', async () => {
    const [storage, realm] = ['partial', 'partial-realm'];
    const writer = await kit.openTab('whole', { realm });
    expect(await writer.call('createTotal')).toBe('done');
    for (const id of ['a', 'b', 'c']) expect(await writer.call('write', id)).toBe('done');
    await waitUntilSynced(writer);
    const tabs: Tab[] = [];
    for (let left = 2; left > 0; left -= 1) tabs.push(await kit.openTab(storage, { realm, isPartial: true }));
    const leader = await leaderOf(tabs, storage);
    const follower = tabs.find((tab) => tab !== leader)!;
    expect(await follower.call('subscribe', 'a')).toBe('done');
    expect(await leader.call('ids')).toEqual(['a']);
    expect(await leader.call('subscribe', 'b')).toBe('done');
    await waitForIds(follower, 'a', 'b');
    await leader.close();
    expect(await follower.call('subscribe', 'c')).toBe('done');
    expect(await follower.call('ids')).toEqual(['a', 'b', 'c']);
    const third = await kit.openTab(storage, { realm, isPartial: true });
    expect(await third.call('ids')).toEqual(['a', 'b', 'c']);
    expect(await kit.open(await kit.openPage(), storage, { realm })).toMatchObject({ name: 'InvalidArgumentError' });
  });

  it('is also shared by a frame and a worker', async () => {
    const storage = 'contexts';
    const [page] = await kit.openTabs(storage, 1);
    const options = { url: kit.site().urlOf(storage) };
    await page!.call('addFrame');
    await page!.call('startWorker');
    expect(await page!.call('inFrame', 'open', storage, options)).toBe('done');
    expect(await page!.call('inWorker', 'open', storage, options)).toBe('done');
    expect(await page!.call('inFrame', 'write', 'of the frame')).toBe('done');
    expect(await page!.call('inWorker', 'write', 'of the worker')).toBe('done');
    await waitForIds(page!, 'of the frame', 'of the worker');
    expect(await page!.call('inWorker', 'ids')).toEqual(['of the frame', 'of the worker']);
    expect(kit.site().live(storage)).toBe(1);

    expect(await page!.call('close')).toBe('done'); // The page has led.
    expect(await page!.call('inFrame', 'write', 'second of the frame')).toBe('done');
    await page!.call('removeFrame');
    expect(await page!.call('inWorker', 'write', 'second of the worker')).toBe('done');
    expect(((await page!.call('inWorker', 'ids')) as string[]).length).toBe(4);
    await waitForCall(page!, 'inWorker', (session) => (session as { pending: number }).pending === 0, 'session');
    expect((await kit.site().read(storage)).ids.length).toBe(4);
    expect(kit.site().doubleMs(storage)).toBeLessThan(1_000);
    await page!.call('endWorker');
  });
});
