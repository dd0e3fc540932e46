import { firstValueFrom } from 'rxjs';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { createHeldStorage, waitUntilDone } from '../test-kit.js';
import { noteChanges, serverWith, stateOf, update, write } from './view-device.js';
import {
  createServer,
  createTask,
  follow,
  greetingOf,
  keysIn,
  type ModelServer,
  moveTask,
  placeLatest,
  selectLists,
  subscribedDevice,
  uploadAll,
  uploadNext,
  viewOf,
} from './view-world.js';

const none = new Set();
const noBytes = { bytes: 0, remainingBytes: 0 };

/** The rejection of a change of task `a`, with its state on the server. */
const rejectionOf = (version: number, server: ModelServer) => ({
  ...{ version, code: 'not-permitted', writes: [{ type: 'Task', key: 'a', reason: 'no' }] },
  serverStates: [server.objectAt(server.head(), 'a')],
});

describe('the objects of a view in edge cases', () => {
  it('edge case 28: a long list leaves and enters as a whole, and keeps what was pushed meanwhile', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    const elements = Array.from({ length: 5_000 }, (_, index) => `e${index}`);
    await write(store, (tx) => tx.list('Task', 'a', 'tags').push(...elements));
    await uploadAll(store, server);
    server.add([moveTask('a', 'out')], 5_000);
    await follow(store, server);
    server.add([moveTask('a', 'in')], 6_000);
    expect(keysIn(store)).toBe('');
    await follow(store, server);
    await write(store, (tx) => tx.list('Task', 'a', 'tags').push('last'));
    await uploadAll(store, server);
    server.add([{ kind: 'update', type: 'Task', key: 'a', values: { votes: 1 } }], 7_000);
    await follow(store, server);
    expect(store.get('Task', 'a')?.['tags']).toEqual([...elements, 'last']);
    expect(encodeState(stateOf(store, 'a')!)).toEqual(server.objectAt(server.head(), 'a').state);
  });

  it('edge case 33: ten thousand objects leave in one batch', async () => {
    const server = createServer();
    const keys = Array.from({ length: 10_000 }, (_, index) => `k${index}`);
    server.add(keys.map((key) => createTask(key)));
    const store = await subscribedDevice(server, ['in']);
    const noted = noteChanges(store);
    await waitUntilDone(selectLists(store));
    await placeLatest(store, server);
    expect(noted.map(({ left }) => left.size)).toEqual([10_000]);
    expect(keysIn(store)).toBe('');
  });

  it('have not left when they leave and enter again in one batch', async () => {
    const disk = createHeldStorage();
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in'], { storage: disk.storage });
    const noted = noteChanges(store);
    const { view, replica } = await greetingOf(store);
    server.add([moveTask('a', 'out')]);
    const leave = server.pageAfter(view!, 1, replica);
    server.add([moveTask('a', 'in')]);
    const enter = server.pageAfter(view!, 2, replica);
    disk.hold();
    const other = write(store, (tx) => tx.create('Task', { id: 'b', list: 'in' })); // A batch of its own.
    const [left, entered] = [leave, enter].map((page) => waitUntilDone(viewOf(store).integrate(page)));
    while (disk.finish() > 0) await Promise.resolve();
    await Promise.all([other, left, entered]);
    expect(noted.slice(1)).toEqual([{ inserted: none, modified: new Set(['a']), deleted: none, left: none }]);
  });

  it('have no unsent change on top after a resync that the server has decided before its retention cutoff', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    await waitUntilDone(store.forget({ time: 100, version: 1 }));
    expect(store.context.durable().forgottenBefore).toBe(100);
    await update(store, 'a', { votes: 7 });
    await waitUntilDone(store.correct({ serverTime: 1_000, offset: 0, margin: 9, decided: 1, retentionCutoff: 5_000 }));
    await waitUntilDone(selectLists(store, 'in', 'else'));
    await placeLatest(store, server, 'resync');
    expect(store.get('Task', 'a')).toMatchObject({ votes: null });
    expect(store.context.durable().forgottenBefore).toBe(0);
  });

  it('are set aside when they do not fit the schema, and leave like all others', async () => {
    const server = serverWith(createTask('a'), createTask('b', 'in', { votes: 'many' }));
    const store = await subscribedDevice(server, ['in']);
    expect(keysIn(store)).toBe('a');
    expect(await firstValueFrom(store.setAside$)).toMatchObject([{ key: 'b' }]);
    server.add([moveTask('b', 'out')]);
    await follow(store, server);
    expect(await firstValueFrom(store.setAside$)).toEqual([]);
    expect(stateOf(store, 'b')).toBeUndefined();
  });

  it('edge cases 10 and 11: a rejected create of a key that exists out of the view shows nothing of that object', async () => {
    const server = serverWith(createTask('a', 'out', { votes: 5 }));
    const store = await subscribedDevice(server, ['in']);
    await write(store, (tx) => tx.create('Task', { id: 'a', list: 'in' }));
    await waitUntilDone(store.rollBack(rejectionOf(1, server)));
    expect([keysIn(store), stateOf(store, 'a')]).toEqual(['', undefined]);
  });

  it('end as on the server when a change between moving out and back in is rejected', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    await update(store, 'a', { list: 'out' });
    await update(store, 'a', { votes: 1 });
    await update(store, 'a', { list: 'in' });
    await waitUntilDone(store.acknowledge(await uploadNext(store, server)));
    await waitUntilDone(store.rollBack(rejectionOf(2, server)));
    expect(store.get('Task', 'a')).toMatchObject({ list: 'in', votes: null });
    await uploadAll(store, server);
    await follow(store, server);
    expect(encodeState(stateOf(store, 'a')!)).toEqual(server.objectAt(server.head(), 'a').state);
  });

  it('come again as a whole when the connection ends after a rejection that was later than the view', async () => {
    const server = serverWith(createTask('a', 'out'));
    const store = await subscribedDevice(server, ['in']);
    server.add([moveTask('a', 'in')]);
    await write(store, (tx) => tx.create('Task', { id: 'a', list: 'in' }));
    await waitUntilDone(store.rollBack({ ...rejectionOf(1, server), upTo: server.head() }));
    expect([keysIn(store), (await greetingOf(store)).view?.number]).toEqual(['a', null]);
    server.add([moveTask('a', 'out')]); // The changes of the view do not name it: it was out before, and is out now.
    await placeLatest(store, server);
    expect([keysIn(store), (await greetingOf(store)).view?.number]).toEqual(['', 1]);
  });

  it('do not come again after a rejection when the next page has named what was later', async () => {
    const server = serverWith(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    await update(store, 'a', { votes: 1 });
    await waitUntilDone(store.rollBack({ ...rejectionOf(1, server), upTo: server.head() }));
    expect((await greetingOf(store)).view?.number).toBe(1);
    await update(store, 'a', { votes: 2 });
    server.add([moveTask('a', 'in')]);
    await waitUntilDone(store.rollBack({ ...rejectionOf(2, server), upTo: server.head() }));
    expect((await greetingOf(store)).view?.number).toBe(null);
    await waitUntilDone(
      viewOf(store).integrate({ changesets: [], states: [], leaves: [], upTo: server.head(), ...noBytes }),
    );
    expect([keysIn(store), (await greetingOf(store)).view?.number]).toEqual(['a', 1]);
  });
});
