import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import { bytesOf } from '../../../lib/model/changeset.js';
import type { StorageChange, Storage } from '../../../lib/storage/storage.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import type { History } from '../../../lib/server/history/history.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { Row } from '../../../lib/server/history/stored-objects.js';
import { rowBytesOf } from '../../../lib/server/history/stored-objects.js';
import { levelStorage } from '../../../lib/storage/level.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { anyStep, applyStep } from '../../merge/random-edits.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { receive, restoreState, expectEqual, worldOf, type World } from '../../merge/replica-world.js';
import { createFaultyStorage } from '../test-kit.js';

const clock = { random: () => 0 };
const nothing = { defaultValue: undefined };
const opened = (storage: Storage): Promise<History> => firstValueFrom(openHistory(storage, 'team', clock));

/** Appends the changesets to the history in a given order. */
const fill = async (history: History, world: World, order: readonly number[]): Promise<void> => {
  const posted = world.posted
    .map((each, index) => ({ each, rank: order[index % order.length] ?? 0 }))
    .sort((a, b) => a.rank - b.rank);
  let total = history.bytes;
  const changesets = posted.map(({ each: { origin, time, count, body } }, index): HistoryRecord => {
    total += bytesOf({ body });
    return { version: history.log.head + index + 1, origin, time, count, body, total };
  });
  const addition = { after: history.log.head, changesets, replicas: new Map(), rejected: [], runs: [] };
  await lastValueFrom(history.append(addition), nothing);
};

/** Advances the projection by at most this many changesets: pages may end anywhere. */
const advance = async ({ log, projection }: History, most: number): Promise<void> => {
  const page = await firstValueFrom(log.page(projection.cursor.version));
  const entries = page.entries.slice(0, most);
  await lastValueFrom(projection.advance({ entries, upTo: entries.at(-1)?.version ?? page.upTo }), nothing);
};

const advanced = async (history: History, most = 1_000): Promise<void> => {
  while (history.projection.cursor.version < history.log.head) await advance(history, most);
};

const rowsOf = async ({ projection }: History): Promise<Row[]> => {
  const rows: Row[] = [];
  for (;;) {
    const page = await firstValueFrom(projection.readRows(rows.at(-1)?.[0] ?? null));
    if (page.length === 0) return rows;
    rows.push(...page);
  }
};

/** Returns the objects of a replica that has downloaded everything. */
const replicaOf = (world: World): ReadonlyMap<string, ObjectState> => {
  const [device] = world.devices;
  if (device === undefined) throw new Error('no device');
  world.posted.forEach((posted) => receive(device, posted));
  return new Map(
    device.objects.listStored().map(({ type, key, state }) => [objectTextOf(type, key), restoreState(state)]),
  );
};

const expectSame = async (history: History, world: World): Promise<void> => {
  const replica = replicaOf(world);
  const states = await firstValueFrom(history.projection.readStates(replica.keys()));
  expectEqual(new Map([...states].sort()), new Map([...replica].sort()));
  const rows = await rowsOf(history);
  expect(rows.map(([text]) => text)).toEqual([...replica.keys()].sort());
  expect(history.projection.cursor).toEqual({
    version: history.log.head,
    total: history.bytes,
    objects: rows.length,
    bytes: rows.reduce((sum, [, state]) => sum + rowBytesOf(state), 0),
  });
};

const worlds = fc.record({
  steps: fc.array(anyStep, { minLength: 1, maxLength: 40 }),
  order: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 40 }),
  most: fc.integer({ min: 1, max: 7 }),
  stops: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
});

const worldAfter = (steps: Parameters<typeof applyStep>[1][]): World => {
  const world = worldOf(3);
  steps.forEach((each) => applyStep(world, each));
  return world;
};

describe('the objects that a server keeps of a realm', () => {
  it('equal those of a replica that downloaded everything, in any order and any pages', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async ({ steps, order, most }) => {
        const world = worldAfter(steps);
        const history = await opened(memoryStorage());
        await fill(history, world, order);
        await advanced(history, most);
        await expectSame(history, world);
      }),
      runOptions(300),
    );
  });

  it('go on from where they were, whenever the server is killed or its disk fails', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async ({ steps, order, most, stops }) => {
        const world = worldAfter(steps);
        const storage = createFaultyStorage(memoryStorage());
        let history = await opened(storage);
        await fill(history, world, order);
        for (let turn = 0; history.projection.cursor.version < history.log.head; turn += 1) {
          storage.fail(stops[turn] ?? false);
          await advance(history, most).catch(() => undefined);
          storage.fail(false);
          history = await opened(storage);
        }
        await expectSame(history, world);
      }),
      runOptions(100),
    );
  });

  it('can be deleted and are made again while the history is whole', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, fc.boolean(), async ({ steps, order, most }, wholly) => {
        const world = worldAfter(steps);
        const storage = memoryStorage();
        const history = await opened(storage);
        await fill(history, world, order);
        await advanced(history, most);
        const found = await firstValueFrom(
          storage.range({ from: 'realm/team/object', to: 'realm/team/p', limit: 1e6, bytesMax: Infinity }),
        );
        const removedEntries = wholly ? found : found.filter(([key]) => key.endsWith('/objects'));
        expect(removedEntries.length > 0).toBe(history.log.head > 0);
        const deleted = removedEntries.map(([key]): StorageChange => ({ type: 'del', key }));
        await lastValueFrom(storage.batch(deleted, { durable: true }), nothing);
        const again = await opened(storage);
        expect(again.projection.cursor.version).toBe(0);
        await advanced(again, most);
        await expectSame(again, world);
      }),
      runOptions(50),
    );
  });

  it('are on a real disk what they are in memory, after it was opened again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-'));
    const [sample] = fc.sample(fc.array(anyStep, { minLength: 200, maxLength: 300 }), { numRuns: 1, seed: 5 });
    const world = worldAfter(sample ?? []);
    const storage = await firstValueFrom(levelStorage(folder));
    await fill(await opened(storage), world, [3, 1, 2]);
    await advance(await opened(storage), 20);
    await lastValueFrom(storage.close(), nothing);
    const second = await firstValueFrom(levelStorage(folder));
    const history = await opened(second);
    expect(history.projection.cursor.version).toBe(20);
    await advanced(history, 20);
    await expectSame(history, world);
    await lastValueFrom(second.close(), nothing);
    rmSync(folder, { recursive: true });
  });

  it('replace the compacted history, which reports its bytes after a restart', async () => {
    const world = worldAfter(
      fc.sample(fc.array(anyStep, { minLength: 60, maxLength: 60 }), { numRuns: 1, seed: 9 })[0] ?? [],
    );
    const storage = memoryStorage();
    const history = await opened(storage);
    await fill(history, world, [1]);
    await expect(lastValueFrom(history.trim(history.log.head), nothing)).rejects.toThrow('must not be trimmed after');
    await advanced(history);
    const { bytes } = history;
    const { head } = history.log;
    await lastValueFrom(history.trim(head), nothing);
    const again = await opened(storage);
    expect([again.log.floor, again.log.head, again.bytes]).toEqual([head, head, bytes]);
    await expectSame(again, world);
    await lastValueFrom(storage.batch([{ type: 'del', key: 'realm/team/objects' }], { durable: true }), nothing);
    await expect(opened(storage)).rejects.toThrow(`but the history begins after ${head}`);
  });
});
