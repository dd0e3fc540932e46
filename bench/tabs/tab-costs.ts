import type { LimitRow } from '../limits/limits-table.js';
import { medianOf, percentileOf } from '../peers/statistics.js';
import type { Tab, TabBrowser } from './tab-browser.js';

type Mode = 'share' | 'exclusive';

const openIn = async ({ openTab }: TabBrowser, storage: string, mode: Mode, count: number): Promise<Tab> => {
  const tab = await openTab();
  await tab.call('open', storage, mode, count);
  return tab;
};

/** Creates a database with objects. */
const fillStorage = async (browser: TabBrowser, storage: string, count: number): Promise<void> => {
  const tab = await openIn(browser, storage, 'exclusive', 0);
  await tab.call('fill', count);
  await tab.call('close');
  await tab.close();
};

/** Closes tabs one after the other, and their realms before, so that the next tab finds all locks free. */
const closeAll = async (tabs: readonly Tab[]): Promise<void> => {
  for (const tab of tabs) {
    await tab.call('close');
    await tab.close();
  }
};

const warmUpWrites = 200;
/** Many, so that a short disturbance of the machine meets all tabs. */
const latencyRounds = 40;
const writesTogether = 1_000;
const objectsWritten = 1_000;

/** Measures single writes and writes at once. The tabs take turns in each round. */
export const measureLatency = async (browser: TabBrowser, isQuick: boolean): Promise<readonly LimitRow[]> => {
  const storages = ['exclusive', 'alone', 'shared'] as const;
  for (const storage of storages) await fillStorage(browser, storage, objectsWritten);
  const tabs = {
    exclusive: await openIn(browser, 'exclusive', 'exclusive', objectsWritten),
    alone: await openIn(browser, 'alone', 'share', objectsWritten),
    leader: await openIn(browser, 'shared', 'share', objectsWritten),
    follower: await openIn(browser, 'shared', 'share', objectsWritten),
  };
  const names = ['exclusive', 'alone', 'leader', 'follower'] as const;
  type Figures = Record<(typeof names)[number], number[]>;
  const createFigures = (): Figures => ({ exclusive: [], alone: [], leader: [], follower: [] });
  const [single, together] = [createFigures(), createFigures()];
  for (const name of names) {
    await tabs[name].call('writeSingly', warmUpWrites);
    await tabs[name].call('writeTogether', writesTogether, 64);
  }
  for (let round = 0; round < (isQuick ? 4 : latencyRounds); round += 1) {
    const inTurn = round % 2 === 0 ? names : [...names].reverse();
    for (const name of inTurn) single[name].push(...(await tabs[name].call('writeSingly', 10)));
    for (const name of inTurn) together[name].push(await tabs[name].call('writeTogether', writesTogether, 64));
  }
  await closeAll(names.map((name) => tabs[name]));
  const compare = (
    [name, label]: readonly [keyof Figures, string],
    [other, otherLabel]: readonly [keyof Figures, string],
    ratioMax: number | null,
  ): readonly LimitRow[] => [
    ...[0.5, 0.99].map((part) => ({
      label: `a write ${label}, beside ${otherLabel}, p${100 * part}, ms`,
      value: percentileOf(single[name], part),
      beside: percentileOf(single[other], part),
      target: part === 0.5 && ratioMax !== null ? { ratioMax } : null,
    })),
    {
      label: `writes a second with 64 pending ${label}, beside ${otherLabel}`,
      value: medianOf(together[name]),
      beside: medianOf(together[other]),
      target: null,
    },
  ];
  return [
    ...compare(['alone', 'in the only tab'], ['exclusive', 'an exclusive tab'], 1.25),
    ...compare(['leader', 'in the leader of a follower'], ['alone', 'the only tab'], null),
    ...compare(['follower', 'in a follower'], ['leader', 'its leader'], 2.5),
  ];
};

/** Measures the memory of a realm in tabs, without that of an empty page. */
export const measureMemory = async (browser: TabBrowser, isQuick: boolean): Promise<readonly LimitRow[]> => {
  const rows: LimitRow[] = [];
  const rounds = isQuick ? 1 : 3;
  for (const objects of isQuick ? [2_000] : [10_000, 50_000]) {
    const storage = `memory ${objects}`;
    await fillStorage(browser, storage, objects);
    const heaps = { empty: [] as number[], only: [] as number[], leader: [] as number[], follower: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      const empty = await browser.openTab();
      heaps.empty.push(await empty.measureHeap());
      await empty.close();
      const only = await openIn(browser, storage, 'exclusive', objects);
      heaps.only.push(await only.measureHeap());
      await closeAll([only]);
      const leader = await openIn(browser, storage, 'share', objects);
      const follower = await openIn(browser, storage, 'share', objects);
      heaps.leader.push(await leader.measureHeap());
      heaps.follower.push(await follower.measureHeap());
      await closeAll([leader, follower]);
    }
    const kilobytesOf = (name: keyof typeof heaps): number => (medianOf(heaps[name]) - medianOf(heaps.empty)) / 1_024;
    for (const name of ['follower', 'leader'] as const)
      rows.push({
        label: `memory of a ${name}, ${objects} objects, beside an exclusive tab, KiB`,
        value: kilobytesOf(name),
        beside: kilobytesOf('only'),
        target: name === 'follower' ? { ratioMax: 1.3 } : null,
      });
  }
  return rows;
};

/** Measures how long new pages take to open an existing database: the first tab, and a second one beside it. */
export const measureOpening = async (browser: TabBrowser, isQuick: boolean): Promise<readonly LimitRow[]> => {
  const rows: LimitRow[] = [];
  for (const { objects, rounds, isBound } of isQuick
    ? [{ objects: 2_000, rounds: 3, isBound: false }]
    : [
        { objects: 10_000, rounds: 15, isBound: true },
        { objects: 100_000, rounds: 5, isBound: false },
      ]) {
    const storage = `opening ${objects}`;
    await fillStorage(browser, storage, objects);
    const figures = { exclusive: [] as number[], first: [] as number[], second: [] as number[] };
    const open = async (name: keyof typeof figures, mode: Mode): Promise<Tab> => {
      const tab = await browser.openTab();
      figures[name].push(await tab.call('open', storage, mode, objects));
      return tab;
    };
    for (let round = 0; round < rounds; round += 1) {
      await closeAll([await open('exclusive', 'exclusive')]);
      const first = await open('first', 'share');
      const second = await open('second', 'share');
      await closeAll([second, first]);
    }
    const row = (label: string, name: keyof typeof figures, other: keyof typeof figures): LimitRow => ({
      label: `opening ${objects} objects in ${label}, ms`,
      value: medianOf(figures[name]),
      beside: medianOf(figures[other]),
      target: null,
    });
    rows.push(row('the first tab, beside an exclusive tab', 'first', 'exclusive'), {
      ...row('the second tab, beside the first', 'second', 'first'),
      target: isBound ? { ratioMax: 1 } : null,
    });
  }
  return rows;
};
