import { leaderOf, runWithTabs, type Tab, waitForCall, waitUntilSynced } from './tabs-kit.js';

/** Hand-overs of each kind. With 20 or more the run is a measurement, on a machine that does nothing else. */
const rounds = Number(process.env['ROUNDS'] ?? 4);
/** A few hand-overs beside other specs, which build apps and start browsers, may take twice as long. */
const slack = rounds < 20 ? 2 : 1;

const kit = runWithTabs();
afterEach(() => kit.closeAll());

interface HandOver {
  readonly name: string;
  readonly end: (leader: Tab) => Promise<unknown>;
  /** Prepares all tabs. */
  readonly prepare?: (tab: Tab) => Promise<void>;
  /** Whether the leader still runs afterwards. */
  readonly comesBack?: (leader: Tab, storage: string) => Promise<unknown>;
  readonly medianMs?: number;
  readonly worstMs?: number;
  /** The time in which the leader cannot close its socket, because its thread is busy. */
  readonly busyMs?: number;
  /** Whether no page may query locks meanwhile: that removes the leader from the cache of the back button. */
  readonly isUnquestioned?: boolean;
}

const busyMs = 2_500;

const kinds: readonly HandOver[] = [
  { name: 'is closed', end: (leader) => leader.close() },
  { name: 'crashes', end: (leader) => leader.crash() },
  { name: 'is reloaded', end: (leader) => leader.opened.reload() },
  {
    name: 'navigates away',
    end: (leader) => leader.leave(),
    comesBack: async (leader, storage) => {
      // Chromium may discard a page of its cache at any time.
      if (!(await leader.back())) expect(await kit.open(leader, storage)).toBe('done');
    },
    isUnquestioned: true,
  },
  {
    name: 'is frozen',
    prepare: (tab) => tab.hide(), // Otherwise hiding it would be the reason.
    end: (leader) => leader.freeze(),
    comesBack: (leader) => leader.resume(),
  },
  { name: 'is hidden', end: (leader) => leader.hide(), comesBack: (leader) => leader.show() },
  {
    name: 'does not answer',
    end: (leader) => {
      void leader.call('block', busyMs);
      return Promise.resolve();
    },
    comesBack: () => Promise.resolve(),
    medianMs: 1_000, // It takes half a second until it is replaced, as it may only compute.
    worstMs: 1_500,
    busyMs,
  },
];

const medianOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Writes in a follower while its leader goes away. Returns the milliseconds of its longest write. */
const handOver = async (storage: string, kind: HandOver): Promise<number> => {
  const { end, prepare, comesBack } = kind;
  const tabs = await kit.openTabs(storage, 2);
  for (const tab of tabs) await prepare?.(tab);
  const leader = await leaderOf(tabs, storage);
  const follower = tabs.find((tab) => tab !== leader)!;
  await follower.call('startMeasuring', 'f');
  await waitForCall(follower, 'count', (count) => count > 3);
  const ended = end(leader);
  if (kind.isUnquestioned === true) {
    await ended;
    const before = await follower.call('count');
    await waitForCall(follower, 'count', (count) => count > before + 5);
  } else await waitForCall(follower, 'leads', Boolean, storage);
  const longest = await follower.call('stopMeasuring');
  await ended;
  await comesBack?.(leader, storage);

  const outcomes = Object.entries(await follower.call('outcomes'));
  expect(outcomes.filter(([, outcome]) => outcome !== 'done')).toEqual([]);
  const ids = outcomes.map(([id]) => id).sort();
  expect(await follower.call('write', 'last')).toBe('done');
  const all = [...ids, 'last'].sort();
  const living = comesBack ? tabs : [follower];
  for (const tab of living) {
    await waitForCall(tab, 'ids', (found) => found.join() === all.join());
    await waitUntilSynced(tab);
    expect(await tab.call('count')).toBe(all.length);
  }
  expect(await kit.site().read(storage)).toEqual({ ids: all, count: all.length });
  expect(kit.site().doubleMs(storage)).toBeLessThan(1_000 + (kind.busyMs ?? 0));
  await kit.closeAll();
  return longest;
};

describe('a follower that writes while the leader', () => {
  it.each(kinds)(
    '$name takes over within a fraction of a second, and no write is lost or applied twice',
    async (kind) => {
      const figures: number[] = [];
      for (let round = 1; round <= rounds; round += 1)
        figures.push(await handOver(`${kind.name.replaceAll(' ', '-')}-${round}`, kind));
      const [median, worst] = [medianOf(figures), Math.max(...figures)].map(Math.round) as [number, number];
      process.stdout.write(`The leader ${kind.name}: median ${median} ms, worst ${worst} ms of ${rounds}\n`);
      expect(median).toBeLessThan(slack * (kind.medianMs ?? 300));
      expect(worst).toBeLessThan(slack * (kind.worstMs ?? 1_000));
    },
    rounds * 15_000 + 30_000,
  );
});
