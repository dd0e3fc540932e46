import { EMPTY, NEVER, of, throwError, VirtualTimeScheduler } from 'rxjs';
import type { ObjectWrite, Permit } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bound, create, historyOf, remove, say, standingIn, update } from './permitkit.js';
import { bind, call, faultyStorage, short } from './support.js';

describe('permit', () => {
  it('E9 refuses a transaction as a whole, and what comes before and after it goes in', () => {
    const served = bound();
    const { client } = served;
    say(
      client,
      1,
      [create('a', { text: 'good' })],
      [create('b', { text: 'fine' }), update('a', { text: 'bad' })],
      [create('c', {})],
    );
    const messages = client.heard();
    expect(messages).toMatchObject([
      { type: 'refused', version: 2, writes: [{ type: 'Note', key: 'a', reason: 'that is bad' }] },
      { type: 'accepted', version: 3 },
    ]);
    expect(standingIn(messages)).toEqual([
      ['b', null],
      ['a', { text: 'good' }],
    ]);
    expect(historyOf(served)).toBe('download 1a 2a up to 2, 0 left');
  });

  it('is told everything that is wrong with a transaction, in the order of its objects', () => {
    const { client } = bound((_, __, { key }) => of(`not ${key}`));
    say(client, 1, [create('b', {}), create('a', {}), update('b', { text: 'x' })]);
    expect(client.heard()).toMatchObject([
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

  it('is shown who writes where, and each object before and after, as it is at the head of the history', () => {
    const asked: unknown[] = [];
    const { server, client } = bound((user, realm, write) => {
      asked.push([user.id, realm, write]);
      return true;
    });
    say(client, 1, [create('a', { text: 'one', at: 5 }), update('a', { text: 'two' })]);
    say(client, 2, [
      update('a', { text: 'three' }),
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
    const other = call(server.wire);
    other.say(bind({ replica: 'b' }));
    say(other, 3, [remove('a')]);
    say(other, 1, [update('a', { text: 'too early' })], [update('a', { at: 9 })], [remove('a')]);
    const write = (kinds: ObjectWrite['kinds'], before: unknown, after: unknown) => [
      'anyone',
      'team',
      { type: 'Note', key: 'a', kinds, before, after },
    ];
    expect(asked).toEqual([
      write(['create', 'update'], null, { text: 'two', at: 5 }),
      write(['update', 'increment'], { text: 'two', at: 5 }, { text: 'three', at: 5, votes: 2 }),
    ]);
    expect(short(other).at(-1)).toBe('error bad-cursor, never');
    const third = call(server.wire);
    third.say(bind({ replica: 'b' }));
    say(
      third,
      1,
      [update('a', { text: 'too early' })],
      [update('a', { at: 9 })],
      [remove('a')],
      [update('a', { at: 1 })],
    );
    const three = { text: 'three', at: 5, votes: 2 };
    expect(asked.slice(2)).toEqual([
      write(['update'], three, three),
      write(['update'], three, { ...three, at: 9 }),
      write(['delete'], { ...three, at: 9 }, null),
      write(['update'], null, null),
    ]);
  });

  it('is shown what it cannot change', () => {
    const frozen: unknown[] = [];
    const { client } = bound((_, __, write) => {
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
    say(client, 1, [create('a', { list: [1, [2]], bytes: Uint8Array.of(1) })]);
    expect(frozen).toEqual([true, true, true, true]);
    const [bytes] = [Uint8Array.of(1)];
    say(client, 2, [create('b', { list: [], bytes })]);
    expect(bytes).toEqual(Uint8Array.of(1));
  });

  it('lets only the owner edit, in one line', () => {
    const { client } = bound((user, _, { before, after }) => (before ?? after)?.['owner'] === user.id || 'not yours');
    say(
      client,
      1,
      [create('a', { owner: 'anyone' })],
      [create('b', { owner: 'eve' })],
      [update('a', { owner: 'eve' })],
      [update('a', { x: 1 })],
      [update('nothing', { owner: 'anyone' })],
    );
    expect(short(client)).toEqual(['refused 2', 'refused 4', 'refused 5', 'accepted 5']);
  });

  it('is asked again of nothing that is dealt with', () => {
    let asked = 0;
    const { client, storage } = bound((_, __, { key }) => {
      asked += 1;
      return key !== 'bad' || 'no';
    });
    say(client, 1, [create('a', {})], [create('bad', {})]);
    const { length } = client.heard();
    const before = [asked, storage.written()];
    say(client, 1, [create('a', {})], [create('bad', {})]);
    expect([length, short(client)]).toEqual([2, ['refused 2', 'accepted 2']]);
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
    const served = bound((user, realm, write) => (write.key === 'b' ? permit(user, realm, write) : true));
    const { client, events } = served;
    say(client, 1, [create('a', {})], [create('b', {})]);
    say(client, 3, [create('c', {})]);
    await Promise.resolve().then(() => Promise.resolve());
    await new Promise((resolve) => setImmediate(resolve));
    expect(short(client)).toEqual(['error internal, later']);
    expect(events).toMatchObject([{ event: 'failed', realm: 'team' }]);
    expect(historyOf(served)).toBe('nothing');
    client.say(bind({ session: 2 }));
    expect(short(client)).toEqual(['#2 bound head 0 accepted 0']);
  });

  it('that never answers is waited for so long, and others go on', () => {
    const scheduler = new VirtualTimeScheduler();
    const clock = { scheduler, now: () => scheduler.now(), random: () => 0 };
    const storage = faultyStorage(memoryStorage());
    const served = bound((_, __, { key }) => (key === 'slow' ? NEVER : true), storage, {
      clock,
      limits: { permitMsMax: 700, bindMsMax: 800 },
    });
    const other = call(served.server.wire);
    other.say(bind({ replica: 'b' }));
    other.heard();
    say(served.client, 1, [create('slow', {})]);
    say(other, 1, [create('quick', {})]);
    expect([short(served.client), short(other)]).toEqual([[], []]);
    scheduler.maxFrames = 699;
    scheduler.flush();
    expect(short(served.client)).toEqual([]);
    scheduler.maxFrames = 700;
    scheduler.flush();
    expect([short(served.client), short(other)]).toEqual([['error internal, later'], ['accepted 1']]);
  });
});
