import { firstValueFrom } from 'rxjs';
import { InvalidArgumentError, RealmClosedError, StorageError } from '../../../lib/model/errors.js';
import type { WantedView } from '../../../lib/model/view.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  subscriptionStateOf,
  type SubscriptionStatus,
  viewStateOf,
} from '../../../lib/store/subscriptions/subscription-state.js';
import { createFailingStorage, createHeldStorage, waitUntilDone } from '../test-kit.js';
import {
  createServer,
  createTask,
  detachedIn,
  follow,
  greetingOf,
  keysIn,
  moveTask,
  openDevice,
  placeLatest,
  renamedSchema,
  selectLists,
  statusOf,
  subscribedDevice,
  subscriptionsOf,
  unsentOf,
  uploadAll,
  viewOf,
  wantedOf,
} from './view-world.js';

const letterOf = (status: SubscriptionStatus): string => `${status.set.version}${viewStateOf(status)[0] ?? ''}`;
const noView = { number: null, filters: [], scope: null };

describe('the subscriptions of a store', () => {
  it('change at once, are durable before the stream completes, and survive a restart', async () => {
    const disk = createHeldStorage();
    const store = openDevice({ storage: disk.storage });
    const wanted: WantedView[] = [];
    viewOf(store).wanted$.subscribe((each) => wanted.push(each));
    disk.hold();
    const results: unknown[] = [];
    viewOf(store).edited$.subscribe({ complete: () => results.push('no edit waits') });
    selectLists(store, 'in').subscribe((edited) => results.push(edited.found.map(({ id }) => id)));
    viewOf(store).edited$.subscribe({ complete: () => results.push(`sent ${wanted.length}`) });
    expect(letterOf(statusOf(store))).toBe('1p');
    expect([results, wanted.map(({ number }) => number)]).toEqual([['no edit waits'], [0]]); // A set that is not durable is not sent.
    expect(disk.begun.map(({ durable }) => durable)).toEqual([true]);
    while (disk.finish() > 0);
    expect([results, wanted.map(({ number }) => number)]).toEqual([
      ['no edit waits', [1], 'sent 2'],
      [0, 1],
    ]);
    const again = openDevice({ storage: disk.inner });
    expect(statusOf(again)).toEqual(statusOf(store));
    expect(await wantedOf(again)).toMatchObject({ number: 1, filters: [{ id: 1, type: 'Task' }] });
  });

  it('are taken back when they cannot be stored', async () => {
    const disk = createHeldStorage();
    const store = openDevice({ storage: disk.storage });
    await waitUntilDone(selectLists(store, 'in'));
    const before = statusOf(store);
    disk.hold();
    const failures: unknown[] = [];
    const states: string[] = [];
    subscriptionsOf(store).status$.subscribe((status) => states.push(letterOf(status)));
    for (const list of ['out', 'else'])
      selectLists(store, list).subscribe({ error: (thrown: unknown) => failures.push(thrown) });
    viewOf(store).edited$.subscribe({ complete: () => failures.push('end') });
    disk.fail();
    expect(failures).toEqual([expect.any(StorageError), expect.any(StorageError), 'end']);
    expect(states).toEqual(['1p', '2p', '3p', '1p']);
    expect(statusOf(store)).toEqual(before);
  });

  it('invariant 12: the same content again is no change, and waits until it is durable', () => {
    const disk = createHeldStorage();
    const store = openDevice({ storage: disk.storage });
    disk.hold();
    const done: string[] = [];
    selectLists(store, 'in').subscribe({ complete: () => done.push('first') });
    const status = statusOf(store);
    selectLists(store, 'in').subscribe({ complete: () => done.push('second') });
    expect(statusOf(store)).toBe(status);
    expect(done).toEqual([]);
    while (disk.finish() > 0);
    expect(done).toEqual(['first', 'second']);
    expect(statusOf(store).set.version).toBe(1);
  });

  it('throw for a wrong change and in a closed realm, and nothing has changed', async () => {
    const store = openDevice();
    const { edit } = subscriptionsOf(store);
    expect(() =>
      edit((subs) => {
        subs.set('Task', { where: { lost: 1 } });
      }),
    ).toThrow(InvalidArgumentError);
    expect(statusOf(store).set.version).toBe(0);
    const states: string[] = [];
    subscriptionsOf(store).status$.subscribe({ complete: () => states.push('end') });
    viewOf(store).wanted$.subscribe({ complete: () => states.push('end') });
    await waitUntilDone(store.close());
    expect(() => edit(() => undefined)).toThrow(RealmClosedError);
    expect(states).toEqual(['end', 'end']);
  });

  it('are complete after readers see the objects, and pending again after a change', async () => {
    const server = createServer();
    server.add([createTask('a'), createTask('b')]);
    const store = openDevice();
    const seen: string[] = [];
    store.changes$('Task').subscribe(({ inserted }) => seen.push(`${inserted.size} tasks`));
    subscriptionsOf(store).status$.subscribe((status) => seen.push(`${letterOf(status)} ${keysIn(store)}`));
    await waitUntilDone(selectLists(store, 'in'));
    await placeLatest(store, server);
    expect(seen).toEqual(['0p ', '1p ', '1b ', '2 tasks', '1c ab']);
    viewOf(store).noteDisconnect(false);
    await waitUntilDone(selectLists(store));
    expect(seen.slice(5)).toEqual(['2p ab']);
  });

  it('show the rejections of the server for the subscriptions that it rejects, also before it is asked again', async () => {
    const storage = memoryStorage();
    const store = openDevice({ storage });
    await waitUntilDone(selectLists(store, 'in', 'out'));
    const rejections = [{ id: 2, code: 'too-many-properties', text: 'no' }];
    viewOf(store).noteAnswer({ number: 1, objects: 0, rejections });
    const wanted = await wantedOf(store);
    const server = createServer();
    const placed = { ...wanted, filters: wanted.filters.filter(({ id }) => id !== 2) };
    await waitUntilDone(viewOf(store).place(server.membersOf(placed)));
    const statesOf = (status: SubscriptionStatus): readonly string[] =>
      [1, 2, 3].map((id) => subscriptionStateOf(status, id));
    expect(statesOf(statusOf(store))).toEqual(['complete', 'rejected', 'removed']);
    expect(statesOf(statusOf(openDevice({ storage })))).toEqual(['complete', 'pending', 'removed']);
  });

  it('edge case 44: those that a migrated schema cannot show are rejected here, and the realm opens', async () => {
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a')]);
    await subscribedDevice(server, ['in'], { storage });
    const store = openDevice({ storage, of: renamedSchema });
    expect(subscriptionStateOf(statusOf(store), 1)).toBe('rejected');
    expect(statusOf(store).rejections.get(1)).toMatchObject({ code: 'unknown-property' });
    expect(await wantedOf(store)).toMatchObject({ number: 1, filters: [] });
    viewOf(store).noteAnswer({ number: 1, objects: 0, rejections: [] });
    expect(subscriptionStateOf(statusOf(store), 1)).toBe('rejected');
  });
});

describe('edge case 40: a copy of a realm', () => {
  it('has the subscriptions, the placed view and the detached objects', async () => {
    const server = createServer();
    server.add([createTask('a'), createTask('b')]);
    const store = await subscribedDevice(server, ['in']);
    await firstValueFrom(store.write((tx) => tx.update('Task', 'a', { votes: 1 } as never)));
    server.add([moveTask('a', 'out')]);
    await follow(store, server);
    const storage = memoryStorage();
    await waitUntilDone(storage.batch(store.dump() ?? [], { durable: true }));
    const copy = openDevice({ storage });
    expect(statusOf(copy)).toEqual(statusOf(store));
    expect((await greetingOf(copy)).view).toEqual((await greetingOf(store)).view);
    expect([keysIn(copy), await detachedIn(storage)]).toEqual(['ab', ['a']]);
    await uploadAll(copy, server);
    expect(keysIn(copy)).toBe('b');
  });
});

describe('a client reset of a realm with subscriptions', () => {
  it.each(['recover', 'discard', 'keepReplica', 'copied'] as const)(
    'V10 by %s keeps the subscriptions, places no view, and detaches nothing',
    async (mode) => {
      const storage = memoryStorage();
      const server = createServer();
      server.add([createTask('a'), createTask('b')]);
      const store = await subscribedDevice(server, ['in'], { storage });
      await waitUntilDone(store.adopt('h'));
      await firstValueFrom(store.write((tx) => tx.create('Task', { id: 'c', list: 'out' })));
      await firstValueFrom(store.write((tx) => tx.update('Task', 'a', { votes: 1 } as never)));
      server.add([moveTask('a', 'out')]);
      await follow(store, server);
      const changes = firstValueFrom(store.changes$('Task'));
      await waitUntilDone(store.reset(mode));
      expect((await changes).left).toEqual(new Set()); // They were not removed by the view.
      for (const each of [store, openDevice({ storage })]) {
        expect(await greetingOf(each)).toMatchObject({ downloadedTo: 0, view: noView });
        expect([letterOf(statusOf(each)), statusOf(each).placed]).toEqual(['1p', null]);
        expect(keysIn(each)).toBe(mode === 'discard' ? '' : 'c');
        expect(each.context.durable().hasView).toBe(false); // Earlier versions of the library may open it.
      }
      expect(await detachedIn(storage)).toEqual([]);
      const states = [server.objectAt(2, 'a')];
      const late = { changesets: [], states, leaves: [], upTo: 9, bytes: 0, remainingBytes: 0 };
      await waitUntilDone(viewOf(store).integrate(late)); // A page of the view from before the reset.
      expect(await greetingOf(store)).toMatchObject({ downloadedTo: 0 });
      await placeLatest(store, server);
      await uploadAll(store, server);
      await follow(store, server);
      expect([keysIn(store), letterOf(statusOf(store))]).toEqual(['b', '1c']);
    },
  );

  it('that fails takes everything back', async () => {
    const { storage, state } = createFailingStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage });
    state.full = true;
    await expect(waitUntilDone(store.reset('discard'))).rejects.toThrow(StorageError);
    state.full = false;
    expect([keysIn(store), letterOf(statusOf(store))]).toEqual(['a', '1c']);
    server.add([moveTask('a', 'out')]);
    await follow(store, server);
    expect(keysIn(store)).toBe('');
  });

  it('that discards the data of a user removes the subscriptions, too', async () => {
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage });
    await waitUntilDone(store.clear());
    for (const each of [store, openDevice({ storage })]) {
      expect([keysIn(each), letterOf(statusOf(each))]).toEqual(['', '0p']);
      expect(await wantedOf(each)).toMatchObject({ number: 0, filters: [] });
    }
  });
});

describe('edge case 34: a realm', () => {
  it('V11 that was full has no placed view, keeps its objects until the resync, and then has those of the view', async () => {
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a'), createTask('b', 'out')]);
    const full = openDevice({ storage, isFull: true });
    await waitUntilDone(
      full.replace({
        ...server.membersOf({ number: 1, filters: [{ id: 1, type: 'Task', filter: true }], scope: null }),
        version: 1,
      }),
    );
    await firstValueFrom(full.write((tx) => tx.create('Task', { id: 'c', list: 'in' })));
    const store = openDevice({ storage });
    expect(await greetingOf(store)).toMatchObject({ downloadedTo: 1, view: noView });
    await waitUntilDone(selectLists(store, 'in'));
    expect(keysIn(store)).toBe('abc');
    await placeLatest(store, server);
    expect(await greetingOf(store)).toMatchObject({ downloadedTo: 1, includeOwn: false, view: { number: 1 } });
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['ac', ['c']]);
    await uploadAll(store, server);
    await follow(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['ac', []]);
  });

  it('V11 that had a view and is opened without subscriptions downloads everything again, and keeps what is unsent', async () => {
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a'), createTask('b', 'out')]);
    const store = await subscribedDevice(server, ['in'], { storage });
    await waitUntilDone(store.adopt('h'));
    await firstValueFrom(store.write((tx) => tx.update('Task', 'a', { votes: 1 } as never)));
    server.add([moveTask('a', 'out')]);
    await follow(store, server);
    expect(await detachedIn(storage)).toEqual(['a']);
    const full = openDevice({ storage, isFull: true });
    expect(await greetingOf(full)).toMatchObject({ history: 'h', downloadedTo: 0, includeOwn: true });
    expect(await greetingOf(full)).not.toHaveProperty('view');
    expect([full.view, full.subscriptions, keysIn(full)]).toEqual([undefined, null, 'a']);
    expect([await detachedIn(storage), (await unsentOf(full)).length]).toEqual([[], 1]);
    const everything = server.membersOf({ number: 1, filters: [{ id: 1, type: 'Task', filter: true }], scope: null });
    await waitUntilDone(full.replace({ ...everything, version: 2 }));
    expect(full.objects('Task', { sort: { id: 1 } })).toMatchObject([{ id: 'a', list: 'out', votes: 1 }, { id: 'b' }]);
    const again = openDevice({ storage });
    expect([letterOf(statusOf(again)), (await greetingOf(again)).view]).toEqual(['1p', noView]);
  });

  it('without subscriptions reads and writes what it always did', async () => {
    const inner = memoryStorage();
    const read: string[] = [];
    const storage = {
      ...inner,
      range: (range: Parameters<typeof inner.range>[0]) => (read.push(range.from), inner.range(range)),
    };
    const store = openDevice({ storage, isFull: true });
    await firstValueFrom(store.write((tx) => tx.create('Task', { id: 'a' })));
    const keys = (await firstValueFrom(inner.range({ from: ' ', to: '~', limit: 99, bytesMax: Infinity }))).map(
      ([key]) => key,
    );
    expect([...read, ...keys].filter((key) => /^(subscriptions|view|detached)/.test(key))).toEqual([]);
    const [meta] = await firstValueFrom(inner.range({ from: 'meta', to: 'metb', limit: 1, bytesMax: Infinity }));
    expect(Buffer.from(meta![1]).toString('latin1')).toContain('tidemark realm 4');
  });
});
