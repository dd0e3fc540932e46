import { firstValueFrom, of } from 'rxjs';
import type { Changeset } from '../../../lib/model/changeset.js';
import { decodeValue, encodeValue } from '../../../lib/model/msgpack.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage, StorageEntry } from '../../../lib/storage/storage.js';
import type { Store } from '../../../lib/store/store.js';
import { applyServerTime } from '../clock-kit.js';
import { createHeldStorage, createTask, milk, openTestStore, waitUntilDone } from '../test-kit.js';

const recordsOf = ({ range }: Storage): Promise<readonly StorageEntry[]> =>
  firstValueFrom(range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));
const outboxKeysIn = async (storage: Storage): Promise<readonly string[]> =>
  (await recordsOf(storage)).map(([key]) => key).filter((key) => key.startsWith('u/'));
const copyOf = async (records: readonly StorageEntry[]): Promise<Storage> => {
  const storage = memoryStorage();
  const puts = records.map(([key, value]) => ({ type: 'put', key, value }) as const);
  await waitUntilDone(storage.batch(puts, { durable: true }));
  return storage;
};
const unsentIn = async (store: Store): Promise<readonly Changeset[]> => {
  const { acknowledged, written } = await firstValueFrom(store.outbox$);
  return acknowledged === written ? [] : firstValueFrom(store.uploads(acknowledged, of(0)));
};
const formatOf = async (storage: Storage): Promise<unknown> => {
  const [, value] = (await recordsOf(storage)).find(([key]) => key === 'meta')!;
  const read = decodeValue(value);
  return 'right' in read && (read.right as unknown[])[0];
};
const block = (version: number) => `u/b${version.toString(36).padStart(11, '0')}`;
const single = (version: number) => `u/e${version.toString(36).padStart(11, '0')}`;

/** A store whose batches wait, and the records of its storage after each batch. */
const openHeldStore = async () => {
  const disk = createHeldStorage();
  const store = openTestStore(disk.storage);
  const states = [await recordsOf(disk.inner)];
  disk.hold();
  let written = 0;
  const finish = async (): Promise<void> => {
    while (disk.finish() > 0) states.push(await recordsOf(disk.inner));
  };
  /** Begins writes: the first is a batch, and the others are the next one. */
  const begin = (count: number): void => {
    for (let each = 0; each < count; each += 1) void createTask(store, { ...milk, id: `task-${(written += 1)}` });
  };
  const write = async (count: number): Promise<void> => {
    begin(count);
    await finish();
  };
  const run = async (work: Promise<unknown>): Promise<void> => {
    await finish();
    await work;
  };
  return { ...disk, finishOne: disk.finish, store, states, begin, write, finish, run };
};

describe('unsent changes that one batch stores', () => {
  it('share a record, and are the same after a restart', async () => {
    const { store, inner, write } = await openHeldStore();
    await write(21);
    expect(await outboxKeysIn(inner)).toEqual([block(2), single(1)]);
    const before = await unsentIn(store);
    expect(before.map(({ version }) => version)).toEqual(Array.from({ length: 21 }, (_, at) => at + 1));
    const opened = openTestStore(inner);
    expect(await unsentIn(opened)).toEqual(before);
    expect(await firstValueFrom(opened.outbox$)).toEqual(await firstValueFrom(store.outbox$));
    await createTask(opened, { ...milk, id: 'next' });
    expect((await unsentIn(openTestStore(inner))).at(-1)).toMatchObject({ version: 22 });
  });

  it('are gone when all of them are acknowledged, and read from the first that is not', async () => {
    const { store, inner, write, run } = await openHeldStore();
    await write(11);
    const before = await unsentIn(store);
    await run(waitUntilDone(store.acknowledge(6)));
    expect(await outboxKeysIn(inner)).toEqual([block(2), 'u/floor']);
    for (const each of [store, openTestStore(inner)]) {
      expect(await unsentIn(each)).toEqual(before.slice(6));
      expect(await firstValueFrom(each.outbox$)).toMatchObject({ acknowledged: 6, written: 11, changesets: 5 });
    }
    const opened = openTestStore(inner);
    await waitUntilDone(opened.acknowledge(11));
    expect(await outboxKeysIn(inner)).toEqual(['u/floor']);
  });

  it('are replaced one by one when the clock is corrected, and leave nothing behind', async () => {
    const { store, inner, write, run } = await openHeldStore();
    await write(9);
    await run(waitUntilDone(store.correct(applyServerTime(Date.now() - 86_400_000, -86_400_000))));
    expect((await outboxKeysIn(inner)).filter((key) => key.startsWith('u/e'))).toHaveLength(9);
    const corrected = await unsentIn(openTestStore(inner));
    expect(corrected.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Math.max(...corrected.map(({ time }) => time))).toBeLessThan(Date.now() - 80_000_000);
    await run(waitUntilDone(store.acknowledge(5)));
    expect(await outboxKeysIn(inner)).toEqual([block(2), ...[6, 7, 8, 9].map(single), 'u/floor']);
    expect(await unsentIn(openTestStore(inner))).toEqual(corrected.slice(5));
    await run(waitUntilDone(openTestStore(inner).acknowledge(9)));
    expect(await outboxKeysIn(inner)).toEqual(['u/floor']);
  });

  it('are replaced by those of a client reset, or removed, also while it waits for its batch', async () => {
    for (const mode of ['recover', 'discard'] as const) {
      const { store, inner, write, begin, run } = await openHeldStore();
      await write(9);
      await run(waitUntilDone(store.acknowledge(3)));
      begin(5);
      const reset = waitUntilDone(store.reset(mode));
      begin(5);
      await run(reset);
      const kept = mode === 'recover' ? 11 : 0; // Six, then five; five more were written after the reset.
      const after = await unsentIn(openTestStore(inner));
      expect(after.map(({ version }) => version)).toEqual(Array.from({ length: kept + 5 }, (_, at) => at + 1));
      expect(await unsentIn(store)).toEqual(after);
      await waitUntilDone(openTestStore(inner).acknowledge(kept + 5));
      expect(await outboxKeysIn(inner)).toEqual(['u/floor']);
    }
  });

  it('are removed by a second reset that waits for the same batch', async () => {
    const { store, inner, write, begin, run } = await openHeldStore();
    await write(15);
    await run(waitUntilDone(store.acknowledge(6)));
    begin(1);
    const reset = waitUntilDone(store.reset('recover'));
    await run(Promise.all([reset, waitUntilDone(store.clear())]));
    expect(await outboxKeysIn(inner)).toEqual([]);
    expect(await unsentIn(openTestStore(inner))).toEqual([]);
    await write(6);
    expect((await unsentIn(openTestStore(inner))).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are as before when a batch fails, and later ones are blocks', async () => {
    const { store, inner, fail, finish, write, finishOne } = await openHeldStore();
    await write(6);
    for (let each = 0; each < 8; each += 1) createTaskAgain(store, each);
    finishOne();
    const before = await unsentIn(store);
    expect(before).toHaveLength(7);
    fail();
    await finish();
    expect(await unsentIn(openTestStore(inner))).toEqual(before);
    await write(6);
    expect(await outboxKeysIn(inner)).toEqual([block(2), block(9), single(1), single(7), single(8)]);
    expect(await unsentIn(openTestStore(inner))).toEqual(await unsentIn(store));
  });

  it('can be read after a crash between any two batches: what was written, without what was acknowledged', async () => {
    const { store, states, write, run } = await openHeldStore();
    await write(12);
    await run(waitUntilDone(store.acknowledge(4)));
    await write(30);
    await run(waitUntilDone(store.correct(applyServerTime(Date.now() - 86_400_000, -86_400_000))));
    await run(waitUntilDone(store.acknowledge(20)));
    await run(waitUntilDone(store.reset('recover')));
    await write(9);
    await run(waitUntilDone(store.acknowledge(31)));
    const found: string[] = [];
    for (const records of states) {
      const versions = (await unsentIn(openTestStore(await copyOf(records)))).map(({ version }) => version);
      found.push(versions.length === 0 ? 'none' : `${versions[0]} to ${versions.at(-1)}`);
    }
    expect(found.filter((each, at) => each !== found[at - 1])).toEqual([
      ...['none', '1 to 1', '1 to 12', '5 to 12', '5 to 13', '5 to 42', '21 to 42'],
      ...['1 to 22', '1 to 23', '1 to 31', 'none'],
    ]);
  });
});

describe('the storage of a version before 0.1.0', () => {
  it('with one record for each unsent change is opened, and gets blocks with its next changes', async () => {
    const old = memoryStorage();
    for (let id = 1; id <= 5; id += 1) await createTask(openTestStore(old), { ...milk, id: `old-${id}` });
    const records = await recordsOf(old);
    const at = records.findIndex(([key]) => key === 'meta');
    const read = decodeValue(records[at]![1]);
    const fields = 'right' in read ? (read.right as unknown[]) : [];
    const disk = createHeldStorage();
    const puts = records
      .with(at, ['meta', encodeValue(['tidemark realm 3', ...fields.slice(1)])])
      .map(([key, value]) => ({ type: 'put', key, value }) as const);
    disk.storage.batch(puts, { durable: true }).subscribe();
    const store = openTestStore(disk.storage);
    expect((await unsentIn(store)).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
    expect(await formatOf(disk.inner)).toBe('tidemark realm 3');
    disk.hold();
    for (let id = 1; id <= 6; id += 1) void createTask(store, { ...milk, id: `new-${id}` });
    while (disk.finish() > 0);
    expect(await outboxKeysIn(disk.inner)).toEqual([block(7), ...[1, 2, 3, 4, 5, 6].map(single)]);
    expect(await formatOf(disk.inner)).toBe('tidemark realm 4'); // Earlier versions of the library do not open it.
    expect(await unsentIn(openTestStore(disk.inner))).toEqual(await unsentIn(store));
  });
});

/** Writes a task whose write may fail. */
const createTaskAgain = (store: Store, id: number): void => {
  createTask(store, { ...milk, id: `again-${id}` }).catch(() => undefined);
};
