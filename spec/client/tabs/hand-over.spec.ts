import { from } from 'rxjs';
import { type AppTab, createTabWorld, idsOf, leaderOf } from './tab-world.js';

/** Creates a world with a tab of another script, which reads the ids of the tabs that ask to follow. */
const createObservedWorld = (seed: number) => {
  const world = createTabWorld(seed);
  const foreign = world.browser.openTab();
  const tabs: string[] = [];
  const channel = foreign.platform.openChannel('all', (message) => {
    const { type, tab } = message as { type: string; tab: string };
    if (type === 'hello') tabs.push(tab);
  });
  return { world, tabs, channel };
};

describe('a tab that receives all records again', () => {
  it('keeps its objects when another leader announces itself before it has all of them', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { world, tabs, channel } = createObservedWorld(seed);
      const one = world.openTab();
      await world.run(100);
      one.add('a');
      const two = world.openTab();
      await world.run(100);
      // The messages of this channel and of that of the tab arrive in any order.
      channel.post({ type: 'hello', tab: tabs.at(-1), stamp: null });
      channel.post({ type: 'leading', tab: 'x', isReady: true, isHidden: false });
      await world.run(100);
      two.add('b');
      await world.run(100);
      expect([seed, idsOf(one.realm()), idsOf(two.realm())]).toEqual([seed, ['a', 'b'], ['a', 'b']]);
    }
  });
});

describe('a leader that is replaced while it runs', () => {
  it('lets the next leader store the writes that it could not store, each once and in order', async () => {
    for (const ms of [0, 1, 2, 3, 5, 8]) {
      const { world, tabs, channel } = createObservedWorld(ms + 1);
      const one = world.openTab();
      await world.run(100);
      one.add('total');
      await world.run(100);
      const two = world.openTab();
      await world.run(100);
      for (const id of ['a', 'b', 'c']) one.add(id);
      channel.post({ type: 'yield', tab: 'x', to: tabs.at(-1) });
      await world.run(ms);
      for (const id of ['d', 'e']) one.add(id);
      const later = one.realm().write((tx) => tx.update('Task', 'c', { title: 'later' }));
      const versions: number[] = [];
      const counted = one.realm().write((tx) => tx.increment('Task', 'total', 'votes', 10));
      from(counted).subscribe(({ version }) => versions.push(version)); // Both a promise and a stream.
      await world.settle(later);
      expect(leaderOf(world)).toBe(3);
      expect([...one.outcomes.values()]).toEqual(Array.from({ length: 6 }, () => 'stored'));
      for (const app of [one, two]) {
        expect(idsOf(app.realm())).toEqual(['a', 'b', 'c', 'd', 'e', 'total']);
        expect(app.realm().get('Task', 'total')?.votes).toBe(16);
        expect(app.realm().get('Task', 'c')?.title).toBe('later');
      }
      expect(versions).toEqual([(await counted).version]);
    }
  });

  it('lets the next leader retry and discard the rejected writes that it could not', async () => {
    for (const ms of [0, 1, 2, 3, 5, 8]) {
      const { world, tabs, channel } = createObservedWorld(ms + 1);
      const accept = world.rejectWrites();
      const one = world.openTab();
      await world.run(100);
      for (const id of ['a', 'b', 'c', 'd']) one.add(id);
      await world.run(200);
      accept();
      const two = world.openTab();
      await world.run(100);
      const realm = one.realm();
      const outcomes: Promise<unknown>[] = [
        realm.retry(1),
        realm.retry(2, (tx) => tx.create('Task', { id: 'other', title: 'b', done: false })),
        realm.discard(3),
        realm.write((tx) => tx.update('Task', 'a', { title: 'later' })),
      ];
      channel.post({ type: 'yield', tab: 'x', to: tabs.at(-1) });
      await world.run(ms);
      outcomes.push(realm.discard(4));
      await world.settle(Promise.all(outcomes));
      expect(leaderOf(world)).toBe(3);
      for (const app of [one, two]) {
        expect(
          app
            .realm()
            .objects('Task')
            .map(({ id, title }) => `${id} ${title}`),
        ).toEqual(['a later', 'other b']);
        const lists: number[] = [];
        app.realm().rejectedWrites$.subscribe(({ length }) => lists.push(length));
        expect(lists).toEqual([0]);
      }
    }
  });
});

describe('a leader that is replaced while it cannot run', () => {
  it('changes nothing in the other tabs when it runs again', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const world = createTabWorld(seed, 40);
      const tabs: AppTab[] = [];
      for (let opened = 0; opened < 3; opened += 1) {
        tabs.push(world.openTab());
        await world.run(100);
      }
      const [one, two, three] = tabs as [AppTab, AppTab, AppTab];
      two.add('a');
      await world.run(seed % 10); // It is stored, and the followers do not know that.
      one.tab.suspend();
      await world.run(1_000);
      const next = [two, three].find(({ tab }) => tab.number === leaderOf(world))!;
      const others = [two, three].filter((app) => app !== next);
      next.add('b');
      await world.settle(next.realm().write((tx) => tx.update('Task', 'a', { title: 'new' })));
      const shown = others.map(({ realm }) => {
        const all: unknown[] = [];
        realm().session.connectionState$.subscribe((state) => all.push(state));
        realm()
          .objects$('Task', { where: { id: 'a' } })
          .subscribe(([task]) => all.push(task?.title));
        return all;
      });
      one.tab.resume();
      await world.run(1_000);
      expect([seed, ...shown]).toEqual([seed, ...others.map(() => ['connected', 'new'])]);
      for (const { realm } of [one, ...others])
        expect([idsOf(realm()), realm().get('Task', 'a')?.title]).toEqual([['a', 'b'], 'new']);
    }
  });

  it('cannot leave a tab with its old objects that asked it for all of them', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const world = createTabWorld(seed);
      const one = world.openTab();
      await world.run(100);
      one.tab.suspend();
      const [two, three] = [world.openTab(), world.openTab()]; // Their requests wait in the first tab.
      await world.run(1_000);
      two.add('a');
      three.add('b');
      await world.run(100);
      one.tab.resume();
      await world.run(seed % 4);
      two.add('c');
      await world.run(1_000);
      for (const { realm } of [one, two, three]) expect([seed, ...idsOf(realm())]).toEqual([seed, 'a', 'b', 'c']);
    }
  });
});
