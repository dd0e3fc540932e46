import { EMPTY, NEVER, of, throwError, VirtualTimeScheduler } from 'rxjs';
import type { ObjectWrite, Permit } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  bindToPermitServer,
  createNote,
  historyTextOf,
  deleteNote,
  sendTransactions,
  serverValuesOf,
  updateNote,
} from '../permit-kit.js';
import { createBind, connect, createFaultyStorage, summariesOf } from '../test-kit.js';

describe('permit', () => {
  it('E9 rejects a transaction as a whole, and accepts those before and after it', () => {
    const served = bindToPermitServer();
    const { client } = served;
    sendTransactions(
      client,
      1,
      [createNote('a', { text: 'good' })],
      [createNote('b', { text: 'fine' }), updateNote('a', { text: 'bad' })],
      [createNote('c', {})],
    );
    const messages = client.received();
    expect(messages).toMatchObject([
      { type: 'refused', version: 2, writes: [{ type: 'Note', key: 'a', reason: 'that is bad' }] },
      { type: 'accepted', version: 3 },
    ]);
    expect(serverValuesOf(messages)).toEqual([
      ['b', null],
      ['a', { text: 'good' }],
    ]);
    expect(historyTextOf(served)).toBe('download 1a 2a up to 2, 0 left');
  });

  it('receives all changes of a transaction, in the order of its objects', () => {
    const { client } = bindToPermitServer((_, __, { key }) => of(`not ${key}`));
    sendTransactions(client, 1, [createNote('b', {}), createNote('a', {}), updateNote('b', { text: 'x' })]);
    expect(client.received()).toMatchObject([
      {
        type: 'refused',
        version: 1,
        writes: [
          { key: 'b', reason: 'not b' },
          { key: 'a', reason: 'not a' },
        ],
      },
      { type: 'accepted', version: 1 },
    ]);
  });

  it('receives the user, the realm, and each object before and after, as it is at the head of the history', () => {
    const asked: unknown[] = [];
    const { server, client } = bindToPermitServer((user, realm, write) => {
      asked.push([user.id, realm, write]);
      return true;
    });
    sendTransactions(client, 1, [createNote('a', { text: 'one', at: 5 }), updateNote('a', { text: 'two' })]);
    sendTransactions(client, 2, [
      updateNote('a', { text: 'three' }),
      {
        kind: 'increment',
        type: 'Note',
        key: 'a',
        property: 'votes',
        born: { time: 1, count: 0, replica: 'a' },
        after: null,
        by: 2,
      },
    ]);
    const other = connect(server.wire);
    other.send(createBind({ replica: 'b' }));
    sendTransactions(other, 3, [deleteNote('a')]);
    sendTransactions(
      other,
      1,
      [updateNote('a', { text: 'too early' })],
      [updateNote('a', { at: 9 })],
      [deleteNote('a')],
    );
    const write = (kinds: ObjectWrite['kinds'], before: unknown, after: unknown) => [
      'anyone',
      'team',
      { type: 'Note', key: 'a', kinds, before, after },
    ];
    expect(asked).toEqual([
      write(['create', 'update'], null, { text: 'two', at: 5 }),
      write(['update', 'increment'], { text: 'two', at: 5 }, { text: 'three', at: 5, votes: 2 }),
    ]);
    expect(summariesOf(other).at(-1)).toBe('error bad-cursor, never');
    const third = connect(server.wire);
    third.send(createBind({ replica: 'b' }));
    sendTransactions(
      third,
      1,
      [updateNote('a', { text: 'too early' })],
      [updateNote('a', { at: 9 })],
      [deleteNote('a')],
      [updateNote('a', { at: 1 })],
    );
    const three = { text: 'three', at: 5, votes: 2 };
    expect(asked.slice(2)).toEqual([
      write(['update'], three, three),
      write(['update'], three, { ...three, at: 9 }),
      write(['delete'], { ...three, at: 9 }, null),
      write(['update'], null, null),
    ]);
  });

  it('receives objects that it cannot change', () => {
    const frozen: unknown[] = [];
    const { client } = bindToPermitServer((_, __, write) => {
      const { after } = write;
      frozen.push(
        Object.isFrozen(write),
        Object.isFrozen(write.kinds),
        Object.isFrozen(after),
        Object.isFrozen(after?.['list']),
      );
      (after?.['bytes'] as Uint8Array)[0] = 7;
      return true;
    });
    sendTransactions(client, 1, [createNote('a', { list: [1, [2]], bytes: Uint8Array.of(1) })]);
    expect(frozen).toEqual([true, true, true, true]);
    const [bytes] = [Uint8Array.of(1)];
    sendTransactions(client, 2, [createNote('b', { list: [], bytes })]);
    expect(bytes).toEqual(Uint8Array.of(1));
  });

  it('lets only the owner edit, in one line', () => {
    const { client } = bindToPermitServer(
      (user, _, { before, after }) => (before ?? after)?.['owner'] === user.id || 'not yours',
    );
    sendTransactions(
      client,
      1,
      [createNote('a', { owner: 'anyone' })],
      [createNote('b', { owner: 'eve' })],
      [updateNote('a', { owner: 'eve' })],
      [updateNote('a', { x: 1 })],
      [updateNote('nothing', { owner: 'anyone' })],
    );
    expect(summariesOf(client)).toEqual(['refused 2', 'refused 4', 'refused 5', 'accepted 5']);
  });

  it('is not asked again about processed changesets', () => {
    let asked = 0;
    const { client, storage } = bindToPermitServer((_, __, { key }) => {
      asked += 1;
      return key !== 'bad' || 'no';
    });
    sendTransactions(client, 1, [createNote('a', {})], [createNote('bad', {})]);
    const { length } = client.received();
    const before = [asked, storage.written()];
    sendTransactions(client, 1, [createNote('a', {})], [createNote('bad', {})]);
    expect([length, summariesOf(client)]).toEqual([2, ['refused 2', 'accepted 2']]);
    expect([asked, storage.written()]).toEqual(before);
  });

  it.each<[string, Permit]>([
    [
      'throws',
      () => {
        throw new Error('no database');
      },
    ],
    ['errors', () => throwError(() => new Error('no database'))],
    ['rejects', () => Promise.reject(new Error('no database'))],
    ['answers nonsense', () => false as never],
    ['completes without an answer', () => EMPTY],
  ])('that %s accepts nothing of the page: the session ends, to try again later', async (_, permit) => {
    const served = bindToPermitServer((user, realm, write) => (write.key === 'b' ? permit(user, realm, write) : true));
    const { client, events } = served;
    sendTransactions(client, 1, [createNote('a', {})], [createNote('b', {})]);
    sendTransactions(client, 3, [createNote('c', {})]);
    await Promise.resolve().then(() => Promise.resolve());
    await new Promise((resolve) => setImmediate(resolve));
    expect(summariesOf(client)).toEqual(['error internal, later']);
    expect(events).toMatchObject([{ event: 'failed', realm: 'team' }]);
    expect(historyTextOf(served)).toBe('nothing');
    client.send(createBind({ session: 2 }));
    expect(summariesOf(client)).toEqual(['#2 bound head 0 accepted 0']);
  });

  it('that never answers times out, and other uploads continue', () => {
    const scheduler = new VirtualTimeScheduler();
    const clock = { scheduler, now: () => scheduler.now(), random: () => 0 };
    const storage = createFaultyStorage(memoryStorage());
    const served = bindToPermitServer((_, __, { key }) => (key === 'slow' ? NEVER : true), storage, {
      clock,
      limits: { permitMsMax: 700, bindMsMax: 800 },
    });
    const other = connect(served.server.wire);
    other.send(createBind({ replica: 'b' }));
    other.received();
    sendTransactions(served.client, 1, [createNote('slow', {})]);
    sendTransactions(other, 1, [createNote('quick', {})]);
    expect([summariesOf(served.client), summariesOf(other)]).toEqual([[], []]);
    scheduler.maxFrames = 699;
    scheduler.flush();
    expect(summariesOf(served.client)).toEqual([]);
    scheduler.maxFrames = 700;
    scheduler.flush();
    expect([summariesOf(served.client), summariesOf(other)]).toEqual([['error internal, later'], ['accepted 1']]);
  });
});
