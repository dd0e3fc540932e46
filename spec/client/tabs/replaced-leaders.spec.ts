import type { TabChannel } from '../../../lib/storage/tab-platform.js';
import { createTabWorld, type AppTab, idsOf } from './tab-world.js';

type World = ReturnType<typeof createTabWorld>;

/** Opens tabs one after the other: the first one leads. */
const openTabs = async (world: World, count: number): Promise<AppTab[]> => {
  const tabs: AppTab[] = [];
  for (let opened = 0; opened < count; opened += 1) {
    tabs.push(world.openTab());
    await world.run(100);
  }
  return tabs;
};

/** A foreign script that repeats messages to the tabs. */
const createRepeater = (world: World) => {
  const foreign = world.browser.openTab();
  const heard: { readonly type: string; readonly post: () => void }[] = [];
  const listen = (name: string): TabChannel => {
    const channel: TabChannel = foreign.platform.openChannel(name, (message) => {
      const { type, tab } = message as { readonly type: string; readonly tab?: string };
      const post = (): void => {
        channel.post(message);
      };
      heard.push({ type, post });
      if (type !== 'hello' || tab === undefined || ids.includes(tab)) return;
      ids.push(tab);
      listen(`tab ${tab}`);
    });
    return channel;
  };
  const ids: string[] = [];
  const common = listen('all');
  return {
    take: (...types: readonly string[]) => heard.splice(0).filter(({ type }) => types.includes(type)),
    /** Lets the leader send everything to all followers again. */
    askForAll: () => {
      for (const tab of ids.slice(1)) common.post({ type: 'hello', tab, stamp: null });
    },
  };
};

describe('a leader that was replaced', () => {
  it('changes nothing in its followers when its messages arrive late', async () => {
    for (const type of ['update', 'page']) {
      const world = createTabWorld();
      const { take, askForAll } = createRepeater(world);
      const [one, two, three] = await openTabs(world, 3);
      one!.add('x');
      await world.run(100);
      if (type === 'page') askForAll();
      void one!.realm().write((tx) => tx.update('Task', 'x', { title: 'old' }));
      await world.run(100);
      const late = take(type);
      expect(late.length).toBeGreaterThan(0);
      one!.tab.crash();
      await world.run(1_000);
      void two!.realm().write((tx) => tx.update('Task', 'x', { title: 'new' }));
      await world.run(500);
      for (const { post } of late) post();
      await world.run(500);
      expect([two, three].map((app) => app!.realm().get('Task', 'x')?.title)).toEqual(['new', 'new']);
    }
  });

  it('is left by the tabs that it welcomes late', async () => {
    const world = createTabWorld();
    const { take, askForAll } = createRepeater(world);
    const [one, two, three] = await openTabs(world, 3);
    one!.add('x');
    await world.run(100);
    askForAll();
    await world.run(100);
    const late = take('page', 'welcome');
    expect(late).toHaveLength(4);
    one!.tab.freeze();
    await world.run(500);
    for (const app of [one, two, three]) app!.tab.hide(); // So none asks who leads.
    for (const { post } of late) post();
    await world.run(100);
    one!.tab.resume();
    await world.run(100);
    two!.add('y');
    three!.add('z');
    await world.run(500);
    expect([two, three].map((app) => app!.realm().objects('Task').length)).toEqual([3, 3]);
  });

  it('cannot empty its followers by a welcome without objects', async () => {
    const world = createTabWorld();
    const { take, askForAll } = createRepeater(world);
    const [one, two] = await openTabs(world, 2);
    one!.add('x');
    await world.run(100);
    askForAll();
    await world.run(100);
    const [welcome] = take('welcome');
    one!.tab.crash();
    welcome!.post();
    await world.run(5);
    expect(idsOf(two!.realm())).toEqual(['x']);
  });
});

describe('a tab that takes the lead', () => {
  it('keeps its unanswered writes for those that follow, in their order', async () => {
    for (let seed = 1; seed < 5; seed += 1) {
      const world = createTabWorld(seed, 50);
      const [one, two] = await openTabs(world, 2);
      await world.run(500);
      two!.add('a');
      await world.run(0); // Sent, and not answered. The next one waits for the answer.
      two!.add('b');
      one!.tab.crash();
      const titles: Promise<unknown>[] = [];
      for (let ms = 0; ms < 300; ms += 1) {
        titles.push(two!.realm().write((tx) => tx.update('Task', 'b', { title: `${ms}` })));
        await world.run(1);
      }
      await world.settle(Promise.all(titles));
      expect([...two!.outcomes.values()]).toEqual(['stored', 'stored']);
      expect(two!.realm().get('Task', 'b')?.title).toBe('299');
    }
  });

  it('takes the lead again when the tab that replaced it does not answer', async () => {
    const world = createTabWorld();
    const [one] = await openTabs(world, 1);
    const silent = world.browser.openTab();
    silent.platform.lock('lead', 'steal').subscribe({ error: () => undefined });
    await world.run(100);
    one!.add('a');
    await world.run(900);
    expect(one!.outcomes.get('a')).toBe('stored');
  });
});
