import { createSeededRandom } from '../../../lib/model/seeded-random.js';
import { type AppTab, createTabWorld, idsOf } from './tab-world.js';

/** Milliseconds after which a disturbed realm must be in order again. */
const settleMs = 5_000;
const seeds = Number(process.env['TAB_SEEDS'] ?? 60);
const firstSeed = Number(process.env['TAB_FROM'] ?? 1);

/** Plays a random schedule, and returns what is wrong afterwards. */
const play = async (seed: number): Promise<readonly string[]> => {
  const world = createTabWorld(seed);
  const random = createSeededRandom(seed * 7919);
  const draw = (most: number): number => Math.floor(random() * most);
  const tabs: AppTab[] = [];
  const gone = new Set<AppTab>();
  const frozen = new Set<AppTab>();
  const log: string[] = [];
  let writes = 0;
  const alive = (): AppTab[] => tabs.filter((each) => !gone.has(each));
  const note = (text: string): void => void log.push(`${world.time.frame} ${text}`);
  const open = (): void => {
    if (alive().length < 4) tabs.push(world.openTab({ hidden: random() < 0.3 }));
    note(`open ${tabs.at(-1)!.tab.number}`);
  };
  open();
  for (let step = 0; step < 40; step += 1) {
    await world.run(draw(10) === 0 ? draw(2_000) : draw(60));
    const all = alive();
    const app = all[draw(all.length)];
    const kind = draw(16);
    if (kind <= 1 || !app) open();
    else if (kind === 2 && all.length > 1) {
      note(`close ${app.tab.number}`);
      app.tab.close();
      gone.add(app);
    } else if (kind === 3 && all.length > 1) {
      note(`crash ${app.tab.number}`);
      app.tab.crash();
      gone.add(app);
    } else if (kind === 4) {
      note(`freeze ${app.tab.number}`);
      app.tab.freeze();
      frozen.add(app);
    } else if (kind === 5) {
      note(`resume ${app.tab.number}`);
      app.tab.resume();
      frozen.delete(app);
    } else if (kind === 6) {
      note(`hide ${app.tab.number}`);
      app.tab.hide();
    } else if (kind === 7) {
      note(`show ${app.tab.number}`);
      app.tab.show();
    } else if (app.isOpen() && !frozen.has(app)) {
      for (let left = draw(4); left >= 0; left -= 1) {
        writes += 1;
        note(`write w${writes} in ${app.tab.number}`);
        app.add(`w${writes}`);
      }
    }
  }
  for (const app of frozen) if (!gone.has(app)) app.tab.resume();
  await world.run(settleMs);
  const wrong: string[] = [];
  const states = alive().map((app) => ({ app, ids: app.isOpen() ? idsOf(app.realm()) : null }));
  const [first] = states;
  for (const { app, ids } of states) {
    const { number } = app.tab;
    if (ids === null) wrong.push(`tab ${number} is not open: ${String(app.error())}`);
    else if (ids.join() !== first!.ids?.join()) wrong.push(`tab ${number} has other objects`);
    if (ids !== null && app.realm().session.connectionState !== 'connected')
      wrong.push(`tab ${number} is not connected`);
    if (ids !== null && app.realm().session.status.pending.changesets > 0)
      wrong.push(`tab ${number} has pending changes`);
  }
  for (const app of tabs) {
    for (const [id, outcome] of app.outcomes) {
      const isThere = first!.ids?.includes(id) === true;
      if (outcome === 'stored' && !isThere) wrong.push(`${id} of tab ${app.tab.number} is lost`);
      if (outcome !== 'stored' && isThere)
        wrong.push(`${id} of tab ${app.tab.number} was rejected, but is there: ${outcome.message}`);
    }
  }
  const unsettled = alive().flatMap(({ outcomes, tab }) => (outcomes.has('?') ? [`tab ${tab.number}`] : []));
  wrong.push(...unsettled);
  for (const { from, to } of world.doubles) {
    if ((to ?? world.time.frame) - from > 1_000) wrong.push(`two sockets from ${from} to ${to}`);
  }
  await world.server.close();
  return wrong.length > 0 ? [...log, ...wrong] : [];
};

describe('a random schedule of tabs', () => {
  it('loses no write, repeats none, and leaves all tabs equal', async () => {
    const failures: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      const wrong = await play(seed);
      if (wrong.length > 0) failures.push(`seed ${seed}:\n  ${wrong.join('\n  ')}`);
      if (failures.length >= 2) break;
    }
    expect(failures.join('\n')).toBe('');
  }, 240_000);
});
