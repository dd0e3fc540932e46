import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import type { LimitRow } from '../limits/limits-table.js';
import { medianOf } from '../peers/statistics.js';
import { type HandOver, handOverOf } from './hand-over-figures.js';
import type { Tab, TabBrowser } from './tab-browser.js';

/** Ends the lead of the first tab. */
interface EventKind {
  readonly prepare?: (leader: Tab, follower: Tab) => Promise<void>;
  readonly run: (leader: Tab) => Promise<unknown>;
}

const kinds: Readonly<Record<string, EventKind>> = {
  closed: { run: (leader) => leader.close() },
  crashed: { run: (leader) => leader.crash() },
  // Both are hidden before, because a hidden leader hands over to a visible tab, and a visible page cannot be frozen.
  frozen: {
    prepare: async (leader, follower) => {
      await follower.hide();
      await leader.hide();
    },
    run: (leader) => leader.freeze(),
  },
  'navigated away': { run: (leader) => leader.leave() },
  hidden: { run: (leader) => leader.hide() },
  busy: {
    run: (leader) => {
      leader.call('block', 3_000).catch(() => undefined); // The leader is closed before it answers.
      return Promise.resolve();
    },
  },
};

/** Milliseconds between the writes of the follower. */
const writeEveryMs = 4;
const waitMsMax = 10_000;

const waitFor = async (what: string, isTrue: () => Promise<boolean>): Promise<void> => {
  for (const ends = Date.now() + waitMsMax; Date.now() < ends;) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`There never was: ${what}`);
};

/** Measures how the lead passes from the first tab to the second. */
const measureHandOver = async ({ prepare, run }: EventKind, leader: Tab, follower: Tab): Promise<HandOver> => {
  await prepare?.(leader, follower);
  if (!(await leader.call('isLeading'))) throw new Error('The lead has changed before the event.');
  await follower.call('startWriting', writeEveryMs);
  await waitFor('durable writes', async () => (await follower.call('countWritten')) > 20);
  await run(leader);
  await waitFor('a new leader', () => follower.call('isLeading'));
  await waitFor('a connected session', () => follower.call('hasReconnected'));
  const written = await follower.call('countWritten');
  await waitFor('writes of the new leader', async () => (await follower.call('countWritten')) > written + 20);
  const { times, connectedAt } = await follower.call('stopWriting');
  return handOverOf(times, connectedAt);
};

const rowsOf = (label: string, all: readonly HandOver[], isBound: boolean): readonly LimitRow[] => {
  const rows = (name: string, values: readonly number[], bounds: readonly [median: number, worst: number] | null) =>
    [medianOf(values), Math.max(...values)].map((value, at): LimitRow => {
      const valueMax = bounds?.[at];
      const target = valueMax === undefined ? null : { valueMax };
      return { label: `leader ${label}: ${name}, ${at === 0 ? 'median' : 'worst'}, ms`, value, beside: null, target };
    });
  return [
    ...rows(
      'a write is durable',
      all.map(({ writeMs }) => writeMs),
      isBound ? [300, 1_000] : null,
    ),
    ...rows(
      'the session is connected',
      all.map(({ connectedMs }) => connectedMs),
      null,
    ),
  ];
};

interface Series {
  readonly kind: string;
  readonly rounds: number;
  readonly objects: number;
  readonly isBound: boolean;
}

const measureSeries = async (
  { openTab }: TabBrowser,
  port: number,
  { kind, rounds, objects, isBound }: Series,
): Promise<readonly LimitRow[]> => {
  const storage = `hand-over-${kind.replaceAll(' ', '-')}-${objects}`;
  const openNext = async (count: number): Promise<Tab> => {
    const tab = await openTab();
    await tab.call('open', storage, 'share', count, port);
    return tab;
  };
  let leader = await openNext(0);
  await leader.call('fill', objects);
  const all: HandOver[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const follower = await openNext(objects);
    all.push(await measureHandOver(kinds[kind]!, leader, follower));
    if (kind !== 'closed') await leader.close();
    await follower.show();
    leader = follower;
  }
  await leader.close();
  return rowsOf(objects > 1_000 ? `${kind}, ${objects} objects` : kind, all, isBound);
};

/** Measures hand-overs of each kind of event, with a real server. */
export const measureHandOvers = async (
  browser: TabBrowser,
  { rounds, isQuick }: { readonly rounds: number; readonly isQuick: boolean },
): Promise<readonly LimitRow[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-hand-over-'));
  const server = createSyncServer({
    ...{ storage: join(folder, 'data'), authenticate: allowAnyone, authorize: () => 'write' },
  });
  try {
    const { port } = await server.listen({ port: 0, host: '127.0.0.1', origins: [browser.origin] });
    const rows: LimitRow[] = [];
    const few = { rounds: Math.ceil(rounds / 5), isBound: false };
    const objects = 1_000;
    const all = Object.keys(kinds).map((kind): Series => ({
      kind,
      objects,
      ...(kind === 'busy' ? few : { rounds, isBound: true }),
    }));
    const many = ['closed', 'crashed'].map((kind): Series => ({ kind, objects: isQuick ? 5_000 : 50_000, ...few }));
    for (const series of [...all, ...many]) {
      rows.push(...(await measureSeries(browser, port, series)));
      process.stderr.write('.');
    }
    return rows;
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
