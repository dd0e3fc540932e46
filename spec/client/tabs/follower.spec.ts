import { firstValueFrom, toArray } from 'rxjs';
import { exportRealm, importRealm, memoryStorage, openRealm } from '../../../lib/index.js';
import { type AppTab, createOutcomeLog, createTabWorld, idsOf, leaderOf, schema } from './tab-world.js';

const openTwo = async (options: Parameters<ReturnType<typeof createTabWorld>['openTab']>[0] = {}) => {
  const world = createTabWorld();
  const one = world.openTab(options);
  await world.run(100);
  const two = world.openTab(options);
  await world.run(100);
  return { world, one, two };
};

describe('a tab that follows', () => {
  it('lets later writes see the changes of earlier ones at once, and readers when they are stored', async () => {
    const { world, two } = await openTwo();
    const realm = two.realm();
    const seen: unknown[] = [];
    void realm.write((tx) => tx.create('Task', { id: 'a', title: 'A', done: false, tags: ['x'] }));
    const second = realm.write((tx) => {
      seen.push(tx.get('Task', 'a')?.title, realm.get('Task', 'a'));
      tx.list('Task', 'a', 'tags').insert(1, 'y');
      tx.increment('Task', 'a', 'votes', 2);
      return 'result';
    });
    const third = realm.write((tx) => {
      tx.list('Task', 'a', 'tags').move(0, 1);
      tx.list('Task', 'a', 'tags').insert(0, 'first');
    });
    await world.run(50);
    expect(seen).toEqual(['A', undefined]);
    expect(await second).toEqual({ result: 'result', version: 2 });
    expect((await third).version).toBe(3);
    expect(realm.get('Task', 'a')).toMatchObject({ tags: ['first', 'y', 'x'], votes: 2 });
    void realm.write((tx) => tx.list('Task', 'a', 'tags').remove(0));
    await world.run(50);
    expect(realm.get('Task', 'a')).toMatchObject({ tags: ['y', 'x'] });
  });

  it('names elements that it inserted in a write that is still under way', async () => {
    const { world, one, two } = await openTwo();
    two.add('a');
    await world.run(50);
    const realm = two.realm();
    void realm.write((tx) => tx.list('Task', 'a', 'tags').insert(0, 'x', 'y', 'z'));
    await world.run(1); // Sent, and not answered.
    void realm.write((tx) => tx.list('Task', 'a', 'tags').move(0, 2));
    void realm.write((tx) => tx.list('Task', 'a', 'tags').remove(0));
    await world.run(100);
    expect([one, two].map((app) => app.realm().get('Task', 'a')?.tags)).toEqual([
      ['z', 'x'],
      ['z', 'x'],
    ]);
  });

  it('rejects a write that another tab has made impossible, and the later ones that may build on it', async () => {
    const { world, one, two } = await openTwo();
    one.add('a');
    await world.run(50);
    const { outcomes, note } = createOutcomeLog();
    const realm = two.realm();
    void one.realm().write((tx) => tx.delete('Task', 'a'));
    note(realm.write((tx) => tx.update('Task', 'a', { title: 'late' })));
    note(realm.write((tx) => tx.create('Task', { id: 'b', title: 'B', done: false })));
    await world.run(100);
    note(realm.write((tx) => tx.create('Task', { id: 'c', title: 'C', done: false })));
    await world.run(100);
    expect(outcomes).toEqual(['schema', 'invalid-state', 'stored']);
    expect([one, two].map((app) => idsOf(app.realm()))).toEqual([['c'], ['c']]);
  });

  it('throws the errors of invalid writes at once, without the leader', async () => {
    const { two } = await openTwo();
    await expect(two.realm().write((tx) => tx.delete('Task', 'none'))).rejects.toMatchObject({ code: 'schema' });
    const asynchronous = (() => Promise.resolve()) as unknown as () => number;
    await expect(two.realm().write(asynchronous)).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('keeps the instances of objects that did not change, also when it takes the lead', async () => {
    const { world, one, two } = await openTwo();
    one.add('a');
    one.add('b');
    await world.run(50);
    const before = two.realm().get('Task', 'a');
    const results: unknown[] = [];
    two
      .realm()
      .objects$('Task')
      .subscribe((all) => results.push(all));
    void two.realm().write((tx) => tx.update('Task', 'b', { done: true }));
    await world.run(50);
    one.tab.close();
    await world.run(300);
    expect(leaderOf(world)).toBe(2);
    expect(two.realm().get('Task', 'a')).toBe(before);
    expect(results).toHaveLength(2);
  });

  it('has the numbers of the leader', async () => {
    const { world, one, two } = await openTwo();
    one.realm().session.pause();
    two.add('a');
    one.add('b');
    await world.run(50);
    expect(two.realm().stats()).toEqual(one.realm().stats());
    expect(two.realm().stats().outbox.changesets).toBe(2);
  });

  it('exports and imports', async () => {
    const { world, one, two } = await openTwo();
    one.add('a');
    await world.run(50);
    const lines = await firstValueFrom(exportRealm(two.realm()).pipe(toArray()));
    expect(lines).toEqual(await firstValueFrom(exportRealm(one.realm()).pipe(toArray())));
    const other = await openRealm({ schema, storage: memoryStorage() });
    await other.write((tx) => tx.create('Task', { id: 'z', title: 'Z', done: true, tags: ['t'] }));
    const more = await firstValueFrom(exportRealm(other).pipe(toArray()));
    const imported = await world.settle(importRealm(two.realm(), more, { onConflict: 'update' }));
    expect(imported).toEqual({ created: 1, updated: 0, skipped: 0 });
    expect(one.realm().get('Task', 'z')).toMatchObject({ tags: ['t'] });
  });

  it('works without a session', async () => {
    const world = createTabWorld();
    const tabs = [world.openTab({ isLocal: true })];
    await world.run(100);
    tabs.push(world.openTab({ isLocal: true }));
    await world.run(100);
    for (const [at, app] of tabs.entries()) app.add(String(at));
    await world.run(100);
    expect(tabs.map((app) => idsOf(app.realm()))).toEqual([
      ['0', '1'],
      ['0', '1'],
    ]);
    tabs[0]!.closeRealm();
    await world.run(100);
    tabs[1]!.add('2');
    await world.run(100);
    expect(leaderOf(world)).toBe(2);
    expect(idsOf(tabs[1]!.realm())).toEqual(['0', '1', '2']);
  });
});

describe('a realm that is closed in one tab', () => {
  const closedIn = async (choose: (one: AppTab, two: AppTab) => AppTab) => {
    const { world, one, two } = await openTwo();
    one.realm().session.pause();
    const closing = choose(one, two);
    const other = closing === one ? two : one;
    closing.add('last');
    const closed: unknown[] = [];
    void closing
      .realm()
      .close()
      .then(() => closed.push('closed'));
    await world.run(200);
    return { world, closing, other, closed };
  };

  it('goes on in the others, which upload its changes', async () => {
    for (const choose of [(one: AppTab) => one, (_: AppTab, two: AppTab) => two]) {
      const { world, closing, other, closed } = await closedIn(choose);
      expect([closed, closing.outcomes.get('last')]).toEqual([['closed'], 'stored']);
      expect(leaderOf(world)).toBe(other.tab.number);
      expect(other.realm().session.syncState).toBe('paused');
      other.realm().session.resume();
      await world.run(200);
      expect(other.realm().session.status).toMatchObject({ pending: { changesets: 0 }, sync: 'active' });
      await expect(closing.realm().write(() => undefined)).rejects.toMatchObject({ code: 'realm-closed' });
    }
  });

  it('ends its streams in that tab only', async () => {
    const { world, one, two } = await openTwo();
    const ended: string[] = [];
    for (const [name, app] of Object.entries({ one, two })) {
      const { session } = app.realm();
      session.status$.subscribe({ complete: () => ended.push(`${name} status`) });
      session.errors$.subscribe({ complete: () => ended.push(`${name} errors`) });
      app
        .realm()
        .objects$('Task')
        .subscribe({ complete: () => ended.push(`${name} objects`) });
      app.realm().rejectedWrites$.subscribe({ complete: () => ended.push(`${name} rejected`) });
    }
    two.closeRealm();
    await world.run(100);
    expect(ended.sort()).toEqual(['two errors', 'two objects', 'two rejected', 'two status']);
    await one.client.close();
    await world.run(100);
    expect(ended).toHaveLength(8);
  });

  it('can be opened again in it', async () => {
    const { world, one, two } = await openTwo();
    two.closeRealm();
    await world.run(100);
    two.reopen();
    await world.run(100);
    two.add('again');
    await world.run(100);
    expect(idsOf(one.realm())).toEqual(['again']);
  });
});
