import { firstValueFrom, lastValueFrom } from 'rxjs';
import { endOfTurn$ } from '../../../lib/clock.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { InvalidStateError, StorageError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import type { Store } from '../../../lib/store/store.js';
import { createFailingStorage, createHeldStorage, waitUntilDone } from '../test-kit.js';
import { update } from './view-device.js';
import {
  createServer,
  createTask,
  detachedIn,
  follow,
  keysIn,
  type ModelServer,
  moveTask,
  openDevice,
  placeLatest,
  selectLists,
  subscribedDevice,
  unsentOf,
  uploadAll,
  uploadNext,
} from './view-world.js';

const like = (store: Store) => firstValueFrom(store.write((tx) => tx.increment('Task', 'a', 'likes', 1)));
const reject = (store: Store, version: number, state: Uint8Array | null = null) =>
  waitUntilDone(
    store.rollBack({
      ...{ version, code: 'not-permitted', writes: [{ type: 'Task', key: 'a', reason: 'no' }] },
      serverStates: [{ type: 'Task', key: 'a', state }],
    }),
  );

/** Stores everything that a held storage has got. */
const finishAll = async (disk: ReturnType<typeof createHeldStorage>): Promise<void> => {
  do await lastValueFrom(endOfTurn$);
  while (disk.finish() > 0);
};

/** A device whose task `a` has left while changes of it are unsent. */
const detachedDevice = async (
  storage: Storage = memoryStorage(),
): Promise<{ readonly store: Store; readonly server: ModelServer; readonly storage: Storage }> => {
  const server = createServer();
  server.add([createTask('a')]);
  const store = await subscribedDevice(server, ['in'], { storage });
  await update(store, 'a', { votes: 7 });
  server.add([moveTask('a', 'out')]);
  await follow(store, server);
  return { store, server, storage };
};

describe('a detached object', () => {
  it('edge case 8: stays visible while a change of it is unsent, also after a restart, and goes when it is acknowledged', async () => {
    const { store, server, storage } = await detachedDevice();
    expect(store.get('Task', 'a')).toMatchObject({ votes: 7 });
    expect(await detachedIn(storage)).toEqual(['a']);
    const again = openDevice({ storage });
    expect([keysIn(again), (await unsentOf(again)).length]).toEqual(['a', 1]);
    const changes = firstValueFrom(again.changes$('Task'));
    await uploadAll(again, server);
    expect(await changes).toMatchObject({ deleted: new Set(['a']), left: new Set(['a']) });
    expect([keysIn(again), await detachedIn(storage)]).toEqual(['', []]);
    expect(server.stateAt(server.head()).get('a')?.values).toMatchObject({ votes: 7, list: 'out' });
  });

  it('edge case 9: an offline edit of what was deleted meanwhile ends as the server says', async () => {
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage });
    await update(store, 'a', { votes: 7 });
    server.add([{ kind: 'delete', type: 'Task', key: 'a' }], 9_000);
    await follow(store, server);
    expect(keysIn(store)).toBe('');
    await uploadAll(store, server);
    await follow(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['', []]);
  });

  it.each([
    ['in', 'a'],
    ['out', ''],
  ])(
    'edge case 10: a create of a key that exists out of the view ends as the merged object, %s',
    async (list, keys) => {
      const server = createServer();
      server.add([createTask('a', 'out', { votes: 1 })], 500);
      if (list === 'out') server.add([moveTask('a', 'out')], 9_000);
      const store = await subscribedDevice(server, ['in']);
      await firstValueFrom(store.write((tx) => tx.create('Task', { id: 'a', list: 'in' })));
      await uploadAll(store, server);
      await follow(store, server);
      expect(keysIn(store)).toBe(keys);
      if (keys !== '')
        expect(encodeState(store.context.objects.latestState('Task', 'a')!)).toEqual(
          server.objectAt(server.head(), 'a').state,
        );
    },
  );

  it('edge case 12: an own write that moves it out stays until the server has it, and an undo never leaves', async () => {
    const server = createServer();
    server.add([createTask('a'), createTask('b')]);
    const store = await subscribedDevice(server, ['in']);
    await update(store, 'a', { list: 'out' });
    await update(store, 'b', { list: 'out' });
    await follow(store, server);
    expect(keysIn(store)).toBe('ab');
    await update(store, 'b', { list: 'in' });
    await uploadAll(store, server);
    await follow(store, server);
    expect(keysIn(store)).toBe('b');
  });

  it('edge case 30: an increment is not counted twice when the object enters again', async () => {
    const { store, server } = await detachedDevice();
    await like(store);
    await like(store);
    await uploadAll(store, server);
    expect(keysIn(store)).toBe('');
    server.add([moveTask('a', 'in')], 9_000);
    await follow(store, server);
    expect(store.get('Task', 'a')).toMatchObject({ likes: 2, votes: 7 });
    await like(store);
    await uploadAll(store, server);
    await follow(store, server);
    expect(store.get('Task', 'a')).toMatchObject({ likes: 3 });
    expect(encodeState(store.context.objects.latestState('Task', 'a')!)).toEqual(
      server.objectAt(server.head(), 'a').state,
    );
  });

  it('edge case 31: unsent changes get new stamps while it is detached', async () => {
    let now = 1_000_000;
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage, now: () => now });
    await update(store, 'a', { votes: 7 });
    server.add([moveTask('a', 'out')]);
    await follow(store, server);
    now = 1_001_000;
    await waitUntilDone(store.correct({ serverTime: 10_000, offset: -990_000, margin: 100 }));
    const [unsent] = await unsentOf(store);
    expect(unsent?.time).toBeLessThan(100_000);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['a', ['a']]);
    await uploadAll(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['', []]);
  });

  it('edge case 50: is brought up to date when it enters again, and stays after the acknowledgement', async () => {
    const { store, server, storage } = await detachedDevice();
    server.add([{ kind: 'update', type: 'Task', key: 'a', values: { votes: 1 } }], 600); // No page names it.
    server.add([moveTask('a', 'in')], 9_000);
    await follow(store, server);
    expect([store.get('Task', 'a'), await detachedIn(storage)]).toMatchObject([{ votes: 7, list: 'in' }, []]);
    await uploadAll(store, server);
    await follow(store, server);
    expect(encodeState(store.context.objects.latestState('Task', 'a')!)).toEqual(
      server.objectAt(server.head(), 'a').state,
    );
  });

  it('stays as long as a later change touches it, and goes with the last one', async () => {
    const { store, server, storage } = await detachedDevice();
    await update(store, 'a', { votes: 8 });
    const first = await uploadNext(store, server);
    await waitUntilDone(store.acknowledge(first));
    expect([store.get('Task', 'a'), await detachedIn(storage)]).toMatchObject([{ votes: 8 }, ['a']]);
    await uploadAll(openDevice({ storage }), server);
    expect([keysIn(openDevice({ storage })), await detachedIn(storage)]).toEqual(['', []]);
  });

  it.each([['no state'], ['a state']])('goes when its last change is rejected with %s', async (standing) => {
    const { store, server, storage } = await detachedDevice();
    const changes = firstValueFrom(store.changes$('Task'));
    await reject(store, 1, standing === 'no state' ? null : server.objectAt(2, 'a').state);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['', []]);
    expect((await changes).left).toEqual(new Set(['a']));
    expect(keysIn(openDevice({ storage }))).toBe('');
    expect(store.stats()).toMatchObject({ rejectedWrites: 1 });
  });

  it('invariant 7: a rejection keeps the later unsent changes of it', async () => {
    const { store, server, storage } = await detachedDevice();
    await update(store, 'a', { votes: 8 });
    await reject(store, 1, server.objectAt(2, 'a').state);
    expect([store.get('Task', 'a'), await detachedIn(storage)]).toMatchObject([{ votes: 8 }, ['a']]);
    await uploadAll(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['', []]);
    expect(server.stateAt(server.head()).get('a')?.values).toMatchObject({ votes: 8 });
  });

  it('invariants 6 and 7: a resync keeps unsent changes, on top of the server and of what it does not name', async () => {
    const storage = memoryStorage();
    const server = createServer();
    server.add([createTask('a'), createTask('b')]);
    const store = await subscribedDevice(server, ['in'], { storage });
    await update(store, 'a', { votes: 1 });
    await uploadAll(store, server);
    await update(store, 'a', { votes: 2 });
    await update(store, 'b', { votes: 3 });
    server.add([moveTask('b', 'out')]);
    server.add([{ kind: 'update', type: 'Task', key: 'a', values: { list: 'in' } }], 9_000);
    await waitUntilDone(selectLists(store, 'in', 'else'));
    await placeLatest(store, server, 'resync');
    expect(store.objects('Task', { sort: { id: 1 } })).toMatchObject([
      { id: 'a', votes: 2 },
      { id: 'b', votes: 3 },
    ]);
    expect(await detachedIn(storage)).toEqual(['b']);
    await uploadAll(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['a', []]);
  });

  it('is not detached any more when a resync names it', async () => {
    const { store, server, storage } = await detachedDevice();
    server.add([moveTask('a', 'in')], 9_000);
    await waitUntilDone(selectLists(store, 'in', 'else'));
    await placeLatest(store, server, 'resync');
    expect([store.get('Task', 'a'), await detachedIn(storage)]).toMatchObject([{ votes: 7, list: 'in' }, []]);
    await uploadAll(store, server);
    expect(keysIn(store)).toBe('a');
  });

  it('invariant 8: is attached again when the batch that detaches it fails', async () => {
    const { storage, state } = createFailingStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage });
    await update(store, 'a', { votes: 7 });
    server.add([moveTask('a', 'out')]);
    state.full = true;
    await expect(follow(store, server)).rejects.toThrow(StorageError);
    state.full = false;
    const version = await uploadNext(store, server);
    await waitUntilDone(store.acknowledge(version));
    expect(keysIn(store)).toBe('a'); // The leave is not stored.
    await follow(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['', []]);
  });

  it('invariant 7: is kept by a write that is queued while the page comes', async () => {
    const disk = createHeldStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage: disk.storage });
    server.add([moveTask('a', 'out')]);
    disk.hold();
    const written = update(store, 'a', { votes: 2 });
    const followed = follow(store, server);
    await finishAll(disk);
    await Promise.all([written, followed]);
    expect([store.get('Task', 'a'), await detachedIn(disk.inner)]).toMatchObject([{ votes: 2 }, ['a']]);
  });

  it('invariant 8: goes at once when its last change is acknowledged, but that is not stored yet', async () => {
    const disk = createHeldStorage();
    const server = createServer();
    server.add([createTask('a')]);
    const store = await subscribedDevice(server, ['in'], { storage: disk.storage });
    await update(store, 'a', { list: 'out' });
    const version = await uploadNext(store, server);
    disk.hold();
    const acknowledged = waitUntilDone(store.acknowledge(version));
    const followed = follow(store, server);
    await finishAll(disk);
    await Promise.all([acknowledged, followed]);
    expect([keysIn(store), await detachedIn(disk.inner)]).toEqual(['', []]);
  });

  it('invariant 7: stays when another change is rejected, and a later one touches it', async () => {
    const { store, server, storage } = await detachedDevice();
    await firstValueFrom(store.write((tx) => tx.create('Task', { id: 'b', list: 'in' })));
    await update(store, 'a', { votes: 9 });
    await uploadNext(store, server);
    await waitUntilDone(
      store.rollBack({
        ...{ version: 2, code: 'not-permitted', writes: [{ type: 'Task', key: 'b', reason: 'no' }] },
        serverStates: [{ type: 'Task', key: 'b', state: null }],
      }),
    );
    expect([store.get('Task', 'a'), await detachedIn(storage)]).toMatchObject([{ votes: 9 }, ['a']]);
    await uploadAll(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['', []]);
  });

  it('does not go inside a write, which builds on the state that it began with', async () => {
    const { store } = await detachedDevice();
    const thrown: unknown[] = [];
    await firstValueFrom(
      store.write(() => {
        store.acknowledge(1).subscribe({ error: (error: unknown) => thrown.push(error) });
      }),
    );
    expect(thrown).toEqual([expect.any(InvalidStateError)]);
    expect(keysIn(store)).toBe('a');
  });
});
