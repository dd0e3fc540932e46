import { of } from 'rxjs';
import { createSubscriptions, createSyncClient, memoryStorage, openRealm } from '../../../lib/index.js';
import { type AppTab, createTabWorld, idsOf, leaderOf, type OpenTabOptions, schema } from './tab-world.js';

const partial = (): OpenTabOptions => ({ realm: { subscriptions: createSubscriptions() } });

/** Opens tabs with subscriptions, one after the other: the first one leads. Another device has written some tasks. */
const openTabs = async (count: number) => {
  const world = createTabWorld();
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
  return { world, write, tabs, one: tabs[0]!, two: tabs[1]!, three: tabs[2]! };
};

const statesOf = (tabs: readonly AppTab[]) =>
  tabs.map((app) => {
    let state: unknown;
    app.realm().subscriptions.state$.subscribe((shown) => (state = shown)).unsubscribe();
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
    expect(shown).toEqual(['pending', 'bootstrapping', 'complete']);
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
    expect(leaderOf(world)).toBe(1);
  });
});
