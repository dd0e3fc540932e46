import { of, Subject, throwError, VirtualTimeScheduler } from 'rxjs';
import {
  AccessRefusedError,
  createSyncServer,
  type Right,
  type ServerEvent,
  type User,
} from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bind, call, faultyStorage, short, upload, type Caller } from './support.js';

const open = () => createSyncServer({ storage: memoryStorage() });

const historyOf = (client: Caller): string => {
  const bound = client.heard().find(({ type }) => type === 'bound');
  return bound?.type === 'bound' ? bound.history : 'none';
};

/** A server on which a token is the user's name, and the user's name says what may be done. */
const guarded = () =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => {
      if (token === 'old') throw new AccessRefusedError('token-expired', 'too old');
      if (token === 'forged') throw new AccessRefusedError('token-refused', 'not ours');
      if (token === 'banned') throw new AccessRefusedError('user-refused', 'banned');
      if (token === 'crash') throw new Error('no database');
      return { id: token };
    },
    authorize: ({ id }): Right => (id.startsWith('writer') ? 'write' : id.startsWith('reader') ? 'read' : 'none'),
  });

describe('a bind', () => {
  it('is answered with the history, its head, what was accepted, the time and the frame limit', () => {
    const clock = { scheduler: new VirtualTimeScheduler(), random: () => 0, now: () => 7 };
    const client = call(createSyncServer({ storage: memoryStorage(), clock }).wire);
    client.say(bind());
    expect(client.heard()).toEqual([
      {
        type: 'bound',
        session: 1,
        history: '0'.repeat(20),
        head: 0,
        accepted: 0,
        serverTime: 7,
        frameBytesMax: 8 * 1024 * 1024,
      },
    ]);
  });

  it('finds the same history again, with what the replica had accepted', () => {
    const server = open();
    const first = call(server.wire);
    first.say(bind());
    const history = historyOf(first);
    first.say(upload(1, 3));
    first.hangUp();
    const second = call(server.wire);
    second.say(bind({ history, seen: 3, acknowledged: 2 }));
    expect(short(second)).toEqual(['bound head 3 accepted 3']);
    second.say({ type: 'unbind', session: 1 }, bind({ history }));
    expect(historyOf(second)).toBe(history);
  });

  it('gives two realms two histories', () => {
    const client = call(open().wire);
    client.say(bind(), upload(1), bind({ session: 2, realm: 'other', replica: 'b' }));
    expect(short(client)).toEqual(['bound head 0 accepted 0', 'accepted 1', '#2 bound head 0 accepted 0']);
  });

  it.each([
    ['a history that is not this one', { history: 'another' }, 'history-changed'],
    ['having seen more than there is: a backup was restored (E12)', { seen: 4 }, 'history-changed'],
    ['acknowledgements the server does not know of (E12)', { acknowledged: 4 }, 'history-changed'],
  ])('is refused for %s', (_, wrong, code) => {
    const server = open();
    const client = call(server.wire);
    client.say(bind());
    const history = historyOf(client);
    client.say(upload(1, 3), { type: 'unbind', session: 1 }, bind({ history, ...wrong }));
    expect(short(client)).toEqual(['accepted 3', 'unbound', `error ${code}, never`]);
    expect(client.end()).toBe('open');
  });

  it('is refused for cursors without a history', () => {
    const client = call(open().wire);
    client.say(bind({ seen: 1 }), bind({ acknowledged: 1 }));
    expect(short(client)).toEqual(['error bad-cursor, never', 'error bad-cursor, never']);
  });

  it('is refused for what cannot be a realm', () => {
    const client = call(open().wire);
    client.say(bind({ realm: '../etc' }), bind({ realm: '' }), bind({ realm: 'x'.repeat(129) }));
    expect(short(client)).toEqual(Array(3).fill('error no-such-realm, never'));
  });

  it('hangs up on what cannot be a replica', () => {
    const client = call(open().wire);
    client.say(bind({ replica: 'a b' }));
    expect(client.end()).toBe(4400);
  });
});

describe('whose a connection is', () => {
  it.each([
    ['old', 'error token-expired, later'],
    ['forged', 'error token-refused, never'],
    ['banned', 'error user-refused, never'],
  ])('is asked of the host, and a no ends the connection: %s', (token, said) => {
    const client = call(guarded().wire);
    client.say(bind({ token }));
    expect(client.heard()).toMatchObject([{ session: null }]);
    expect(client.end()).toBe(1000);
    const again = call(guarded().wire);
    again.say(bind({ token: 'writer' }), { type: 'token', token });
    expect(short(again).map((line) => line.replace('#null ', ''))).toEqual(['bound head 0 accepted 0', said]);
    expect(again.end()).toBe(1000);
  });

  it('has to be said before anything is bound', () => {
    const client = call(guarded().wire);
    client.say(bind());
    expect(client.heard()).toMatchObject([{ code: 'token-refused', session: null, retry: 'never' }]);
  });

  it('is asked once for a token, and again for a fresh one', () => {
    const asked: string[] = [];
    const authenticate = (token: string) => of({ id: asked.push(token) > 0 ? 'ann' : '' });
    const client = call(createSyncServer({ storage: memoryStorage(), authenticate, authorize: () => 'write' }).wire);
    client.say(
      bind({ token: 't1' }),
      bind({ session: 2, replica: 'b' }),
      bind({ session: 3, replica: 'c', token: 't1' }),
    );
    client.say({ type: 'token', token: 't2' }, bind({ session: 4, replica: 'd' }));
    expect(short(client)).toHaveLength(4);
    expect(asked).toEqual(['t1', 't2']);
  });

  it('stays: a token of somebody else ends the connection', () => {
    const client = call(guarded().wire);
    client.say(bind({ token: 'writer' }), { type: 'token', token: 'reader' });
    expect(client.heard().at(-1)).toMatchObject({ session: null, code: 'user-refused' });
  });

  it('is tried again later when the host itself fails', () => {
    const client = call(guarded().wire);
    client.say(
      bind({ token: 'crash' }),
      bind({ token: 'writer' }),
      { type: 'token', token: 'crash' },
      { type: 'ping', sentAt: 1 },
    );
    expect(short(client)).toEqual(['error internal, later', 'bound head 0 accepted 0', 'pong 1']);
    expect(client.end()).toBe('open');
  });

  it('may be a promise', async () => {
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: (token) => Promise.resolve({ id: token }),
      authorize: () => Promise.resolve('write'),
    });
    const client = call(server.wire);
    const bound = new Promise((resolve) => {
      call(server.wire, (message) => (resolve(message.type), [])).say(bind({ token: 'ann', replica: 'b' }));
    });
    client.say(bind({ token: 'ann' }));
    expect(await bound).toBe('bound');
    expect(short(client)).toEqual(['bound head 0 accepted 0']);
  });

  it('is a defect of the host when it makes no sense, and harms nobody', () => {
    const told: ServerEvent[] = [];
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: () => ({}) as User,
      authorize: () => 'admin' as Right,
      log: (event) => told.push(event),
    });
    const client = call(server.wire);
    client.say(bind({ token: 't' }));
    expect(short(client)).toEqual(['error internal, later']);
    expect(told).toMatchObject([
      { event: 'failed', error: { message: expect.stringContaining('authenticate') as string } },
    ]);
  });
});

describe('what a user may do', () => {
  it.each([
    ['writer', ['bound head 1 accepted 0', 'download 1x up to 1, 0 left', 'mark 1 at 1', 'accepted 1']],
    [
      'reader',
      ['bound head 1 accepted 0', 'download 1x up to 1, 0 left', 'mark 1 at 1', 'error permission-denied, never'],
    ],
    ['nobody', ['error permission-denied, never']],
  ])('decides what is answered: %s', (token, lines) => {
    const server = guarded();
    call(server.wire).say(bind({ token: 'writer', replica: 'x' }), upload(1));
    const client = call(server.wire);
    client.say(
      bind({ token }),
      { type: 'mark', session: 1, request: 1 },
      { type: 'received', session: 1, version: token === 'nobody' ? 0 : 1 },
      upload(1),
    );
    expect(short(client)).toEqual(lines);
    expect(client.end()).toBe('open');
  });

  it('makes a realm with the first bind of somebody who may write to it, and not before', () => {
    const server = guarded();
    const reader = call(server.wire);
    reader.say(bind({ token: 'reader' }));
    expect(short(reader)).toEqual(['error no-such-realm, never']);
    call(server.wire).say(bind({ token: 'writer', replica: 'x' }));
    reader.say(bind());
    expect(short(reader)).toEqual(['bound head 0 accepted 0']);
  });

  it('is tried again later when the host cannot say', () => {
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: () => ({ id: 'ann' }),
      authorize: () => throwError(() => new Error('no database')),
    });
    const client = call(server.wire);
    client.say(bind({ token: 't' }));
    expect(short(client)).toEqual(['error internal, later']);
  });
});

describe('a replica', () => {
  it('belongs to the user it was first seen with', () => {
    const server = guarded();
    const first = call(server.wire);
    first.say(bind({ token: 'writer1' }));
    const second = call(server.wire);
    second.say(bind({ token: 'writer2' }));
    expect(short(second)).toEqual(['error replica-taken, never']);
    first.hangUp();
    second.say(bind(), bind({ session: 2, replica: 'b' }));
    expect(short(second)).toEqual(['error replica-taken, never', '#2 bound head 0 accepted 0']);
    expect(short(first)).toEqual(['bound head 0 accepted 0']);
  });

  it('replaces itself: the session that has it ends', () => {
    const server = open();
    const zombie = call(server.wire);
    zombie.say(bind(), bind({ session: 2, replica: 'b' }), upload(1));
    const fresh = call(server.wire);
    fresh.say(bind());
    expect(short(zombie)).toEqual([
      'bound head 0 accepted 0',
      '#2 bound head 0 accepted 0',
      '#2 download 1a up to 1, 0 left',
      'accepted 1',
      'error replaced, never',
    ]);
    expect(short(fresh)).toEqual(['bound head 1 accepted 1']);
    zombie.say(upload(2)); // In flight when it was replaced.
    fresh.say(upload(2));
    expect(short(fresh)).toEqual(['accepted 2']);
    expect(short(zombie)).toEqual(['#2 download 2a up to 2, 0 left']);
    expect(zombie.end()).toBe('open');
  });

  it('goes on after what its zombie still had on the way', () => {
    const storage = faultyStorage();
    const server = createSyncServer({ storage });
    const zombie = call(server.wire);
    zombie.say(bind());
    storage.hold();
    zombie.say(upload(1, 2));
    const fresh = call(server.wire);
    fresh.say(bind(), upload(1, 3));
    storage.letGo();
    expect(short(fresh)).toEqual(['bound head 0 accepted 0', 'accepted 3']);
    const reader = call(server.wire);
    reader.say(bind({ replica: 'b' }));
    expect(short(reader)).toEqual(['bound head 3 accepted 0', 'download 1a 2a 3a up to 3, 0 left']);
  });
});

describe('binding at the same time', () => {
  it('opens a realm once for all who ask meanwhile', () => {
    const opening = new Subject<ReturnType<typeof memoryStorage>>();
    const server = createSyncServer({ storage: opening });
    const clients = ['a', 'b', 'c'].map((replica) => {
      const client = call(server.wire);
      client.say(bind({ replica }));
      return client;
    });
    opening.next(memoryStorage());
    expect(new Set(clients.map(historyOf)).size).toBe(1);
  });

  it('is undone by an unbind, and leaves nothing', () => {
    const opening = new Subject<ReturnType<typeof memoryStorage>>();
    const client = call(createSyncServer({ storage: opening }).wire);
    client.say(bind(), { type: 'unbind', session: 1 }, bind({ session: 1, replica: 'b' }));
    expect(short(client)).toEqual(['unbound']);
    opening.next(memoryStorage());
    expect(short(client)).toEqual(['bound head 0 accepted 0']);
  });

  it('is all that may be said before it is answered', () => {
    const client = call(createSyncServer({ storage: new Subject() }).wire);
    client.say(bind(), upload(1));
    expect(client.end()).toBe(4400);
  });
});
