import { firstValueFrom, of, take, toArray } from 'rxjs';
import { StorageError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Store } from '../../../lib/store/store.js';
import {
  createTask,
  waitUntilDone,
  createFailingStorage,
  createHeldStorage,
  integratePage,
  milk,
  openTestStore,
  identityOf,
} from '../test-kit.js';

const full = { ...milk, due: null, votes: null };
const update = (store: Store, patch: object) =>
  firstValueFrom(store.write((tx) => tx.update('Task', 'milk', patch as never)));
const greetingOf = identityOf;
const outboxOf = (store: Store) => firstValueFrom(store.outbox$);
const waitingIn = async (store: Store) => firstValueFrom(store.uploads(0, of(0)));
const otherTask = { kind: 'create', type: 'Task', key: 'tea', values: { ...full, id: 'tea' } } as const;

/** A realm with a history, one acknowledged write and two unsent ones. */
const used = async (storage = memoryStorage()) => {
  const store = openTestStore(storage);
  await waitUntilDone(store.adopt('h'));
  await integratePage(store, 1, [otherTask]);
  await createTask(store, { ...milk, id: 'old' });
  await waitUntilDone(store.acknowledge(1));
  await createTask(store);
  await update(store, { votes: 2 });
  return { store, storage };
};

describe('a client reset', () => {
  it('E6 keeps unsent changesets, numbered from 1, and nothing else', async () => {
    const { store, storage } = await used();
    const before = await greetingOf(store);
    const sent = await firstValueFrom(store.uploads(1, of(1)));
    const emitted = firstValueFrom(store.objects$('Task').pipe(take(2), toArray()));
    await waitUntilDone(store.reset('recover'));
    expect((await emitted)[1]).toEqual([{ ...full, votes: 2 }]);
    const waiting = await waitingIn(store);
    expect(waiting.map(({ version, body }) => [version, body])).toEqual(sent.map(({ body }, at) => [at + 1, body]));
    // Stamped at the time of the reset: later than all earlier stamps, and in the old order.
    const instants = [...sent, ...waiting];
    expect([...instants].sort((a, b) => a.time - b.time || a.count - b.count)).toEqual(instants);
    expect(waiting[0]).not.toMatchObject({ time: sent.at(-1)!.time, count: sent.at(-1)!.count });
    for (const each of [store, openTestStore(storage)]) {
      const greeting = await greetingOf(each);
      expect(greeting).toMatchObject({ history: null, downloadedTo: 0, acknowledged: 0 });
      expect(greeting.replica).not.toBe(before.replica);
      expect(each.downloadProgress()).toEqual({ version: 0, bytes: 0, ofBytes: null });
      expect(await outboxOf(each)).toMatchObject({ written: 2, acknowledged: 0, acknowledgedBytes: 0, changesets: 2 });
      expect(each.get('Task', 'milk')).toEqual({ ...full, votes: 2 });
      expect(each.get('Task', 'tea')).toBeUndefined();
      expect(each.get('Task', 'old')).toBeUndefined();
    }
    const { version } = await update(store, { votes: 3 });
    expect(version).toBe(3);
    expect(await waitingIn(openTestStore(storage))).toHaveLength(3);
  });

  it('E6 loses no pending write, and none that arrives meanwhile', async () => {
    const { storage, inner, hold, finish } = createHeldStorage();
    const store = openTestStore(storage);
    await createTask(store);
    hold();
    const writes = [update(store, { votes: 1 })];
    const reset = waitUntilDone(store.reset('recover'));
    writes.push(update(store, { title: 'later' }));
    while (finish() > 0) await Promise.resolve();
    await Promise.all([...writes, reset]);
    for (const each of [store, openTestStore(inner)]) {
      expect(each.get('Task', 'milk')).toEqual({ ...full, votes: 1, title: 'later' });
      expect((await waitingIn(each)).map(({ version }) => version)).toEqual([1, 2, 3]);
    }
  });

  it('E12 continues as the same replica, with its unsent changesets as they are, and nothing else', async () => {
    const { store, storage } = await used();
    const before = await greetingOf(store);
    const sent = await firstValueFrom(store.uploads(1, of(1)));
    await waitUntilDone(store.reset('keepReplica'));
    for (const each of [store, openTestStore(storage)]) {
      const { replica } = before;
      expect(await greetingOf(each)).toMatchObject({
        replica,
        history: null,
        downloadedTo: 0,
        acknowledged: 1,
        includeOwn: true,
      });
      expect(await firstValueFrom(each.uploads(1, of(1)))).toEqual(sent);
      expect(each.downloadProgress()).toEqual({ version: 0, bytes: 0, ofBytes: null });
      expect(await outboxOf(each)).toMatchObject({ written: 3, acknowledged: 1, changesets: 2 });
      expect(await firstValueFrom(each.objects$('Task'))).toEqual([{ ...full, votes: 2 }]);
    }
    expect((await update(store, { votes: 3 })).version).toBe(4);
  });

  it('E12 keeps the replica once: a realm without a history has tried that, and becomes a new replica', async () => {
    const { store, storage } = await used();
    const { replica } = await greetingOf(store);
    await waitUntilDone(store.reset('keepReplica'));
    await waitUntilDone(store.reset('keepReplica'));
    for (const each of [store, openTestStore(storage)]) {
      expect(await greetingOf(each)).toMatchObject({
        history: null,
        downloadedTo: 0,
        acknowledged: 0,
        includeOwn: false,
      });
      expect((await greetingOf(each)).replica).not.toBe(replica);
      expect((await waitingIn(each)).map(({ version }) => version)).toEqual([1, 2]);
    }
  });

  it('E12 loses no pending write during a reset that keeps the replica, and none that arrives meanwhile', async () => {
    const { storage, inner, hold, finish } = createHeldStorage();
    const store = openTestStore(storage);
    await waitUntilDone(store.adopt('h'));
    await createTask(store);
    hold();
    const writes = [update(store, { votes: 1 })];
    const reset = waitUntilDone(store.reset('keepReplica'));
    writes.push(update(store, { title: 'later' }));
    while (finish() > 0) await Promise.resolve();
    await Promise.all([...writes, reset]);
    for (const each of [store, openTestStore(inner)]) {
      expect(each.get('Task', 'milk')).toEqual({ ...full, votes: 1, title: 'later' });
      expect((await waitingIn(each)).map(({ version }) => version)).toEqual([1, 2, 3]);
    }
  });

  it('discards unsent changes in the mode discard', async () => {
    const { store, storage } = await used();
    await waitUntilDone(store.reset('discard'));
    for (const each of [store, openTestStore(storage)]) {
      expect(await firstValueFrom(each.objects$('Task'))).toEqual([]);
      expect(await outboxOf(each)).toMatchObject({ written: 0, changesets: 0, bytes: 0 });
    }
    await createTask(store);
    expect(await waitingIn(store)).toHaveLength(1);
  });

  it('E7 leaves the old realm before its batch and the new one after it', async () => {
    const { storage, inner, hold, begun, finish } = createHeldStorage();
    const store = openTestStore(storage);
    await createTask(store);
    await waitUntilDone(store.acknowledge(1));
    const before = await greetingOf(store);
    hold();
    const reset = waitUntilDone(store.reset('recover'));
    expect(begun).toHaveLength(1);
    const cut = openTestStore(inner);
    expect(await greetingOf(cut)).toEqual(before);
    expect(cut.get('Task', 'milk')).toEqual(full);
    finish();
    await reset;
    const after = openTestStore(inner);
    expect(await greetingOf(after)).toEqual(await greetingOf(store));
    expect(after.get('Task', 'milk')).toBeUndefined();
  });

  it('E7 changes nothing when the storage fails', async () => {
    const { storage, state } = createFailingStorage();
    const { store } = await used(storage);
    const before = [await greetingOf(store), await outboxOf(store)];
    state.full = true;
    await expect(waitUntilDone(store.reset('recover'))).rejects.toThrow(StorageError);
    expect([await greetingOf(store), await outboxOf(store)]).toEqual(before);
    expect(store.get('Task', 'tea')).toEqual({ ...full, id: 'tea' });
    state.full = false;
    await update(store, { votes: 9 });
    expect(openTestStore(storage).get('Task', 'milk')).toMatchObject({ votes: 9 });
  });
});
