import { BehaviorSubject, firstValueFrom, of, skip } from 'rxjs';
import { StorageError } from '../../../lib/model/errors.js';
import { limits } from '../../../lib/model/limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  createTask,
  waitUntilDone,
  createFailingStorage,
  milk,
  openTestStore,
  openStoreWith,
  createPage,
  createSlowStorage,
  identityOf,
} from '../test-kit.js';

const values = { ...milk, due: null, votes: null };
const milkPage = createPage(1, [{ kind: 'create', type: 'Task', key: 'milk', values }]);

describe('the sync operations of a store', () => {
  it('ignore an acknowledgement of an earlier version', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    for (const id of ['a', 'b', 'c', 'd', 'e']) await createTask(store, { ...milk, id });
    await Promise.all([4, 2, 4, 3].map((version) => waitUntilDone(store.acknowledge(version))));
    expect(await firstValueFrom(store.greeting$)).toMatchObject({ acknowledged: 4 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ acknowledged: 4, changesets: 1 });
    const again = openTestStore(storage);
    expect(await firstValueFrom(again.outbox$)).toMatchObject({ written: 5, acknowledged: 4, changesets: 1 });
    expect((await firstValueFrom(again.uploads(4, of(4))))[0]).toMatchObject({ version: 5 });
  });

  it('acknowledge written versions only', async () => {
    const store = openTestStore();
    await createTask(store);
    await waitUntilDone(store.acknowledge(9));
    expect(await firstValueFrom(store.greeting$)).toMatchObject({ acknowledged: 1 });
  });

  it('remove many changesets from the outbox in several batches', async () => {
    const { storage, batches } = createSlowStorage();
    const store = openTestStore(storage);
    const many = limits.trimEntriesMax + 5;
    await Promise.all(Array.from({ length: many }, (_, id) => createTask(store, { ...milk, id: `${id}` })));
    const before = batches();
    await waitUntilDone(store.acknowledge(many));
    expect(batches() - before).toBe(2);
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ acknowledged: many, changesets: 0, bytes: 0 });
  });

  it('acknowledge again after the storage has failed', async () => {
    const { storage, state } = createFailingStorage();
    const store = openTestStore(storage);
    await createTask(store);
    state.full = true;
    await expect(waitUntilDone(store.acknowledge(1))).rejects.toThrow(StorageError);
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ acknowledged: 0, changesets: 1 });
    state.full = false;
    await waitUntilDone(store.acknowledge(1));
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ acknowledged: 1, changesets: 0 });
  });

  it('complete for a page that is received twice after readers see it', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    void waitUntilDone(store.integrate(milkPage));
    await waitUntilDone(store.integrate(milkPage));
    expect(store.get('Task', 'milk')).toEqual(values);
    expect(store.downloadProgress().version).toBe(1);
  });

  it('integrate a page again after the storage has failed, which changes nothing', async () => {
    const { storage, state } = createFailingStorage();
    const store = openTestStore(storage);
    state.full = true;
    await expect(waitUntilDone(store.integrate(milkPage))).rejects.toThrow(StorageError);
    expect(store.get('Task', 'milk')).toBeUndefined();
    expect(await firstValueFrom(store.greeting$)).toMatchObject({ downloadedTo: 0 });
    state.full = false;
    await waitUntilDone(store.integrate(milkPage));
    expect(store.get('Task', 'milk')).toEqual(values);
  });

  it('merge a page with a pending write', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    await createTask(store);
    const written = firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 1 } as never)));
    const title = { title: 'remote' };
    await waitUntilDone(
      store.integrate(createPage(1, [{ kind: 'update', type: 'Task', key: 'milk', values: title }], 9e12)),
    );
    await written;
    expect(store.get('Task', 'milk')).toMatchObject({ votes: 1, ...title });
    expect(openTestStore(storage).get('Task', 'milk')).toMatchObject({ votes: 1, ...title });
  });

  it('emit upload pages up to the window', async () => {
    const store = openTestStore();
    const pages = limits.pagesInFlightMax + 3;
    const body = 'x'.repeat(limits.pageBytesMax);
    for (let id = 0; id < pages; id += 1) await createTask(store, { ...milk, id: `${id}`, title: body });
    const accepted$ = new BehaviorSubject(0);
    const emitted: number[] = [];
    const uploads = store.uploads(0, accepted$).subscribe((page) => emitted.push(page.at(-1)?.version ?? NaN));
    expect(emitted).toEqual(Array.from({ length: limits.pagesInFlightMax }, (_, index) => index + 1));
    accepted$.next(2);
    expect(emitted).toHaveLength(limits.pagesInFlightMax + 2);
    uploads.unsubscribe();
  });

  it('emit a write for upload as soon as it is durable', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    const next = firstValueFrom(store.uploads(0, of(0)));
    void createTask(store);
    const [first] = await next;
    expect(first).toMatchObject({ version: 1 });
    expect(store.get('Task', 'milk')).toBeDefined();
  });

  it('error for uploads after a version that was removed from the outbox', async () => {
    const store = openTestStore();
    await createTask(store);
    await waitUntilDone(store.acknowledge(1));
    await createTask(store, { ...milk, id: 'b' });
    await expect(firstValueFrom(store.uploads(0, of(0)))).rejects.toThrow(StorageError);
  });

  it('store the id of the history', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    expect(await firstValueFrom(store.greeting$)).toMatchObject({ history: null, downloadedTo: 0, acknowledged: 0 });
    await waitUntilDone(store.adopt('history-1'));
    const greeting = await identityOf(store);
    expect(greeting).toMatchObject({ history: 'history-1' });
    expect(await identityOf(openTestStore(storage))).toEqual(greeting);
  });

  it('count the changesets and bytes of the outbox, the same after a restart', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    const next = firstValueFrom(store.outbox$.pipe(skip(1)));
    await createTask(store);
    const outbox = await next;
    const [first] = await firstValueFrom(store.uploads(0, of(0)));
    expect(outbox).toEqual({
      written: 1,
      acknowledged: 0,
      acknowledgedBytes: 0,
      changesets: 1,
      bytes: (first?.body.byteLength ?? 0) + 32,
    });
    expect(await firstValueFrom(openTestStore(storage).outbox$)).toEqual(outbox);
  });

  it('P7 count acknowledged and downloaded bytes, the same after a restart', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await createTask(store);
    await createTask(store, { ...milk, id: 'tea' });
    const { bytes } = await firstValueFrom(store.outbox$);
    await waitUntilDone(store.acknowledge(2));
    await waitUntilDone(store.adopt('h'));
    await waitUntilDone(store.integrate({ changesets: [], upTo: 7, bytes: 700, remainingBytes: 50 }));
    const again = openTestStore(storage);
    expect(await firstValueFrom(again.outbox$)).toMatchObject({ acknowledgedBytes: bytes, bytes: 0, changesets: 0 });
    expect(again.downloadProgress()).toEqual({ version: 7, bytes: 700, ofBytes: 750 });
  });

  it('set aside an object whose key has the wrong form for its type', async () => {
    const store = openStoreWith({ Item: { primaryKey: 'id', properties: { id: 'uuid' } } });
    const key = 'ABCDEF00-0000-4000-8000-00000000000A';
    const upper = createPage(1, [{ kind: 'create', type: 'Item', key, values: { id: key } }]);
    await waitUntilDone(store.integrate(upper));
    expect(await firstValueFrom(store.setAside$)).toMatchObject([{ type: 'Item', key, property: 'id' }]);
  });
});
