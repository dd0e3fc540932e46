import { concat, defer, EMPTY, map, of, throwError } from 'rxjs';
import type { History } from '../../lib/server/history.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { dialSuite, historySuite, storageSuite, type SuiteRunner } from '../../lib/testing/index.js';
import { historyTests, type HistoryCase } from '../../lib/testing/history.js';
import { storageTests, tried } from '../../lib/testing/storage.js';
import { historyOn } from '../server/historycase.js';

const memory = defer(() => of(memoryStorage()));

/** The titles of the tests that reject. */
const redIn = async (
  titles: readonly string[],
  run: (title: string) => Promise<unknown>,
): Promise<readonly string[]> => {
  const red: string[] = [];
  for (const title of titles)
    await run(title).catch((thrown: unknown) => {
      if (!(thrown instanceof Error) || thrown.message === '') throw thrown;
      red.push(title);
    });
  return red;
};

const redOfStorage = (broken: (storage: Storage) => Partial<Storage>): Promise<readonly string[]> =>
  redIn(Object.keys(storageTests), (title) =>
    tried(memory.pipe(map((storage) => ({ ...storage, ...broken(storage) }))), storageTests[title]!),
  );

/** An adapter with a defect. What stands there by getters has to stay so. */
const redOfHistory = (broken: (history: History) => Partial<History>): Promise<readonly string[]> =>
  redIn(Object.keys(historyTests), async (title) => {
    const { open, close } = await historyOn(memory);
    const one: HistoryCase = {
      open: open.pipe(
        map((history) => Object.create(history, Object.getOwnPropertyDescriptors(broken(history))) as History),
      ),
      close,
    };
    await historyTests[title]!(one).finally(close);
  });

describe('the suite of storages', () => {
  it('finds nothing wrong with one that is right', async () => {
    expect(await redOfStorage(() => ({}))).toEqual([]);
  });

  it.each<[string, (storage: Storage) => Partial<Storage>, string]>([
    [
      'forgets no key',
      ({ batch }) => ({
        batch: (all, how) =>
          batch(
            all.filter(({ type }) => type === 'put'),
            how,
          ),
      }),
      'overwrites, deletes, and minds no key that is not there',
    ],
    [
      'reads in another order',
      ({ range }) => ({ range: (asked) => range(asked).pipe(map((entries) => [...entries].reverse())) }),
      'reads in the order of the codes of its keys',
    ],
    [
      'has no limit',
      ({ range }) => ({ range: (asked) => range({ ...asked, limit: Infinity }) }),
      'ends a range at its limit',
    ],
    [
      'takes the last key of a range',
      ({ range }) => ({ range: (asked) => range(asked.to ? { ...asked, to: `${asked.to} ` } : asked) }),
      'takes the first key of a range and leaves the last',
    ],
    [
      'reads once for all who subscribe',
      ({ range }) => ({
        range: (asked) => {
          let first: ReturnType<typeof range> | null = null;
          return defer(() => (first ??= range(asked).pipe(map((entries) => [...entries])))).pipe(
            map((entries) => entries.slice(0, 1)),
          );
        },
      }),
      'works once for every subscription',
    ],
    [
      'writes as soon as it is called',
      ({ batch }) => ({
        batch: (...all) => {
          batch(...all).subscribe({ error: () => undefined });
          return EMPTY;
        },
      }),
      'does nothing until subscribed, and all of it when nobody waits',
    ],
    ['works on after it was closed', () => ({ close: () => EMPTY }), 'errors after it was closed'],
  ])('finds one that %s', async (_, broken, title) => {
    expect(await redOfStorage(broken)).toContain(title);
  });
});

describe('the suite of histories', () => {
  it('finds nothing wrong with one that is right', async () => {
    expect(await redOfHistory(() => ({}))).toEqual([]);
  });

  it.each<[string, (history: History) => Partial<History>, string]>([
    [
      'appends wherever it ends',
      (history) => ({ append: (addition) => defer(() => history.append({ ...addition, after: history.log.head })) }),
      'adds nothing where it does not end, and changes nothing',
    ],
    [
      'loses what was refused',
      (history) => ({ append: (addition) => history.append({ ...addition, refused: [] }) }),
      'has refusals of each replica in the order of their versions',
    ],
    [
      'loses what becomes of replicas',
      (history) => ({ append: (addition) => history.append({ ...addition, replicas: new Map() }) }),
      'appends changesets as they are, with what becomes of their replicas',
    ],
    ['has no bytes', () => ({ bytes: 0 }), 'appends changesets as they are, with what becomes of their replicas'],
    ['has another id each time', () => ({ id: String(Math.random()) }), 'is the same when it is opened again'],
    [
      'leaves out a changeset of a page',
      ({ log }) => ({
        log: Object.create(log, {
          page: {
            value: (after: number) =>
              log.page(after).pipe(map(({ entries, upTo }) => ({ entries: entries.slice(1), upTo }))),
          },
        }) as History['log'],
      }),
      'is read page by page, without a gap, from any place',
    ],
    [
      'forgets no refusal',
      () => ({ forget: () => EMPTY }),
      'has refusals of each replica in the order of their versions',
    ],
    [
      'forgets all refusals of a replica',
      (history) => ({
        forget: (id) =>
          history.forget(
            id,
            Array.from({ length: 200 }, (_, n) => n),
          ),
      }),
      'has refusals of each replica in the order of their versions',
    ],
    [
      'forgets whom it tied',
      () => ({ tie: () => EMPTY }),
      'ties a replica to its user, with nothing in the history yet',
    ],
    [
      'shows one page of what was seen',
      ({ sightings$ }) => ({ sightings$: sightings$.pipe(map((page, index) => (index === 0 ? page : []))) }),
      'has all sightings, however many',
    ],
    [
      'forgets replicas that have not been seen',
      (history) => ({
        unsight: (ids) => concat(history.unsight(ids), ...ids.map((id) => history.tie(id, 'nobody'))),
      }),
      'remembers what replicas have seen until it is told to forget',
    ],
    [
      'trims past its objects',
      (history) => ({ trim: () => defer(() => (history.log.head === 3 ? EMPTY : throwError(() => new Error('no')))) }),
      'does not trim what its objects do not stand for',
    ],
    ['trims nothing', () => ({ trim: () => EMPTY }), 'trims what its objects stand for, and keeps the rest'],
    [
      'lets its horizon sink',
      (history) => ({ horizon: history.horizon }),
      'raises its horizon from the call on, and never lowers it',
    ],
    [
      'writes as soon as it is asked',
      (history) => ({
        append: (addition) => {
          history.append(addition).subscribe({ error: () => undefined });
          return EMPTY;
        },
      }),
      'does nothing until subscribed, and works once for every subscription',
    ],
  ])('finds one that %s', async (_, broken, title) => {
    expect(await redOfHistory(broken)).toContain(title);
  });
});

describe('a suite', () => {
  const suites: Readonly<Record<string, (runner?: SuiteRunner) => void>> = {
    storageSuite: (runner) => storageSuite('mine', memory, 'no copy', runner),
    historySuite: (runner) => historySuite('mine', () => historyOn(memory), runner),
    dialSuite: (runner) => dialSuite('mine', () => Promise.reject(new Error('nobody is called here')), runner),
  };

  it.each(Object.keys(suites))('says what it needs where there is no runner: %s', (name) => {
    const { afterEach: has } = globalThis;
    Object.assign(globalThis, { afterEach: undefined });
    try {
      expect(() => suites[name]!()).toThrow(
        'runner: expected describe, it and afterEach, as globals or given as the last argument of the suite, got undefined',
      );
    } finally {
      Object.assign(globalThis, { afterEach: has });
    }
  });

  it.each(Object.keys(suites))('gives the runner it is given each of its tests once: %s', (name) => {
    const titles: string[] = [];
    suites[name]!({
      describe: (_, body) => body(),
      it: (title) => void titles.push(title),
      afterEach: () => undefined,
    });
    expect(titles.length).toBeGreaterThan(12);
    expect(new Set(titles).size).toBe(titles.length);
  });
});
