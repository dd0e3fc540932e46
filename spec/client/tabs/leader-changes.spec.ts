import { limits } from '../../../lib/model/limits.js';
import { type AppTab, createOutcomeLog, createTabWorld, listenForTabs, idsOf, leaderOf, schema } from './tab-world.js';

type World = ReturnType<typeof createTabWorld>;

/** Opens tabs one after the other: the first one leads. */
const openTabs = async (world: World, count: number, ...options: Parameters<World['openTab']>): Promise<AppTab[]> => {
  const tabs: AppTab[] = [];
  for (let opened = 0; opened < count; opened += 1) {
    tabs.push(world.openTab(...options));
    await world.run(100);
  }
  return tabs;
};

const openSockets = ({ sockets }: World): number =>
  [...sockets].reduce((sum, [tab, open]) => sum + (tab.isEnded() ? 0 : open), 0);

describe('the tab that leads', () => {
  it('is not replaced by a visible tab in which the user is logged out', async () => {
    const world = createTabWorld();
    const [one, two] = await openTabs(world, 2);
    void one!.client.logOut();
    await world.run(50);
    two!.client.logIn();
    await world.run(500);
    two!.tab.hide();
    await world.run(2_000);
    expect(leaderOf(world)).toBe(2);
    expect([one, two].map((app) => app!.realm().session.syncState)).toEqual(['active', 'active']);
  });

  it('gives the lead to a new tab when its own realm is closed and only uploads', async () => {
    const world = createTabWorld();
    world.setOffline(true);
    const [one] = await openTabs(world, 1);
    one!.add('a');
    await world.run(50);
    one!.closeRealm();
    await world.run(50);
    const two = world.openTab();
    await world.run(1_000);
    expect([idsOf(two.realm()), leaderOf(world)]).toEqual([['a'], 2]);
  });

  it('keeps no connection when its realm is closed', async () => {
    const world = createTabWorld();
    const [one] = await openTabs(world, 1);
    expect(openSockets(world)).toBe(1);
    one!.closeRealm();
    await world.run(50);
    expect(openSockets(world)).toBe(0);
  });

  it('knows the rejected writes of the leaders before it', async () => {
    const world = createTabWorld();
    const [one] = await openTabs(world, 1);
    world.rejectWrites();
    one!.add('bad');
    await world.run(100);
    one!.tab.close();
    const two = world.openTab();
    await world.run(300);
    const stages: string[] = [];
    two
      .realm()
      .session.written$(1)
      .subscribe(({ state }) => stages.push(state));
    expect(stages).toEqual(['rejected']);
  });

  it('can leave and come back while it opens its store', async () => {
    for (let ms = 0; ms < 12; ms += 1) {
      const world = createTabWorld(ms + 1);
      const [one] = await openTabs(world, 1);
      one!.add('a');
      await world.run(50);
      one!.tab.close();
      const two = world.openTab();
      await world.run(ms);
      two.tab.freeze();
      two.tab.resume();
      await world.run(500);
      two.add('b');
      await world.run(100);
      expect([idsOf(two.realm()), two.outcomes.get('b')]).toEqual([['a', 'b'], 'stored']);
    }
  });

  it('takes writes while it hands over, and the next leader stores them', async () => {
    for (let seed = 1; seed < 8; seed += 1) {
      const world = createTabWorld(seed);
      const [one] = await openTabs(world, 2);
      one!.add('total');
      await world.run(50);
      one!.tab.hide();
      const voted: Promise<unknown>[] = [];
      for (let write = 1; write < 15; write += 1) {
        one!.add(`w${write}`);
        voted.push(
          one!.realm().write((tx) => {
            tx.create('Task', { id: `v${write}`, title: 'v', done: false });
            tx.increment('Task', `v${write}`, 'votes', write);
          }),
        );
        await world.run(1);
      }
      await world.settle(Promise.all(voted));
      expect(leaderOf(world)).toBe(2);
      expect([...one!.outcomes.values()]).toEqual(Array.from({ length: 15 }, () => 'stored'));
      expect(one!.realm().get('Task', 'total')?.votes).toBe(15);
      expect(one!.realm().get('Task', 'v14')?.votes).toBe(14);
    }
  });
});

describe('a tab that follows, when its leader changes', () => {
  it('ends none of several waits for the server before the next leader has downloaded', async () => {
    const world = createTabWorld();
    const [one, two] = await openTabs(world, 2);
    one!.realm().session.pause();
    await world.run(50);
    const ended: number[] = [];
    const { session } = two!.realm();
    for (const wait of [1, 2, 3]) session.downloadComplete$.subscribe(() => ended.push(wait));
    one!.tab.crash();
    await world.run(300);
    expect([leaderOf(world), ended]).toEqual([2, []]);
    session.resume();
    await world.run(300);
    expect(ended).toEqual([1, 2, 3]);
  });

  it('has its writes stored by the next leader when the present one is replaced before it stores them', async () => {
    for (let ms = 0; ms < 10; ms += 1) {
      const world = createTabWorld(ms + 1);
      const { ids, channel } = listenForTabs(world);
      const [one, two, three] = await openTabs(world, 3);
      one!.add('total');
      await world.run(500);
      for (const id of ['a', 'b', 'c']) two!.add(id);
      await world.run(ms);
      channel.post({ type: 'yield', tab: 'x', to: ids[2] });
      await world.run(1_000);
      expect([...two!.outcomes.values()]).toEqual(['stored', 'stored', 'stored']);
      for (const app of [one, two, three]) expect(app!.realm().get('Task', 'total')?.votes).toBe(4);
    }
  });

  it('has its writes stored once when it takes the lead and is replaced while it stores them', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const world = createTabWorld(seed, 400);
      const { ids, channel } = listenForTabs(world);
      const [one, two, three] = await openTabs(world, 3);
      await world.run(2_000);
      one!.add('total');
      await world.run(2_000);
      expect(idsOf(two!.realm())).toEqual(['total']);
      one!.tab.crash();
      for (const id of ['a', 'b', 'c']) two!.add(id);
      await world.run(15 * seed);
      channel.post({ type: 'yield', tab: 'x', to: ids[2] });
      await world.run(5_000);
      expect([...two!.outcomes.values()]).toEqual(['stored', 'stored', 'stored']);
      for (const app of [two, three]) expect(app!.realm().get('Task', 'total')?.votes).toBe(4);
    }
  });

  it('is served again when the leader has lost it', async () => {
    const world = createTabWorld();
    const { ids, foreign } = listenForTabs(world);
    const [one, two] = await openTabs(world, 2);
    foreign.platform.openChannel(`tab ${ids[1]}`, () => undefined).post({ type: 'bye' });
    await world.run(50);
    one!.add('a');
    await world.run(1_000);
    expect(idsOf(two!.realm())).toEqual(['a']);
  });

  it('rejects the writes that wait for the answer to a rejected one', async () => {
    const world = createTabWorld();
    const [one, two] = await openTabs(world, 2);
    one!.add('a');
    await world.run(50);
    const { outcomes, note } = createOutcomeLog();
    void one!.realm().write((tx) => tx.delete('Task', 'a'));
    note(two!.realm().write((tx) => tx.update('Task', 'a', { title: 'late' })));
    await world.run(0); // Sent, and not answered.
    note(two!.realm().write((tx) => tx.create('Task', { id: 'b', title: 'B', done: false })));
    await world.run(100);
    expect(outcomes).toEqual(['schema', 'invalid-state']);
    expect(idsOf(two!.realm())).toEqual([]);
  });

  it('sets the same objects aside, whatever the schema was when they were stored', async () => {
    const world = createTabWorld();
    const [before] = await openTabs(world, 1);
    const ids = Array.from({ length: limits.blockRowsMin + 10 }, (_, at) => `task ${at}`);
    await world.settle(
      before!.realm().write((tx) => {
        for (const id of ids) tx.create('Task', { id, title: id, done: false });
      }),
    );
    const { Task } = schema;
    const other = { Task: { ...Task, properties: { ...Task.properties, title: 'int' } } } as never;
    before!.closeRealm();
    await world.run(100);
    const tabs = await openTabs(world, 2, { realm: { schema: other } });
    const lists = tabs.map((app) => {
      let list: readonly unknown[] = [];
      app.realm().setAside$.subscribe((all) => (list = all));
      return [list.length, idsOf(app.realm()).length];
    });
    expect(lists).toEqual([
      [ids.length, 0],
      [ids.length, 0],
    ]);
  });
});
