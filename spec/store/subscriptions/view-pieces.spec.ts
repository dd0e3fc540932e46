import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { UnreadableChangeError } from '../../../lib/model/errors.js';
import type { ServerChangeset } from '../../../lib/model/changeset.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { expectEqual, restoreState } from '../../merge/replica-world.js';
import { waitUntilDone } from '../test-kit.js';
import { noteChanges, serverWith, stateOf, update, write } from './view-device.js';
import {
  createTask,
  decoded,
  detachedIn,
  follow,
  greetingOf,
  keysIn,
  moveTask,
  openDevice,
  placeLatest,
  subscribedDevice,
  uploadAll,
  viewOf,
  type ModelServer,
} from './view-world.js';

const tag = (key: string, value: string): Operation => ({
  ...{ kind: 'insert', type: 'Task', key, property: 'tags' },
  ...{ run: ['a0', 'r'], keys: ['a0'], values: [value] },
});
const vote = (key: string, votes: number): Operation => ({ kind: 'update', type: 'Task', key, values: { votes } });

/** A server that sends the operations on objects that stay. */
const operatingServer = (...operations: readonly Operation[]): ModelServer => {
  const server = serverWith(...operations);
  server.isOperated = () => true;
  return server;
};

const expectSame = (store: Awaited<ReturnType<typeof subscribedDevice>>, server: ModelServer, key: string): void =>
  expectEqual(restoreState(stateOf(store, key)!), decoded(server.objectAt(server.head(), key).state));

const pieceOf = (operations: readonly Operation[], version: number): ServerChangeset => ({
  ...{ version, origin: 'other', time: 900, count: 0 },
  body: encodeOperations(operations),
});

describe('operations on objects that stay in a view', () => {
  it('edge case 28: are applied to an object with a long list, which is not sent', async () => {
    const server = operatingServer(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    await write(store, (tx) => tx.list('Task', 'a', 'tags').push(...Array.from({ length: 5_000 }, (_, n) => `e${n}`)));
    await uploadAll(store, server);
    await follow(store, server);
    server.add([vote('a', 1)]);
    server.add([tag('a', 'theirs')]);
    const { view, replica, downloadedTo } = await greetingOf(store);
    const page = server.pageAfter(view!, downloadedTo, replica);
    expect([page.states, page.changesets.length]).toEqual([[], 2]);
    await waitUntilDone(viewOf(store).integrate(page));
    expect(store.get('Task', 'a')?.['tags']).toHaveLength(5_001);
    expectSame(store, server, 'a');
  });

  it('edge case 29: are shown in one step with the states of the same page, and again they change nothing', async () => {
    const server = operatingServer(createTask('a'), createTask('b'), createTask('c', 'out'));
    const store = await subscribedDevice(server, ['in']);
    server.add([vote('a', 1), moveTask('b', 'out'), vote('c', 1), moveTask('c', 'in'), vote('a', 2), tag('a', 'x')]);
    const { view, replica, downloadedTo } = await greetingOf(store);
    const page = server.pageAfter(view!, downloadedTo, replica);
    const noted = noteChanges(store);
    await waitUntilDone(viewOf(store).integrate(page));
    const gone = new Set(['b']);
    expect(noted).toEqual([{ inserted: new Set(['c']), modified: new Set(['a']), deleted: gone, left: gone }]);
    expect([keysIn(store), store.get('Task', 'a')]).toMatchObject(['ac', { votes: 2, tags: ['x'] }]);
    await waitUntilDone(viewOf(store).integrate(page));
    await waitUntilDone(viewOf(store).integrate({ ...page, upTo: page.upTo + 1 }));
    expect(noted).toHaveLength(1);
    expectSame(store, server, 'a');
  });

  it('edge case 30: an increment counts once that was made offline, and is merged when its object enters again', async () => {
    const storage = memoryStorage();
    const server = operatingServer(createTask('a'));
    const store = await subscribedDevice(server, ['in'], { storage });
    await write(store, (tx) => tx.increment('Task', 'a', 'likes', 2));
    server.add([moveTask('a', 'out')]);
    await follow(store, server);
    expect([keysIn(store), (await detachedIn(storage)).length]).toEqual(['a', 1]);
    server.add([moveTask('a', 'in')]);
    await uploadAll(store, server);
    await follow(store, server);
    const { born } = stateOf(store, 'a')!;
    const increment = { kind: 'increment', type: 'Task', key: 'a', property: 'likes', born: born!, by: 10 } as const;
    const version = server.add([{ ...increment, after: null }]);
    await follow(store, server);
    server.add([{ ...increment, after: { time: 500 + version - 1, count: 0 } }]);
    await write(store, (tx) => tx.increment('Task', 'a', 'likes', 3));
    await follow(store, server);
    expect(store.get('Task', 'a')).toMatchObject({ likes: 25 });
    await uploadAll(store, server);
    await follow(store, server);
    expect([keysIn(store), await detachedIn(storage)]).toEqual(['a', []]);
    expectSame(store, server, 'a');
  });

  it('leave unsent changes on top where these are later, and are stored with the cursor', async () => {
    const storage = memoryStorage();
    const server = operatingServer(createTask('a'));
    const store = await subscribedDevice(server, ['in'], { storage });
    await update(store, 'a', { votes: 7 });
    server.add([vote('a', 1), tag('a', 'theirs')]);
    await follow(store, server);
    expect(store.get('Task', 'a')).toMatchObject({ votes: 7, tags: ['theirs'] });
    const again = openDevice({ storage });
    expect([again.get('Task', 'a'), await greetingOf(again)]).toMatchObject([
      { votes: 7, tags: ['theirs'] },
      { downloadedTo: server.head() },
    ]);
    await uploadAll(again, server);
    expectSame(again, server, 'a');
  });

  it('make the clock of the realm later than their stamps', async () => {
    const server = operatingServer(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    server.add([vote('a', 1), vote('a', 2)], 9_999_999);
    await follow(store, server);
    await update(store, 'a', { votes: 3 });
    await uploadAll(store, server);
    expect(decoded(server.objectAt(server.head(), 'a').state).values).toMatchObject({ votes: 3 });
  });

  it('ask for the whole view at the next bind when their object is missing, and show nothing of it', async () => {
    const server = operatingServer(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    const page = { states: [], leaves: [], upTo: 2, bytes: 0, remainingBytes: 0 };
    const changesets = [pieceOf([vote('a', 1), createTask('b')], 2)];
    await waitUntilDone(viewOf(store).integrate({ ...page, changesets }));
    expect([keysIn(store), store.get('Task', 'a'), stateOf(store, 'b')]).toMatchObject(['a', { votes: 1 }, undefined]);
    expect(await greetingOf(store)).toMatchObject({ view: { number: null } });
    server.add([createTask('b')]);
    await placeLatest(store, server);
    expect([keysIn(store), (await greetingOf(store)).view?.number]).toEqual(['ab', 1]);
  });

  it('that cannot be read change nothing', async () => {
    const server = operatingServer(createTask('a'));
    const store = await subscribedDevice(server, ['in']);
    const page = { states: [], leaves: [{ type: 'Task', key: 'a' }], upTo: 9, bytes: 0, remainingBytes: 0 };
    const good = pieceOf([vote('a', 1)], 8);
    for (const bad of [
      { ...good, body: new Uint8Array([1]) },
      { ...good, time: 0.5 },
    ]) {
      const given = viewOf(store).integrate({ ...page, changesets: [good, { ...bad, version: 9 }] });
      await expect(waitUntilDone(given)).rejects.toThrow(UnreadableChangeError);
    }
    expect([keysIn(store), store.downloadProgress().version]).toEqual(['a', 1]);
  });
});
