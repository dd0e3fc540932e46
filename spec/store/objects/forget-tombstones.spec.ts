import fc from 'fast-check';
import { firstValueFrom } from 'rxjs';
import type { Operation } from '../../../lib/merge/operation.js';
import { limits } from '../../../lib/model/limits.js';
import type { Schema } from '../../../lib/model/schema.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { keyRangeOf, type Storage } from '../../../lib/storage/storage.js';
import { objectKeyOf } from '../../../lib/store/storage-keys.js';
import type { Store } from '../../../lib/store/store.js';
import { anyStep, applyStep } from '../../merge/random-edits.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import {
  type Device,
  receive,
  type PostedChangeset,
  expectEqual,
  schema as merged,
  deviceViewOf,
  type World,
  worldOf,
  writeOn,
} from '../../merge/replica-world.js';
import { waitUntilDone, createHurriedClock, openStoreWith } from '../test-kit.js';
import { createHistory } from '../remote-history.js';

const schema = {
  Page: { primaryKey: 'id', properties: { id: 'string', steps: 'string[]', sizes: 'int{}' } },
  Poll: { primaryKey: 'id', properties: { id: 'string', votes: 'counter' } },
} as const satisfies Schema;

const create = (type: string, key: string): Operation => ({ kind: 'create', type, key, values: { id: key } });
const old = 1_000;

/** A store that has received creates, removals and deletes with the times 1 to 6. */
const filled = async (storage: Storage = memoryStorage()) => {
  const store = openStoreWith(schema, storage, createHurriedClock());
  const server = createHistory();
  const at = { type: 'Page', key: 'p', property: 'steps' };
  server.add('b', create('Page', 'p'), 1);
  server.add('b', { kind: 'insert', ...at, run: ['a0', 'b'], keys: ['a0', 'a1'], values: ['go', 'stay'] }, 2);
  server.add('b', { kind: 'remove', ...at, elements: [{ time: 2, count: 0, replica: 'b', index: 0 }] }, 3);
  server.add('b', { kind: 'delete', type: 'Page', key: 'gone' }, 4);
  server.add('b', { kind: 'delete', type: 'Poll', key: 'poll' }, 5);
  server.add('b', { kind: 'delete', type: 'Page', key: 'late' }, old);
  const all = server.changesets;
  await waitUntilDone(
    store.integrate({ changesets: all, upTo: all.length, bytes: 0, remainingBytes: 0, remaining: 0 }),
  );
  return { store, storage, total: all.length };
};

const rowOf = async (storage: Storage, type: string, key: string): Promise<number> =>
  (await firstValueFrom(storage.range(keyRangeOf(objectKeyOf(type, key)))))[0]?.[1].byteLength ?? 0;

describe('tombstones older than the retention cutoff of the server', () => {
  it('field report C-6: are forgotten by a synced realm, in memory and in its storage, and readers are not notified', async () => {
    const { store, storage, total } = await filled();
    const emitted: unknown[] = [];
    store.changes$('Page').subscribe((changes) => emitted.push(changes));
    const before = await rowOf(storage, 'Page', 'p');
    expect(store.stats().tombstones).toBe(3);
    await waitUntilDone(store.forget({ time: old, version: total }));
    expect(emitted).toEqual([]);
    for (const each of [store, openStoreWith(schema, storage)]) {
      expect(each.stats().tombstones).toBe(2);
      expect(each.get('Page', 'p')).toEqual({ id: 'p', steps: ['stay'], sizes: {} });
    }
    expect(await rowOf(storage, 'Page', 'gone')).toBe(0);
    expect(await rowOf(storage, 'Page', 'late')).toBeGreaterThan(0); // Not older than the cutoff.
    expect(await rowOf(storage, 'Page', 'p')).toBeLessThan(before);
  });

  it('stay with an object that may have had a counter: an increment may name a create that the delete covers', async () => {
    const { store, storage, total } = await filled();
    await waitUntilDone(store.forget({ time: old + 1, version: total }));
    expect(await rowOf(storage, 'Poll', 'poll')).toBeGreaterThan(0);
    expect(store.stats().tombstones).toBe(1);
  });

  it('stay until the history up to the cutoff is downloaded', async () => {
    const { store, total } = await filled();
    await waitUntilDone(store.forget({ time: old, version: total + 1 }));
    expect(store.stats().tombstones).toBe(3);
  });

  it('stay while an unsent changeset is older', async () => {
    const { store, total } = await filled();
    await firstValueFrom(store.write((tx) => tx.create('Page', { id: 'mine' })));
    await waitUntilDone(store.forget({ time: Date.now() + limits.retentionMs, version: total }));
    expect(store.stats().tombstones).toBe(3);
    await waitUntilDone(store.forget({ time: old, version: total }));
    expect(store.stats().tombstones).toBe(2);
  });

  it('are forgotten once per cutoff, and again after a snapshot', async () => {
    const { store, storage, total } = await filled();
    await waitUntilDone(store.forget({ time: old, version: total }));
    let batches = 0;
    const counted = openStoreWith(schema, { ...storage, batch: (...all) => ((batches += 1), storage.batch(...all)) });
    await waitUntilDone(counted.forget({ time: old, version: total }));
    expect(batches).toBe(0);
    await waitUntilDone(counted.replace({ version: total + 1, objects: [], bytes: 0, remainingBytes: 0 }));
    batches = 0;
    await waitUntilDone(counted.forget({ time: old, version: total }));
    expect(batches).toBe(1);
  });
});

const early = fc.array(anyStep, { minLength: 5, maxLength: 30 });
const page = (posted: readonly PostedChangeset[], from: number) => ({
  changesets: posted.slice(from).map(({ origin, time, count, body }, at) => ({
    ...{ version: from + at + 1, origin, time, count, body },
  })),
  ...{ upTo: posted.length, bytes: 0, remainingBytes: 0, remaining: 0 },
});

/** The schema of the devices that write, with and without its counter. */
const { votes, ...others } = merged.T.properties;
const schemaWith = (counters: boolean): Schema => ({
  T: { primaryKey: 'id', properties: counters ? { ...others, votes } : others },
});

const integrated = async (store: Store, { posted }: World, from: number): Promise<void> => {
  if (posted.length > from) await waitUntilDone(store.integrate(page(posted, from)));
};

describe('a realm that has forgotten tombstones', () => {
  it('shows the same as one that keeps them, whatever devices send later that were offline', async () => {
    await fc.assert(
      fc.asyncProperty(early, early, fc.boolean(), fc.boolean(), async (first, second, counters, deletes) => {
        const world = worldOf(3);
        for (const each of first) applyStep(world, each);
        const [deleter] = world.devices as readonly [Device];
        if (deletes) {
          world.posted.forEach((posted) => receive(deleter, posted));
          for (const key of [1, 2])
            if (deviceViewOf(deleter, key)) writeOn(world, deleter, 60, (tx) => tx.delete('T', key));
        }
        const storage = memoryStorage();
        const remembers = openStoreWith(schemaWith(counters));
        const forgets = openStoreWith(schemaWith(counters), storage);
        const count = world.posted.length;
        await integrated(remembers, world, 0);
        await integrated(forgets, world, 0);
        await waitUntilDone(forgets.forget({ time: 1_000, version: count }));
        for (const each of second) {
          if (each.does !== 'write') applyStep(world, each);
          else {
            const acts = counters ? each.acts : each.acts.filter(({ kind }) => kind !== 'increment');
            applyStep(world, { ...each, now: each.now + 1_000, acts });
          }
        }
        await integrated(remembers, world, count);
        await integrated(forgets, world, count);
        const again = openStoreWith(schemaWith(counters), storage);
        for (const key of [1, 2]) {
          expectEqual(forgets.get('T', key), remembers.get('T', key));
          expectEqual(again.get('T', key), remembers.get('T', key));
        }
      }),
      runOptions(150),
    );
  }, 120_000);
});
