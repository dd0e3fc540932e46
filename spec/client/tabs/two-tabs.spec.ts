import { createTabWorld, idsOf, leaderOf } from './tab-world.js';

describe('a realm in two tabs', () => {
  it('has the same objects in both', async () => {
    const world = createTabWorld();
    const one = world.openTab();
    await world.run(50);
    one.add('a');
    await world.run(50);
    const two = world.openTab();
    await world.run(50);
    expect(idsOf(two.realm())).toEqual(['a']);
    two.add('b');
    await world.run(50);
    expect([...two.outcomes]).toEqual([['b', 'stored']]);
    expect([idsOf(one.realm()), idsOf(two.realm())]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    expect(leaderOf(world)).toBe(1);
  });

  it('goes on in the second tab when the first one is closed', async () => {
    const world = createTabWorld();
    const one = world.openTab();
    await world.run(50);
    const two = world.openTab();
    await world.run(50);
    one.add('a');
    two.add('b');
    await world.run(20);
    one.tab.close();
    two.add('c');
    await world.run(300);
    expect(idsOf(two.realm())).toEqual(['a', 'b', 'c']);
    expect([...two.outcomes]).toEqual([
      ['b', 'stored'],
      ['c', 'stored'],
    ]);
    expect(two.realm().session.connectionState).toBe('connected');
    expect(leaderOf(world)).toBe(2);
  });
});
