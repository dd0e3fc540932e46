import { firstValueFrom } from 'rxjs';
import { encodeValue, decodeValue } from '../../lib/model/msgpack.js';
import type { Operation } from '../../lib/merge/operation.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageEntry } from '../../lib/storage/storage.js';
import type { Store } from '../../lib/store/store.js';
import { createTaskOperation } from './remote-history.js';
import { createFailingStorage, createTask, identityOf, integratePage, openTestStore } from './test-kit.js';

const entriesOf = ({ range }: Storage): Promise<readonly StorageEntry[]> =>
  firstValueFrom(range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));
const keysOf = async (storage: Storage, prefix: string): Promise<readonly string[]> =>
  (await entriesOf(storage)).map(([key]) => key).filter((key) => key.startsWith(prefix));
const bytesOf = async (storage: Storage): Promise<number> =>
  (await entriesOf(storage)).reduce((sum, [key, value]) => sum + key.length + value.byteLength, 0);
const tasksIn = (store: Store) => firstValueFrom(store.objects$('Task', { sort: { id: 1 } }));

const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `task-${at}`);
const creates = (count: number): readonly Operation[] => ids(count).map((id) => createTaskOperation(id));
const updateOf = (key: string, votes: number): Operation => ({ kind: 'update', type: 'Task', key, values: { votes } });
const deleteOf = (key: string): Operation => ({ kind: 'delete', type: 'Task', key });

describe('the storage of many objects', () => {
  it('has one record for hundreds of new objects, and the same objects after a restart', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await integratePage(store, 1, creates(1_000));
    expect((await keysOf(storage, 'b/')).length).toBeLessThan(4);
    expect(await keysOf(storage, 'o/')).toEqual([]);
    const before = await tasksIn(store);
    expect(before).toHaveLength(1_000);
    expect(await tasksIn(openTestStore(storage))).toEqual(before);
  });

  it('has a record for each object that changed since, and blocks without it when half of their objects have', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await integratePage(store, 1, creates(100));
    await integratePage(
      store,
      2,
      ids(100)
        .slice(0, 40)
        .map((id) => updateOf(id, 1)),
      2,
    );
    expect([await keysOf(storage, 'b/'), (await keysOf(storage, 'o/')).length]).toEqual([['b/00000000001'], 40]);
    await integratePage(
      store,
      3,
      ids(100)
        .slice(40, 60)
        .map((id) => updateOf(id, 1)),
      3,
    );
    expect([await keysOf(storage, 'b/'), (await keysOf(storage, 'o/')).length]).toEqual([['b/00000000002'], 60]);
    expect(await tasksIn(openTestStore(storage))).toEqual(await tasksIn(store));
  });

  it('takes bytes by the number of objects, whatever the number of writes', async () => {
    const fresh = memoryStorage();
    await integratePage(openTestStore(fresh), 1, creates(500));
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await integratePage(store, 1, creates(500));
    for (let round = 1; round <= 30; round += 1) {
      const some = ids(500).filter((_, at) => at % 7 === round % 7);
      await integratePage(
        store,
        round + 1,
        some.map((id) => updateOf(id, round)),
        round + 1,
      );
    }
    expect(await bytesOf(storage)).toBeLessThan(2.5 * (await bytesOf(fresh)));
    expect(await tasksIn(openTestStore(storage))).toEqual(await tasksIn(store));
  });

  it('has nothing of forgotten objects after a restart, although a block may still have their rows', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await integratePage(store, 1, creates(100));
    await integratePage(store, 2, ids(10).map(deleteOf), 2);
    await firstValueFrom(store.forget({ time: 1_000, version: 2 }), { defaultValue: undefined });
    expect(await keysOf(storage, 'b/')).toHaveLength(1);
    for (const each of [store, openTestStore(storage)]) {
      expect(await tasksIn(each)).toHaveLength(90);
      expect(each.stats()).toMatchObject({ objects: { Task: 90 }, tombstones: 0 });
    }
    // An object of the same key is new, and its record replaces the row, too.
    const again = openTestStore(storage);
    await integratePage(again, 3, creates(10), 2_000);
    for (const each of [again, openTestStore(storage)]) expect(await tasksIn(each)).toHaveLength(100);
  });

  it('has only the unsent objects after a client reset', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await integratePage(store, 1, creates(100));
    await createTask(store);
    await firstValueFrom(store.reset('recover'), { defaultValue: undefined });
    expect(await keysOf(storage, 'b/')).toEqual([]);
    for (const each of [store, openTestStore(storage)]) expect(await tasksIn(each)).toMatchObject([{ id: 'milk' }]);
  });

  it('keeps the block when the change of its objects fails, and moves its rows when the change succeeds', async () => {
    const { storage, state } = createFailingStorage();
    const store = openTestStore(storage);
    await integratePage(store, 1, creates(100));
    state.full = true;
    await expect(
      integratePage(
        store,
        2,
        ids(60).map((id) => updateOf(id, 1)),
        2,
      ),
    ).rejects.toThrow('disk full');
    state.full = false;
    expect(await keysOf(storage, 'b/')).toEqual(['b/00000000001']);
    await integratePage(
      store,
      2,
      ids(60).map((id) => updateOf(id, 1)),
      2,
    );
    expect(await keysOf(storage, 'b/')).toEqual(['b/00000000002']);
    expect(await tasksIn(openTestStore(storage))).toEqual(await tasksIn(store));
  });

  it('of a version before 0.1.0 with one record per object is opened, and gets blocks with its next objects', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    for (const id of ids(3)) await createTask(store, { id, title: 'old', done: false });
    const identity = await identityOf(store);
    const [[key, value] = ['', new Uint8Array(0)]] = (await entriesOf(storage)).filter(([name]) => name === 'meta');
    const read = decodeValue(value);
    const fields = 'right' in read ? (read.right as unknown[]) : [];
    const old = encodeValue(['tidemark realm 2', ...fields.slice(1)]);
    storage.batch([{ type: 'put', key, value: old }], { durable: true }).subscribe();
    const opened = openTestStore(storage);
    expect(await identityOf(opened)).toEqual(identity);
    await integratePage(opened, 1, creates(20), 9);
    expect(await keysOf(storage, 'o/')).toHaveLength(3);
    expect(await keysOf(storage, 'b/')).toHaveLength(1);
    expect(await tasksIn(openTestStore(storage))).toEqual(await tasksIn(opened));
  });
});
