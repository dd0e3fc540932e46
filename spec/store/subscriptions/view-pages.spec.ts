import { encodeState } from '../../../lib/merge/state-codec.js';
import { InvalidStateError, StorageError, UnreadableChangeError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createFailingStorage, createHeldStorage, waitUntilDone } from '../test-kit.js';
import { noteChanges, serverWith, stateOf, update, write } from './view-device.js';
import {
  createTask,
  detachedIn,
  follow,
  greetingOf,
  keysIn,
  type ModelServer,
  moveTask,
  openDevice,
  placeLatest,
  selectLists,
  statusOf,
  subscribedDevice,
  unsentOf,
  uploadAll,
  uploadNext,
  viewOf,
  wantedOf,
} from './view-world.js';

const manyKeys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
const serverWithMany = (): ModelServer => serverWith(...manyKeys.map((key) => createTask(key)));
const none = new Set();

describe('the objects of a view', () => {
  it('V2 are exactly those of the server after the first placement, with equal states, in one emission', async () => {
    const server = serverWith(createTask('a'), createTask('b', 'out'), createTask('c'));
    const store = openDevice();
    const noted = noteChanges(store);
    await waitUntilDone(selectLists(store, 'in'));
    await placeLatest(store, server);
    expect(keysIn(store)).toBe('ac');
    expect(noted).toEqual([{ inserted: new Set(['a', 'c']), modified: none, deleted: none, left: none }]);
    expect(encodeState(stateOf(store, 'a')!)).toEqual(server.objectAt(3, 'a').state);
    expect(store.downloadProgress().version).toBe(3);
  });

  it('leave without a trace, as rows of blocks too, and can enter again', async () => {
    const storage = memoryStorage();
    const server = serverWithMany();
    const store = await subscribedDevice(server, ['in'], { storage });
    const noted = noteChanges(store);
    server.add([moveTask('a', 'out'), moveTask('b', 'out')]);
    await follow(store, server);
    expect(keysIn(store)).toBe('cdefghij');
    expect(noted).toEqual([
      { inserted: none, modified: none, deleted: new Set(['a', 'b']), left: new Set(['a', 'b']) },
    ]);
    expect(keysIn(openDevice({ storage }))).toBe('cdefghij');
    expect([stateOf(store, 'a'), await detachedIn(storage)]).toEqual([undefined, []]);
    server.add([moveTask('a', 'in')]);
    await follow(store, server);
    for (const each of [store, openDevice({ storage })]) expect(keysIn(each)).toBe('acdefghij');
    expect(noted[1]).toEqual({ inserted: new Set(['a']), modified: none, deleted: none, left: none });
  });

  it('V13 that are deleted while they are in the view are deleted, and have not left', async () => {
    const server = serverWith(createTask('a'), createTask('b'));
    const store = await subscribedDevice(server, ['in']);
    const noted = noteChanges(store);
    server.add([{ kind: 'delete', type: 'Task', key: 'a' }]);
    await follow(store, server);
    expect(noted).toEqual([{ inserted: none, modified: none, deleted: new Set(['a']), left: none }]);
  });

  it('keep the present state when an older one comes after an acknowledgement (realm-js 6491)', async () => {
    const server = serverWith(createTask('a'));
    const disk = createHeldStorage();
    const store = await subscribedDevice(server, ['in'], { storage: disk.storage });
    const old = server.objectAt(1, 'a');
    await update(store, 'a', { votes: 3 });
    await uploadAll(store, server);
    const noted = noteChanges(store);
    disk.hold();
    const page = { changesets: [], states: [old], leaves: [], upTo: 3, bytes: 0, remainingBytes: 0 };
    const integrated = waitUntilDone(viewOf(store).integrate(page));
    expect(disk.begun.flatMap(({ changes }) => changes.map(({ key }) => key))).toEqual(['meta']);
    disk.finish();
    await integrated;
    expect(store.get('Task', 'a')).toMatchObject({ votes: 3 });
    expect(noted).toEqual([]);
  });

  it('edge case 13: the own write that moves an object out loses against a later one that keeps it in', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    await update(store, 'a', { list: 'out' });
    await uploadAll(store, server);
    server.add([moveTask('a', 'in')], 5_000);
    await follow(store, server);
    expect(store.get('Task', 'a')).toMatchObject({ list: 'in' });
    expect(encodeState(stateOf(store, 'a')!)).toEqual(server.objectAt(server.head(), 'a').state);
  });

  it('invariant 5 and edge case 15: a crash shows the objects, the cursor and the view of before or after, never a mixture', async () => {
    const server = serverWithMany();
    const { storage, state } = createFailingStorage();
    const store = await subscribedDevice(server, ['in'], { storage });
    await waitUntilDone(selectLists(store, 'out'));
    server.add([moveTask('a', 'out')]);
    const before = await greetingOf(store);
    state.full = true;
    await expect(placeLatest(store, server)).rejects.toThrow(StorageError);
    for (const each of [store, openDevice({ storage })]) {
      expect({ ...(await greetingOf(each)), runs: [] }).toEqual({ ...before, runs: [] });
      expect(keysIn(each)).toBe('abcdefghij');
      expect(statusOf(each).placed?.version).toBe(1);
    }
    state.full = false;
    await placeLatest(store, server);
    for (const each of [store, openDevice({ storage })]) {
      expect(await greetingOf(each)).toMatchObject({ downloadedTo: 11, view: { number: 2 } });
      expect(keysIn(each)).toBe('a');
      expect(statusOf(each).placed?.version).toBe(2);
    }
  });

  it.each(['place', 'integrate'] as const)('that come by %s are older than every later write', async (way) => {
    const server = serverWith(createTask('b'));
    const store = await subscribedDevice(server, way === 'place' ? [] : ['in']);
    server.add([createTask('a', 'in', { votes: 1 })], 9_000);
    await waitUntilDone(selectLists(store, 'in'));
    await (way === 'place' ? placeLatest : follow)(store, server);
    await update(store, 'a', { votes: 2 });
    expect(store.get('Task', 'a')).toMatchObject({ votes: 2 });
    await uploadAll(store, server);
    expect(server.stateAt(server.head()).get('a')?.values).toMatchObject({ votes: 2 });
  });

  it('edge case 45: a full disk leaves the view of before in force', async () => {
    const server = serverWith(createTask('a'), createTask('b', 'out'));
    const { storage, state } = createFailingStorage();
    const store = await subscribedDevice(server, ['in'], { storage });
    server.add([moveTask('a', 'out')]);
    state.full = true;
    await expect(follow(store, server)).rejects.toThrow(StorageError);
    expect(keysIn(store)).toBe('a');
    state.full = false;
    await follow(store, server);
    expect(keysIn(store)).toBe('');
  });

  it.each(['difference', 'resync'] as const)(
    'invariant 10: a %s is placed at once, and readers see one change',
    async (mode) => {
      const server = serverWithMany();
      server.add([createTask('x', 'out'), createTask('y', 'out')]);
      const store = await subscribedDevice(server, ['in']);
      await waitUntilDone(selectLists(store, 'out'));
      const noted = noteChanges(store);
      await placeLatest(store, server, mode);
      const gone = new Set(manyKeys);
      expect(noted).toEqual([{ inserted: new Set(['x', 'y']), modified: none, deleted: gone, left: gone }]);
    },
  );

  it('invariant 11: a repeated page or placement changes nothing', async () => {
    const server = serverWithMany();
    const store = await subscribedDevice(server, ['in']);
    const { view, replica } = await greetingOf(store);
    const members = server.membersOf(await wantedOf(store));
    server.add([moveTask('a', 'out'), createTask('k')]);
    const page = server.pageAfter(view!, 10, replica);
    await waitUntilDone(viewOf(store).integrate(page));
    await update(store, 'b', { votes: 1 });
    const noted = noteChanges(store);
    await waitUntilDone(viewOf(store).integrate(page));
    await waitUntilDone(viewOf(store).place(members));
    expect(noted).toEqual([]);
    expect([keysIn(store), store.downloadProgress().version]).toEqual(['bcdefghijk', 11]);
  });

  it('with lists and counters are joined element by element and increment by increment', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    await write(store, (tx) => {
      tx.increment('Task', 'a', 'likes', 2);
      tx.list('Task', 'a', 'tags').push('own');
    });
    server.add([
      { kind: 'insert', type: 'Task', key: 'a', property: 'tags', run: ['a0', 'r'], keys: ['a0'], values: ['other'] },
    ]);
    await follow(store, server);
    expect(store.get('Task', 'a')).toMatchObject({ likes: 2 });
    expect([...(store.get('Task', 'a')?.['tags'] as string[])].sort()).toEqual(['other', 'own']);
    await uploadAll(store, server);
    await follow(store, server);
    expect(encodeState(stateOf(store, 'a')!)).toEqual(server.objectAt(server.head(), 'a').state);
  });

  it('cannot be changed inside a write, which builds on the state that it began with', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    server.add([moveTask('a', 'out')]);
    const { view, replica } = await greetingOf(store);
    const page = server.pageAfter(view!, 1, replica);
    const thrown: unknown[] = [];
    await write(store, () => {
      viewOf(store)
        .integrate(page)
        .subscribe({ error: (error: unknown) => thrown.push(error) });
    });
    expect(thrown).toEqual([expect.any(InvalidStateError)]);
    expect(keysIn(store)).toBe('a');
  });

  it('stay as they are when a page has bytes that are not an object', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    const states = [{ type: 'Task', key: 'b', state: new Uint8Array([1, 2]) }];
    const leaves = [{ type: 'Task', key: 'a' }];
    const page = { changesets: [], states, leaves, upTo: 9, bytes: 0, remainingBytes: 0 };
    await expect(waitUntilDone(viewOf(store).integrate(page))).rejects.toThrow(UnreadableChangeError);
    expect([keysIn(store), store.downloadProgress().version]).toEqual(['a', 1]);
  });

  it('edge case 14: a leave that repeats after a lost acknowledgement changes nothing', async () => {
    const storage = memoryStorage();
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in'], { storage });
    await update(store, 'a', { list: 'out' });
    const version = await uploadNext(store, server);
    await follow(store, server); // It names the object before the acknowledgement comes.
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['a', ['a']]);
    const again = openDevice({ storage });
    await waitUntilDone(again.acknowledge(version));
    expect([keysIn(again), await detachedIn(storage)]).toEqual(['', []]);
    const leaves = [{ type: 'Task', key: 'a' }];
    await waitUntilDone(
      viewOf(again).integrate({ changesets: [], states: [], leaves, upTo: 3, bytes: 0, remainingBytes: 0 }),
    );
    expect([keysIn(again), await detachedIn(storage), await unsentOf(again)]).toEqual(['', [], []]);
  });
});
