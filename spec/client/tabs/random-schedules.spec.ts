import { createSeededRandom } from '../../../lib/model/seeded-random.js';
import { type AppTab, createTabWorld, idsOf } from './tab-world.js';

/** Milliseconds after which a disturbed realm must be in order again. */
const settleMs = 5_000;
const [seeds, firstSeed] = [Number(process.env['TAB_SEEDS'] ?? 60), Number(process.env['TAB_FROM'] ?? 1)];

/** Plays random acts of an app and its user in several tabs. */
const createPlayer = (seed: number) => {
  const world = createTabWorld(seed);
  const random = createSeededRandom(seed * 7919);
  const draw = (most: number): number => Math.floor(random() * most);
  const tabs: AppTab[] = [];
  const gone = new Set<AppTab>();
  const log: string[] = [];
  let writes = 0;
  const alive = (): AppTab[] => tabs.filter((each) => !gone.has(each));
  const note = (text: string): void => void log.push(`${world.time.frame} ${text}`);
  const open = (): void => {
    if (alive().length >= 4) return;
    tabs.push(world.openTab({ hidden: random() < 0.3 }));
    note(`open ${tabs.at(-1)!.tab.number}`);
  };
  const write = (app: AppTab): void => {
    if (!app.isOpen() || app.tab.isFrozen() || gone.has(app)) return;
    for (let left = draw(4); left >= 0; left -= 1) {
      writes += 1;
      note(`write w${writes} in ${app.tab.number}`);
      app.add(`w${writes}`);
    }
  };
  const acts: Readonly<Record<string, (app: AppTab) => void>> = {
    close: (app) => {
      app.tab.close();
      gone.add(app);
    },
    crash: (app) => {
      app.tab.crash();
      gone.add(app);
    },
    freeze: ({ tab }) => tab.freeze(),
    resume: ({ tab }) => tab.resume(),
    hide: ({ tab }) => tab.hide(),
    show: ({ tab }) => tab.show(),
  };
  const act = (): void => {
    const app = alive()[draw(alive().length)];
    const name = Object.keys(acts)[draw(15)];
    if (!app || draw(10) === 0) open();
    else if (name === undefined) write(app);
    else if (alive().length > 1 || (name !== 'close' && name !== 'crash')) {
      note(`${name} ${app.tab.number}`);
      acts[name]?.(app);
    }
  };
  return { world, tabs, alive, log, open, act, draw };
};

/** The faults after a schedule: the state of each tab, and the outcome of each write. */
const findFaults = ({ world, tabs, alive }: ReturnType<typeof createPlayer>): readonly string[] => {
  const faults: string[] = [];
  const ids = idsOf(alive()[0]!.realm());
  for (const app of alive()) {
    const { number } = app.tab;
    if (idsOf(app.realm()).join() !== ids.join()) faults.push(`tab ${number} has other objects`);
    const { connection, pending } = app.realm().session.status;
    if (connection.state !== 'connected') faults.push(`tab ${number} is ${connection.state}`);
    if (pending.changesets > 0) faults.push(`tab ${number} has pending changes`);
    const votes = app.realm().get('Task', 'total')!.votes;
    if (votes !== ids.length) faults.push(`tab ${number} has counted ${votes} of ${ids.length} writes`);
    for (const [id, outcome] of app.outcomes) if (outcome === 'pending') faults.push(`${id} is not answered`);
  }
  for (const { outcomes } of tabs) {
    for (const [id, outcome] of outcomes) {
      if (outcome === 'stored' && !ids.includes(id)) faults.push(`${id} is lost`);
      if (outcome instanceof Error && ids.includes(id)) faults.push(`${id} was rejected, but is there`);
    }
  }
  for (const { from, to } of world.doubles) {
    if ((to ?? world.time.frame) - from > 1_000) faults.push(`two sockets from ${from} to ${to}`);
  }
  return faults;
};

/** Plays the schedule of a seed. Returns it with its faults; an empty text without any. */
const playSeed = async (seed: number): Promise<string> => {
  const player = createPlayer(seed);
  const { world, alive, log, open, act, draw } = player;
  open();
  await world.run(100);
  alive()[0]!.add('total');
  await world.run(100);
  for (let step = 0; step < 40; step += 1) {
    await world.run(draw(10) === 0 ? draw(2_000) : draw(60));
    act();
  }
  for (const { tab } of alive()) tab.resume();
  await world.run(settleMs);
  const closed = alive().find((app) => !app.isOpen());
  const faults = closed ? [`tab ${closed.tab.number} is not open: ${String(closed.error())}`] : findFaults(player);
  await world.server.close();
  return faults.length === 0 ? '' : `seed ${seed}:\n${[...log, ...faults].join('\n')}`;
};

describe('a realm in several tabs', () => {
  it('loses no write, repeats none, and is the same in all tabs after any schedule, with one socket', async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) expect(await playSeed(seed)).toBe('');
  }, 240_000);
});
