import { defer, delayWhen, firstValueFrom, of, Subject } from 'rxjs';
import { type Clock, systemClock } from '../../../lib/clock.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { InvalidStateError } from '../../../lib/model/errors.js';
import { limits } from '../../../lib/model/limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { addOperation, day, openDeviceStore, noon, timesOf, applyServerTime } from '../clock-kit.js';
import { createTask, waitUntilDone, createHeldStorage, createHurriedClock, milk, openTestStore } from '../test-kit.js';
import { createHistory, createTaskOperation } from '../remote-history.js';

/** A storage that, once it is slow, holds the results of its reads until they are released. */
const reading = (inner: Storage) => {
  const waits: Subject<void>[] = [];
  const state = { slow: false };
  const storage: Storage = {
    ...inner,
    range: (range) =>
      defer(() => {
        if (!state.slow) return inner.range(range);
        const wait = new Subject<void>();
        waits.push(wait);
        return inner.range(range).pipe(delayWhen(() => wait));
      }),
  };
  /** Releases all held reads except the first ones. */
  const letGo = (butFirst = 0): void => {
    expect(waits.length).toBeGreaterThan(butFirst);
    while (waits.length > butFirst) waits.pop()?.next();
  };
  return { storage, state, letGo };
};

const idsIn = (storage: Storage) =>
  firstValueFrom(openTestStore(storage).objects$('Task', { sort: { id: 1 } })).then((all) => all.map(({ id }) => id));
const contentOf = (storage: Storage) =>
  firstValueFrom(openTestStore(storage).greeting$).then(({ downloadedTo }) => downloadedTo);
const nothing = { bytes: 0, remainingBytes: 0 };

const onlyTea = () => {
  const server = createHistory();
  server.add('b', createTaskOperation('tea'));
  return server;
};

/** A realm with more unsent creates than are kept in memory, on a slow storage. */
const unread = async (clock?: Clock) => {
  const inner = memoryStorage();
  const before = openTestStore(inner);
  await createTask(before);
  await createTask(before, { ...milk, id: 'bread', title: 'x'.repeat(limits.logTailBytesMax) });
  const { storage, state, letGo } = reading(inner);
  const store = openTestStore(storage, clock);
  state.slow = true;
  return { inner, store, state, letGo };
};

describe('a snapshot and concurrent events', () => {
  const rejection = {
    version: 1,
    writes: [{ type: 'Task', key: 'milk', reason: 'no' }],
    code: 'not-permitted',
    serverStates: [{ type: 'Task', key: 'milk', state: null }],
  };

  it.each([
    ['', systemClock],
    [', which yields after each page', createHurriedClock()],
  ])('E9 does not restore a changeset that is rejected while the outbox is read%s', async (_, clock) => {
    const { inner, store, state, letGo } = await unread(clock);
    const replaced = onlyTea().replaced(store);
    const rollback = waitUntilDone(store.rollBack(rejection));
    state.slow = false; // Reads are no longer held.
    letGo(1);
    await rollback;
    letGo();
    await replaced;
    expect(await idsIn(inner)).toEqual(['bread', 'tea']);
  });

  it('rolls nothing back after a client reset while the outbox is read', async () => {
    const { inner, store, state, letGo } = await unread(createHurriedClock());
    const rollback = waitUntilDone(store.rollBack(rejection));
    await waitUntilDone(store.reset('discard'));
    state.slow = false;
    letGo();
    await rollback;
    expect([await idsIn(inner), store.stats().rejectedWrites]).toEqual([[], 0]);
  });

  it('E6 is ignored after a client reset while the outbox is read', async () => {
    const { inner, store, letGo } = await unread();
    const replaced = onlyTea().replaced(store);
    await waitUntilDone(store.reset('discard'));
    letGo();
    await replaced;
    expect([await idsIn(inner), await contentOf(inner)]).toEqual([[], 0]);
  });

  it('E6 is ignored while a client reset is pending', async () => {
    const disk = createHeldStorage();
    const store = openTestStore(disk.storage);
    await createTask(store);
    disk.hold();
    const reset = waitUntilDone(store.reset('discard'));
    const replaced = onlyTea().replaced(store);
    while (disk.finish() > 0) await Promise.resolve();
    await Promise.all([reset, replaced]);
    expect([await idsIn(disk.inner), await contentOf(disk.inner)]).toEqual([[], 0]);
  });

  it('is not undone by an earlier page', async () => {
    const disk = createHeldStorage();
    const store = openTestStore(disk.storage);
    disk.hold();
    const server = onlyTea();
    server.add('b', createTaskOperation('new'));
    server.add('b', { kind: 'delete', type: 'Task', key: 'tea' });
    const [first] = server.changesets;
    const replaced = server.replaced(store);
    const late = waitUntilDone(store.integrate({ changesets: [first!], upTo: 1, remaining: 2, ...nothing }));
    while (disk.finish() > 0) await Promise.resolve();
    await Promise.all([replaced, late]);
    expect([await idsIn(disk.inner), await contentOf(disk.inner)]).toEqual([['new'], 3]);
  });

  it('cannot be applied inside a write', async () => {
    const store = openTestStore();
    const thrown: unknown[] = [];
    await firstValueFrom(
      store.write(() => {
        store
          .replace({ version: 1, objects: [], ...nothing })
          .subscribe({ error: (error: unknown) => thrown.push(error) });
      }),
    );
    expect(thrown).toEqual([new InvalidStateError('A snapshot is not possible inside realm.write.')]);
  });
});

describe('a write after a snapshot', () => {
  const of1 = { type: 'Task', key: 'tea' };
  const latest: readonly (readonly [string, Operation])[] = [
    ['create', { kind: 'create', ...of1, values: { id: 'tea', title: 'tea' } }],
    ['update', { kind: 'update', ...of1, values: { title: 'Tea' } }],
    ['delete', { kind: 'delete', ...of1 }],
    [
      'insert into a list',
      { kind: 'insert', ...of1, property: 'steps', run: ['a0', 'b'], keys: ['a0'], values: ['boil'] },
    ],
  ];

  const toInFlight = (operation: Operation) => {
    const server = createHistory();
    server.add('b', { kind: 'create', ...of1, values: { id: 'tea', title: 'tea' } }, noon - day);
    server.add('b', operation, noon + day);
    return server;
  };

  it.each(latest)('is later than the %s in it, whatever the clock says', async (_, operation) => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage);
    await toInFlight(operation).replaced(store);
    await addOperation(store, 'mine');
    await addOperation(openDeviceStore(storage).store, 'after a restart');
    expect(await timesOf(storage)).toEqual([
      [day, 1],
      [day, 2],
    ]);
  });

  it.each(latest)('stays later than the %s in it when the clock is corrected', async (_, operation) => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon + 2 * day);
    await toInFlight(operation).replaced(store);
    await addOperation(store, 'mine');
    expect(await timesOf(storage)).toEqual([[2 * day, 0]]);
    await waitUntilDone(store.correct(applyServerTime(noon, -2 * day)));
    expect(await timesOf(storage)).toEqual([[day, 1]]);
  });

  it('is on top of the next snapshot, when both are pending', async () => {
    const disk = createHeldStorage();
    const store = openTestStore(disk.storage);
    disk.hold();
    const server = onlyTea();
    const first = server.replaced(store);
    const written = firstValueFrom(store.write((tx) => tx.update('Task', 'tea', { votes: 5 })));
    server.add('b', createTaskOperation('new'));
    const second = server.replaced(store);
    while (disk.finish() > 0) await firstValueFrom(of(0));
    await Promise.all([first, written, second]);
    expect(openTestStore(disk.inner).get('Task', 'tea')).toMatchObject({ votes: 5 });
    expect(await idsIn(disk.inner)).toEqual(['new', 'tea']);
  });
});
