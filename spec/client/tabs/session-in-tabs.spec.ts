import { firstValueFrom } from 'rxjs';
import type { SyncError } from '../../../lib/index.js';
import { type AppTab, createTabWorld, idsOf, leaderOf } from './tab-world.js';

/** Opens tabs one after the other: the first one leads. */
const openTabs = async (count: number, ...options: Parameters<ReturnType<typeof createTabWorld>['openTab']>) => {
  const world = createTabWorld();
  const tabs: AppTab[] = [];
  for (let opened = 0; opened < count; opened += 1) {
    tabs.push(world.openTab(...options));
    await world.run(100);
  }
  return { world, tabs, one: tabs[0]!, two: tabs[1]!, three: tabs[2]! };
};

const statesOf = (tabs: readonly AppTab[]) => tabs.map((app) => app.realm().session.syncState);

describe('the session of a realm in several tabs', () => {
  it('is one session: all tabs show its status, and there is one connection', async () => {
    const { world, tabs } = await openTabs(3);
    expect(tabs.map((app) => app.realm().session.status)).toEqual([
      ...Array.from({ length: 3 }, () => tabs[0]!.realm().session.status),
    ]);
    expect(tabs[2]!.realm().session.connectionState).toBe('connected');
    expect([...world.sockets.values()].reduce((sum, each) => sum + each)).toBe(1);
  });

  it('is paused and resumed in any tab, at once there and soon in all', async () => {
    const { world, tabs, two, three } = await openTabs(3);
    const shown: string[] = [];
    two.realm().session.syncState$.subscribe((state) => shown.push(state));
    two.realm().session.pause();
    expect(two.realm().session.syncState).toBe('paused');
    await world.run(50);
    expect(statesOf(tabs)).toEqual(['paused', 'paused', 'paused']);
    three.realm().session.resume();
    await world.run(50);
    expect(statesOf(tabs)).toEqual(['active', 'active', 'active']);
    expect(shown).toEqual(['active', 'paused', 'active']);
  });

  it('stays paused when another tab takes the lead', async () => {
    const { world, one, two, three } = await openTabs(3);
    three.realm().session.pause();
    await world.run(50);
    one.tab.close();
    await world.run(300);
    expect(statesOf([two, three])).toEqual(['paused', 'paused']);
    expect([...world.sockets].filter(([, open]) => open > 0 && !one.tab.isEnded())).toEqual([]);
  });

  it('knows what it has downloaded, and when it was last in sync, also offline when another tab takes the lead', async () => {
    const { world, one, two, three } = await openTabs(3);
    one.add('a');
    await world.run(100);
    await world.settle(firstValueFrom(one.realm().session.downloadComplete$));
    const { downloaded, lastSyncedAt } = three.realm().session.status;
    expect([downloaded.version, lastSyncedAt]).toEqual([1, expect.any(Number)]);
    world.setOffline(true);
    one.tab.close();
    await world.run(500);
    for (const app of [two, three])
      expect(app.realm().session.status).toMatchObject({ downloaded: { version: 1, behind: null }, lastSyncedAt });
  });

  it('answers waits of a follower, also after another tab has taken the lead', async () => {
    const { world, one, two } = await openTabs(2);
    one.realm().session.pause();
    two.add('a');
    await world.run(50);
    const settled: string[] = [];
    const wait = (name: string, waiting: Promise<unknown>): void =>
      void waiting.then(
        () => settled.push(name),
        (thrown: unknown) => settled.push(`${name}: ${String(thrown)}`),
      );
    const { session } = two.realm();
    wait('upload', firstValueFrom(session.uploadComplete$));
    wait('download', firstValueFrom(session.downloadComplete$));
    const stages: string[] = [];
    session.written$(two.realm().stats().cursors.written).subscribe(({ state }) => stages.push(state));
    await world.run(50);
    expect([settled, stages]).toEqual([[], ['saved']]);
    one.tab.crash();
    await world.run(300);
    expect([settled, session.syncState]).toEqual([[], 'paused']);
    session.resume();
    await world.run(300);
    expect([settled.sort(), stages]).toEqual([
      ['download', 'upload'],
      ['saved', 'sent', 'accepted'],
    ]);
  });

  it('ends the waits of all tabs with the error of the session', async () => {
    const { world, two } = await openTabs(2);
    const ended: unknown[] = [];
    two.realm().session.pause();
    two.realm().session.downloadComplete$.subscribe({ error: (thrown: unknown) => ended.push(thrown) });
    await world.run(50);
    void two.client.logOut();
    await world.run(50);
    expect(ended).toEqual([expect.objectContaining({ code: 'session-closed', message: 'The user logged out.' })]);
  });

  it('is logged out in all tabs when one logs out, and stays so when another tab takes the lead', async () => {
    const { world, tabs, one, two, three } = await openTabs(3);
    void three.client.logOut();
    expect(three.realm().session.syncState).toBe('inactive');
    await world.run(50);
    expect(statesOf(tabs)).toEqual(['inactive', 'inactive', 'inactive']);
    expect(one.realm().session.status.connection).toMatchObject({ reason: { kind: 'logged-out' } });
    one.tab.close();
    await world.run(500);
    expect(statesOf([two, three])).toEqual(['inactive', 'inactive']);
    expect([...world.sockets].filter(([tab, open]) => open > 0 && !tab.isEnded())).toEqual([]);
  });

  it('is logged out also in a tab that was frozen meanwhile', async () => {
    const { world, one, two } = await openTabs(2);
    two.tab.freeze();
    await world.run(100);
    void one.client.logOut();
    await world.run(100);
    two.tab.resume();
    await world.run(1_000);
    one.tab.close();
    await world.run(1_000);
    expect(two.realm().session.syncState).toBe('inactive');
    two.client.logIn();
    await world.run(500);
    expect(two.realm().session.connectionState).toBe('connected');
  });

  it('ends what a tab asked of the leader when the realm is closed in that tab', async () => {
    const { world, one, two } = await openTabs(2);
    one.tab.freeze();
    const refreshed = two.realm().refresh();
    two.closeRealm();
    await world.settle(refreshed);
    await world.run(500);
    expect(leaderOf(world)).toBeUndefined();
  });

  it('goes on in the tab that logs in again', async () => {
    const { world, tabs, two } = await openTabs(3);
    void two.client.logOut();
    two.client.logIn();
    await world.run(500);
    expect(statesOf(tabs)).toEqual(['active', 'active', 'active']);
    expect(leaderOf(world)).toBe(2);
  });

  it('reconnects at once when any tab asks for it', async () => {
    for (const ask of [(app: AppTab) => app.realm().session.reconnect(), (app: AppTab) => app.client.reconnect()]) {
      const world = createTabWorld();
      world.setOffline(true);
      world.openTab();
      await world.run(100);
      const two = world.openTab();
      await world.run(20_000); // By now the backoff is long.
      world.setOffline(false);
      await world.run(50);
      expect(two.realm().session.connectionState).toBe('disconnected');
      ask(two);
      await world.run(50);
      expect(two.realm().session.connectionState).toBe('connected');
    }
  });

  it('emits its errors in every tab once, as instances of their classes', async () => {
    const { world, tabs } = await openTabs(2);
    const errors: SyncError[][] = tabs.map((app) => {
      const seen: SyncError[] = [];
      app.realm().session.errors$.subscribe((error) => seen.push(error));
      app.client.errors$.subscribe((error) => seen.push(error));
      return seen;
    });
    world.rejectWrites();
    tabs[1]!.add('bad');
    await world.run(100);
    for (const seen of errors) {
      expect(seen).toHaveLength(2);
      for (const error of seen) expect(error).toMatchObject({ code: 'write-refused', name: 'CompensatingWriteError' });
    }
    expect(tabs.map((app) => idsOf(app.realm()))).toEqual([[], []]);
  });

  it('lists rejected writes in every tab, where they can be retried and discarded', async () => {
    const { world, tabs, one, two } = await openTabs(2);
    const lists = tabs.map((app) => {
      const seen: number[][] = [];
      app.realm().rejectedWrites$.subscribe((all) => seen.push(all.map(({ id }) => id)));
      return seen;
    });
    const accept = world.rejectWrites();
    two.add('a');
    one.add('b');
    await world.run(100);
    expect(lists.map((seen) => seen.at(-1))).toEqual([
      [1, 2],
      [1, 2],
    ]);
    accept();
    const retried = two.realm().retry(1);
    const discarded = two.realm().discard(2);
    const unknown = expect(two.realm().discard(7)).rejects.toMatchObject({ code: 'invalid-argument' });
    await world.run(100);
    await Promise.all([retried, discarded, unknown]);
    expect(lists.map((seen) => seen.at(-1))).toEqual([[], []]);
    expect(tabs.map((app) => idsOf(app.realm()).length)).toEqual([1, 1]);
  });
});

it('a tab shows every write that it shows as pending too, also while it takes the lead', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const world = createTabWorld(seed, 40);
    world.setOffline(true);
    const [one, two] = [world.openTab(), world.openTab()];
    await world.run(1_000);
    const missing = (): number => idsOf(two.realm()).length - two.realm().session.status.pending.changesets;
    const seen: number[] = [];
    two
      .realm()
      .objects$('Task')
      .subscribe(() => seen.push(missing()));
    for (const id of ['a', 'b', 'c']) {
      (id === 'b' ? two : one).add(id);
      await world.run(60);
    }
    one.add('d');
    await world.run(seed * 2);
    one.tab.crash();
    for (let ms = 0; ms < 1_500; ms += 1) {
      await world.run(1);
      seen.push(missing());
    }
    expect(Math.max(...seen)).toBeLessThanOrEqual(0);
    expect(leaderOf(world)).toBe(two.tab.number);
  }
}, 30_000);
