import fc from 'fast-check';
import { firstValueFrom } from 'rxjs';
import { limits } from '../../../lib/model/limits.js';
import { indexValueOf } from '../../../lib/server/history/index-value.js';
import type { History } from '../../../lib/server/history/history.js';
import type { IndexPass } from '../../../lib/server/history/object-index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import {
  advance,
  anyChange,
  append,
  buildAll,
  createCrashingStorage,
  indexKeysOf,
  livingOf,
  openTeam,
  properties,
  run,
  types,
  valueOf,
  watch,
} from './indexed-history.js';

const anyAct = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('append' as const),
      changes: fc.array(anyChange, { minLength: 1, maxLength: 30 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('advance' as const), most: fc.integer({ min: 1, max: 40 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant('watch' as const),
      type: fc.constantFrom(...types),
      names: fc.subarray([...properties]),
    }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('build' as const), pages: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('crash' as const), batches: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('sweep' as const), before: fc.nat(100) }) },
);
type Act = typeof anyAct extends fc.Arbitrary<infer A> ? A : never;

/** Returns the rows that the index must have of the watched properties, or of those that are indexed. */
const expectedRows = async (storage: Storage, { watchedProperties }: History, isIndexed: boolean) => {
  const rows: string[] = [];
  for (const object of await livingOf(storage))
    watchedProperties.types.get(object.type)?.properties.forEach((property, position) => {
      if (isIndexed && !property.isIndexed) return;
      const value = indexValueOf(valueOf(object, property.name));
      rows.push(`${object.type}/${position}/${value}${object.text.slice(object.type.length)}`);
    });
  return rows.sort();
};

/** Returns the rows of the properties that are indexed. */
const indexedRows = async (storage: Storage, { watchedProperties }: History): Promise<readonly string[]> =>
  (await indexKeysOf(storage)).filter((key) => {
    const [type = '', position] = key.split('/');
    return watchedProperties.types.get(type)?.properties[Number(position)]?.isIndexed === true;
  });

/** Runs acts on a history. A crash comes in the middle of what follows it. */
const play = async (acts: readonly Act[], check: (storage: Storage, history: History) => Promise<void>) => {
  const disk = memoryStorage();
  let { storage, crashAfter } = createCrashingStorage(disk);
  let history = await openTeam(storage);
  let pass: IndexPass | null = null;
  const perform = async (act: Act): Promise<void> => {
    if (act.act === 'append') await append(history, act.changes);
    if (act.act === 'advance') await advance(history, act.most);
    if (act.act === 'watch') await watch(history, act.type, act.names);
    if (act.act === 'sweep') while (await firstValueFrom(history.projection.sweep(act.before)));
    if (act.act !== 'build') return;
    for (let page = 0; page < act.pages; page += 1) {
      pass ??= history.projection.index.createPass();
      if (pass !== null) pass = await firstValueFrom(history.projection.index.build(pass));
    }
  };
  for (const act of acts) {
    if (act.act === 'crash') crashAfter(act.batches);
    try {
      await perform(act);
    } catch {
      ({ storage, crashAfter } = createCrashingStorage(disk));
      history = await openTeam(storage);
      pass = null;
    }
    await check(disk, history);
  }
  crashAfter(Infinity);
  return { disk, history };
};

describe('the index of the objects of a realm', () => {
  const { pageChangesetsMax, commitBytesMax } = limits;
  const small = limits as { pageChangesetsMax: number; commitBytesMax: number };
  beforeAll(() => {
    Object.assign(small, { pageChangesetsMax: 3, commitBytesMax: 1 }); // Each boundary is crossed.
  });
  afterAll(() => {
    Object.assign(small, { pageChangesetsMax, commitBytesMax });
  });

  it('has one row of each watched property of each living object, after any history, crash and time of watching', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAct, { minLength: 3, maxLength: 30 }), async (acts) => {
        const { disk, history } = await play(acts, async (storage, present) => {
          expect(await indexedRows(storage, present)).toEqual(await expectedRows(storage, present, true));
        });
        while (history.projection.cursor.version < history.log.head) await advance(history);
        await buildAll(history);
        expect(await indexKeysOf(disk)).toEqual(await expectedRows(disk, history, false));
        const watched = [...history.watchedProperties.types.values()].flatMap((type) => type.properties);
        expect(watched.filter(({ isIndexed }) => !isIndexed)).toEqual([]);
      }),
      runOptions(300),
    );
  }, 60_000);

  it('is made again with the objects when these were deleted', async () => {
    const disk = memoryStorage();
    const history = await openTeam(disk);
    await append(history, fc.sample(anyChange, { numRuns: 60, seed: 3 }));
    await watch(history, 'A', ['p', 'q']);
    while (history.projection.cursor.version < history.log.head) await advance(history);
    await buildAll(history);
    const before = await indexKeysOf(disk);
    expect(before.length).toBeGreaterThan(10);
    await run(disk.batch([{ type: 'del', key: 'realm/team/objects' }], { durable: true }));
    const again = await openTeam(disk);
    expect(await indexKeysOf(disk)).toEqual([]);
    while (again.projection.cursor.version < again.log.head) await advance(again);
    expect(await indexKeysOf(disk)).toEqual(before);
  });

  it('loses the rows of an earlier index when it is built again', async () => {
    const disk = memoryStorage();
    const history = await openTeam(disk);
    await append(history, fc.sample(anyChange, { numRuns: 60, seed: 3 }));
    await watch(history, 'A', ['p', 'q']);
    while (history.projection.cursor.version < history.log.head) await advance(history);
    const old = ['A/0/n/n1', 'A/1/sold/sgone'].map((row) => ({
      ...{ type: 'put' as const, key: `realm/team/index/${row}` },
      value: new Uint8Array(0),
    }));
    await run(disk.batch(old, { durable: true }));
    await buildAll(history);
    expect(await indexKeysOf(disk)).toEqual(await expectedRows(disk, history, false));
  });

  it('takes another pass for a property that is watched during a pass', async () => {
    const disk = memoryStorage();
    const history = await openTeam(disk);
    await append(history, fc.sample(anyChange, { numRuns: 60, seed: 3 }));
    while (history.projection.cursor.version < history.log.head) await advance(history);
    await watch(history, 'A', ['p']);
    const { index } = history.projection;
    let pass = index.createPass();
    if (pass !== null) pass = await firstValueFrom(index.build(pass));
    await watch(history, 'A', ['q']);
    while (pass !== null) pass = await firstValueFrom(index.build(pass));
    expect(index.createPass()).toMatchObject({ type: 'A', properties: ['q'] });
    const reopened = await openTeam(disk);
    expect(reopened.projection.index.createPass()).toMatchObject({ properties: ['q'] });
    await buildAll(history);
    expect(await indexKeysOf(disk)).toEqual(await expectedRows(disk, history, false));
  });

  it('invariant 15: stores nothing in a realm that is not watched', async () => {
    const disk = memoryStorage();
    const history = await openTeam(disk);
    await append(history, fc.sample(anyChange, { numRuns: 60, seed: 3 }));
    while (history.projection.cursor.version < history.log.head) await advance(history);
    expect(history.projection.index.createPass()).toBeNull();
    expect(await indexKeysOf(disk)).toEqual([]);
  });

  it('has keys that every storage takes, also for the longest names, values and keys', async () => {
    const disk = memoryStorage();
    const realm = 'r'.repeat(limits.realmNameCharsMax);
    const type = 't'.repeat(limits.nameCharsMax);
    const name = 'p'.repeat(limits.nameCharsMax);
    const key = 'あ'.repeat(limits.keyCharsMax);
    const row = `realm/${realm}/index/${type}/f/${indexValueOf('é'.repeat(1_000))}/s${encodeURIComponent(key)}`;
    expect(name.length).toBe(limits.nameCharsMax);
    expect(row.length).toBeLessThanOrEqual(limits.storageKeyCharsMax);
    await run(disk.batch([{ type: 'put', key: row, value: new Uint8Array(0) }], { durable: true }));
  });
});
