import { firstValueFrom } from 'rxjs';
import { RealmClosedError, StorageError } from '../../../lib/model/errors.js';
import { limits } from '../../../lib/model/limits.js';
import type { Store } from '../../../lib/store/store.js';
import { createTask, waitUntilDone, createHeldStorage, milk, openTestStore, createPage } from '../test-kit.js';

const aHeldStore = (): ReturnType<typeof createHeldStorage> & { readonly store: Store } => {
  const disk = createHeldStorage();
  const store = openTestStore(disk.storage);
  disk.hold();
  return { ...disk, store };
};

/** The state of some promises so far. */
const outcomes = (promises: readonly Promise<unknown>[]): string[] => {
  const found = promises.map(() => 'waits');
  promises.forEach((promise, index) => {
    promise.then(
      () => (found[index] = 'done'),
      (error: unknown) => (found[index] = (error as Error).name),
    );
  });
  return found;
};
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const values = { ...milk, due: null, votes: null };
const milkPage = createPage(1, [{ kind: 'create', type: 'Task', key: 'milk', values }]);

describe('a batch', () => {
  it('contains the objects, the changeset and the clock of a write, and is durable', () => {
    const { store, begun } = aHeldStore();
    void store.write((tx) => {
      tx.create('Task', milk);
      tx.create('Task', { ...milk, id: 'tea' });
      tx.update('Task', 'tea', { done: true });
    });
    expect(begun).toHaveLength(1);
    expect(begun[0]?.changes.map(({ type, key }) => `${type} ${key}`)).toEqual([
      'put o/Task/smilk',
      'put o/Task/stea',
      'put runs',
      'put meta',
      'put u/e00000000001',
    ]);
    expect(begun[0]?.durable).toBe(true);
  });

  it('need not be durable when the server can send it again: a page with its cursor, an acknowledgement', () => {
    const { store, begun, finish } = aHeldStore();
    void waitUntilDone(store.integrate(milkPage));
    expect(begun.map(({ changes, durable }) => [changes.map(({ key }) => key), durable])).toEqual([
      [['o/Task/smilk', 'meta'], false],
    ]);
    finish();
    void createTask(store, { ...milk, id: 'tea' });
    finish();
    void waitUntilDone(store.acknowledge(1));
    expect(begun.map(({ changes, durable }) => [changes.map(({ type, key }) => `${type} ${key}`), durable])).toEqual([
      [['del u/e00000000001', 'put u/floor', 'put meta'], false],
    ]);
  });

  it('is durable when one of its commits must be', () => {
    const { store, begun, finish } = aHeldStore();
    void createTask(store, { ...milk, id: 'first' });
    void waitUntilDone(store.integrate(milkPage));
    void createTask(store, { ...milk, id: 'tea' });
    finish();
    expect(begun).toMatchObject([{ durable: true }]);
  });

  it('is not written for a write without changes while no commit is pending', async () => {
    const { store, begun } = aHeldStore();
    expect(await firstValueFrom(store.write(() => 7))).toEqual({ result: 7, version: 0 });
    expect(begun).toEqual([]);
  });

  it('contains only the objects that a page changes', () => {
    const { store, begun, finish } = aHeldStore();
    void waitUntilDone(store.integrate(milkPage));
    finish();
    void waitUntilDone(store.integrate({ changesets: milkPage.changesets, upTo: 2, bytes: 0, remainingBytes: 0 }));
    expect(begun[0]?.changes.map(({ key }) => key)).toEqual(['meta']);
  });

  it('contains all writes of one turn when the storage is asynchronous', async () => {
    const disk = createHeldStorage();
    const store = openTestStore({ ...disk.storage, isAsynchronous: true });
    disk.hold();
    const writes = ['milk', 'tea', 'jam'].map((id) => createTask(store, { ...milk, id }));
    expect(disk.begun).toEqual([]);
    await nextTurn();
    expect(disk.begun).toHaveLength(1);
    expect(disk.finish()).toBe(1);
    await Promise.all(writes);
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 3 });
  });

  it('is written before a store closes that waits for the end of the turn', async () => {
    const disk = createHeldStorage();
    const store = openTestStore({ ...disk.storage, isAsynchronous: true });
    const all = outcomes([createTask(store), waitUntilDone(store.close())]);
    await nextTurn();
    expect(all).toEqual(['done', 'done']);
  });

  it('has a limited size', async () => {
    const { store, begun, finish } = aHeldStore();
    const title = 'x'.repeat(limits.commitBytesMax / 4);
    const writes = Array.from({ length: 6 }, (_, id) => createTask(store, { ...milk, id: `${id}`, title }));
    let most = 0;
    let batches = 0;
    for (; begun.length > 0; batches += finish()) {
      const [batch] = begun;
      const bytes = batch?.changes.reduce(
        (sum, change) => sum + (change.type === 'put' ? change.value.byteLength : 0),
        0,
      );
      most = Math.max(most, bytes ?? 0);
    }
    await Promise.all(writes);
    expect(batches).toBeGreaterThan(2);
    // The first commit may have any size; the rest fill up the limit.
    expect(most).toBeLessThan(limits.commitBytesMax * 1.6);
  });
});

describe('a batch that fails', () => {
  it('fails all commits that wait for it, and later ones succeed', async () => {
    const { store, fail, finish } = aHeldStore();
    const update = (votes: number) =>
      firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes } as never)));
    const lost = outcomes([createTask(store), update(1), waitUntilDone(store.integrate(milkPage)), update(2)]);
    fail();
    await nextTurn();
    expect(lost).toEqual(['StorageError', 'StorageError', 'StorageError', 'StorageError']);
    expect(store.get('Task', 'milk')).toBeUndefined();
    expect(() => update(3)).toThrow(/Task "milk" does not exist/);
    const kept = outcomes([createTask(store), update(4)]);
    finish();
    finish();
    await nextTurn();
    expect(kept).toEqual(['done', 'done']);
    expect(store.get('Task', 'milk')).toMatchObject({ votes: 4 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 2, changesets: 2 });
  });

  it('allows a synchronous write in the callback of the error', async () => {
    const { store, fail, finish } = aHeldStore();
    const again: Promise<unknown>[] = [];
    store.write((tx) => tx.create('Task', milk as never)).subscribe({ error: () => again.push(createTask(store)) });
    fail();
    finish();
    await Promise.all(again);
    expect(again).toHaveLength(1);
    expect(store.get('Task', 'milk')).toBeDefined();
  });

  it('also fails a write without changes that has read its state', async () => {
    const { store, fail } = aHeldStore();
    const both = outcomes([createTask(store), firstValueFrom(store.write((tx) => tx.get('Task', 'milk')))]);
    fail();
    await nextTurn();
    expect(both).toEqual([StorageError.name, StorageError.name]);
  });
});

describe('a page that is received twice', () => {
  it('completes or fails with the first one', async () => {
    for (const ends of ['finish', 'fail'] as const) {
      const disk = aHeldStore();
      const both = outcomes([
        waitUntilDone(disk.store.integrate(milkPage)),
        waitUntilDone(disk.store.integrate(milkPage)),
      ]);
      await nextTurn();
      expect(both).toEqual(['waits', 'waits']);
      disk[ends]();
      disk.finish();
      await nextTurn();
      expect(both).toEqual(ends === 'finish' ? ['done', 'done'] : ['StorageError', 'StorageError']);
    }
  });
});

describe('an acknowledgement that is received twice', () => {
  it('completes with the first one', async () => {
    const { store, finish } = aHeldStore();
    void createTask(store);
    finish();
    const both = outcomes([waitUntilDone(store.acknowledge(1)), waitUntilDone(store.acknowledge(1))]);
    await nextTurn();
    expect(both).toEqual(['waits', 'waits']);
    finish();
    finish();
    await nextTurn();
    expect(both).toEqual(['done', 'done']);
  });
});

describe('closing a store', () => {
  it('waits for pending commits and rejects later ones', async () => {
    const { store, finish } = aHeldStore();
    const before = outcomes([createTask(store), waitUntilDone(store.close())]);
    expect(() => createTask(store, { ...milk, id: 'late' })).toThrow(RealmClosedError);
    await expect(waitUntilDone(store.integrate(milkPage))).rejects.toThrow(RealmClosedError);
    await nextTurn();
    expect(before).toEqual(['waits', 'waits']);
    finish();
    await nextTurn();
    expect(before).toEqual(['done', 'done']);
  });
});
