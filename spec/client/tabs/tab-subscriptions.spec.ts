import { firstValueFrom, of } from 'rxjs';
import { createSubscriptions, createSyncClient, memoryStorage, openRealm } from '../../../lib/index.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import {
  type AppTab,
  createTabWorld,
  idsOf,
  leaderOf,
  listenForTabs,
  type OpenTabOptions,
  schema,
} from './tab-world.js';

const partial = (): OpenTabOptions => ({ realm: { subscriptions: createSubscriptions() } });

/** Opens tabs with subscriptions, one after the other: the first one leads. Another device has written some tasks. */
const openTabs = async (count: number, seed = 1) => {
  const world = createTabWorld(seed);
  const { ids, channel } = listenForTabs(world);
  const { time: scheduler, server } = world;
  const clock = { scheduler, random: () => 0.5, now: () => scheduler.now() };
  const client = createSyncClient({ dial: of(server.wire), clock });
  const other = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'tasks' } });
  const write = (id: string, done: boolean) => other.write((tx) => tx.create('Task', { id, title: id, done }));
  for (const id of ['a', 'b', 'c']) void write(id, id === 'c');
  await world.run(100);
  const tabs: AppTab[] = [];
  for (let opened = 0; opened < count; opened += 1) {
    tabs.push(world.openTab(partial()));
    await world.run(100);
  }
  return { world, ids, channel, write, tabs, one: tabs[0]!, two: tabs[1]!, three: tabs[2]! };
};

const statesOf = (tabs: readonly AppTab[]) =>
  tabs.map((app) => {
    let state: unknown;
    app
      .realm()
      .subscriptions.state$.subscribe((shown) => (state = shown))
      .unsubscribe();
    return state;
  });

const open = { where: { done: false } } as const;

describe('the subscriptions of a realm in several tabs', () => {
  it('are those of all tabs, whichever tab makes them', async () => {
    const { world, tabs, one, two } = await openTabs(2);
    const handle = two.realm().subscribe('Task', open, { name: 'open' });
    const shown: string[] = [];
    handle.state$.subscribe((state) => shown.push(state));
    expect(statesOf(tabs)).toEqual(['complete', 'pending']);
    await world.run(200);
    expect([shown[0], shown.at(-1)]).toEqual(['pending', 'complete']);
    expect(tabs.map((app) => idsOf(app.realm()))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    one.realm().subscribe('Task');
    await world.run(200);
    expect(statesOf(tabs)).toEqual(['complete', 'complete']);
    expect(idsOf(two.realm())).toEqual(['a', 'b', 'c']);
    await world.settle(one.realm().subscriptions.update((edit) => edit.clear()));
    await world.run(200);
    expect(shown.at(-1)).toBe('removed');
    expect(tabs.map((app) => idsOf(app.realm()))).toEqual([[], []]);
    expect(leaderOf(world)).toBe(2);
  });

  it('make downloadComplete$ wait for their objects, in the tab that has made them', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { world, two } = await openTabs(2, seed);
      two.add('mine');
      await world.run(0); // The message with the write is in flight, so that the subscription has to wait.
      two.realm().subscribe('Task', open);
      const downloaded = firstValueFrom(two.realm().session.downloadComplete$).then(() => idsOf(two.realm()));
      expect(await world.settle(downloaded)).toEqual(expect.arrayContaining(['a', 'b']));
    }
  });

  it('are kept when the tab that leads ends before it has stored them', async () => {
    const { world, one, two, three } = await openTabs(3);
    const handle = two.realm().subscribe('Task', open, { name: 'open' });
    const shown: string[] = [];
    handle.state$.subscribe((state) => shown.push(state));
    one.tab.crash();
    three.realm().subscribe('Task', open, { name: 'open' });
    three.realm().subscribe('Task', { where: { done: true } });
    await world.run(3_000);
    expect([two, three].map((app) => idsOf(app.realm()))).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
    expect([shown[0], shown.at(-1), shown.includes('removed')]).toEqual(['pending', 'complete', false]);
    expect(two.realm().subscriptions.version).toBe(2);
    expect(handle.id).toBe(1);
    await world.settle(handle.unsubscribe());
    await world.run(200);
    expect(idsOf(three.realm())).toEqual(['c']);
  });

  it('are taken back where the leader cannot store them, with its error', async () => {
    const { world, one, two } = await openTabs(2);
    void one.realm().subscribe('Task', open, { name: 'mine', onConflict: 'error' });
    const update = two
      .realm()
      .subscriptions.update((edit) => edit.set('Task', {}, { name: 'mine', onConflict: 'error' }))
      .catch((thrown: unknown) => thrown);
    expect(await world.settle(update)).toMatchObject({ name: 'InvalidArgumentError', argument: 'options.name' });
    expect(idsOf(two.realm())).toEqual(['a', 'b']);
    expect(two.realm().subscriptions.version).toBe(1);
  });

  it('are stored by the next leader, when a leader was replaced before it has stored them', async () => {
    for (const ms of [0, 1, 2, 3, 5, 8]) {
      const { world, ids, channel, one, two } = await openTabs(2, ms + 1);
      const stored = one.realm().subscriptions.update((edit) => {
        edit.set('Task', open);
      });
      channel.post({ type: 'yield', tab: 'x', to: ids[1] });
      await world.run(ms);
      const handle = one.realm().subscribe('Task', { where: { done: true } });
      await world.run(1_000);
      await world.settle(stored);
      expect(leaderOf(world)).toBe(3);
      await world.settle(firstValueFrom(handle.sync$));
      expect([one, two].map((app) => [app.realm().subscriptions.version, idsOf(app.realm())])).toEqual([
        [2, ['a', 'b', 'c']],
        [2, ['a', 'b', 'c']],
      ]);
    }
  });

  it('that are there already are stored as soon as the change that has made them', async () => {
    const { world, one, two } = await openTabs(2);
    const settled: string[] = [];
    for (const name of ['first', 'same'])
      void two
        .realm()
        .subscriptions.update((edit) => {
          edit.set('Task', open);
        })
        .then(() => settled.push(name));
    one.tab.crash();
    await world.run(20);
    expect(settled).toEqual([]);
    await world.run(2_000);
    expect(settled).toEqual(['first', 'same']);
  });

  it('are rejected in all tabs, also in one that is opened later', async () => {
    const { watchedPropertiesMax } = serverLimits;
    Object.assign(serverLimits, { watchedPropertiesMax: 1 });
    const { world, one, two } = await openTabs(2);
    one.realm().subscribe('Task', { where: { done: false, title: 'a' } });
    await world.run(200);
    const three = world.openTab(partial());
    await world.run(200);
    Object.assign(serverLimits, { watchedPropertiesMax });
    const states = [one, two, three].map((app) => {
      const seen: unknown[] = [];
      app
        .realm()
        .subscriptions.list$.subscribe((list) => seen.push(list.map(({ state }) => state)))
        .unsubscribe();
      return seen;
    });
    expect(states).toEqual([[['rejected']], [['rejected']], [['rejected']]]);
  });

  it('that were removed before the leader has answered are removed', async () => {
    const { world, one, two } = await openTabs(2);
    const handle = two.realm().subscribe('Task', open);
    expect(handle.id).toBeLessThan(0);
    await world.settle(handle.unsubscribe());
    await world.run(100);
    expect([one, two].map((app) => app.realm().subscriptions.version)).toEqual([2, 2]);
    expect(statesOf([one, two])).toEqual(['complete', 'complete']);
  });

  it('say in each tab which objects have left', async () => {
    const { world, write, two } = await openTabs(2);
    await world.settle(two.realm().subscriptions.update((edit) => edit.set('Task', open)));
    await world.run(200);
    const left: string[] = [];
    two
      .realm()
      .changes$('Task')
      .subscribe((changes) => left.push(...[...changes.left].map(String)));
    await world.settle(write('d', false));
    await world.settle(two.realm().subscriptions.update((edit) => edit.clear()));
    await world.run(200);
    expect(left.sort()).toEqual(['a', 'b', 'd']);
  });

  it('begin once for all tabs, and again in each tab that wants it', async () => {
    const world = createTabWorld();
    const calls: number[] = [];
    const first = (rerunOnOpen: boolean): OpenTabOptions => ({
      realm: {
        subscriptions: createSubscriptions({
          rerunOnOpen,
          initial: (edit) => {
            calls.push(calls.length);
            edit.set('Task', open, { name: 'open' });
          },
        }),
      },
    });
    const tabs = [world.openTab(first(false))];
    await world.run(100);
    expect(tabs[0]!.realm().subscriptions.version).toBe(1);
    for (const again of [false, true]) {
      tabs.push(world.openTab(first(again)));
      await world.run(100);
    }
    expect(calls).toEqual([0, 1]);
    expect(tabs.map((app) => app.realm().subscriptions.version)).toEqual([1, 1, 1]);
  });

  it('are in all tabs of a realm, or in none', async () => {
    const world = createTabWorld();
    world.openTab(partial());
    await world.run(100);
    const two = world.openTab();
    await world.run(2_000);
    expect(two.error()).toMatchObject({ name: 'InvalidArgumentError', argument: 'subscriptions' });
  });
});
