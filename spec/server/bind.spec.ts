import { Subject, VirtualTimeScheduler } from 'rxjs';
import { createSyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bind, call, faultyStorage, guarded, short, upload, type Caller } from './support.js';
import { boundRest } from '../protocol/bound-rest.js';

const open = () => createSyncServer({ storage: memoryStorage() });

const historyOf = (client: Caller): string => {
  const bound = client.heard().find(({ type }) => type === 'bound');
  return bound?.type === 'bound' ? bound.history : 'none';
};

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
        headBytes: 0,
        accepted: 0,
        serverTime: 7,
        frameBytesMax: 8 * 1024 * 1024,
        snapshot: null,
        ...boundRest,
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

  it('is refused for having seen something of no history', () => {
    const client = call(open().wire);
    client.say(bind({ seen: 1 }));
    expect(short(client)).toEqual(['error bad-cursor, never']);
  });

  it('E12 takes the same replica back that knows no history any more, if it has all that was acknowledged, and says what it has', () => {
    const client = call(open().wire);
    client.say(bind(), upload(1, 3), { type: 'unbind', session: 1 });
    client.say(bind({ acknowledged: 2 }), { type: 'unbind', session: 1 }, bind({ acknowledged: 4 }));
    const [, , , again, , , refused] = short(client);
    expect([again, refused]).toEqual(['bound head 3 accepted 3', 'error history-changed, never']);
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
      'accepted 1',
      '#2 download 1a up to 1, 0 left',
      'error replaced, later',
    ]);
    expect(short(fresh)).toEqual(['bound head 1 accepted 1', 'download nothing up to 1, 0 left']);
    zombie.say(upload(2)); // In flight when it was replaced.
    fresh.say(upload(2));
    expect(short(fresh)).toEqual(['accepted 2']);
    expect(short(zombie)).toEqual(['#2 download 2a up to 2, 0 left']);
    expect(zombie.end()).toBe('open');
  });

  it('is bound when what its zombie still had on the way is settled, and goes on after that', () => {
    const storage = faultyStorage();
    const server = createSyncServer({ storage });
    const zombie = call(server.wire);
    zombie.say(bind());
    storage.hold();
    zombie.say(upload(1, 2));
    const fresh = call(server.wire);
    fresh.say(bind());
    expect(short(fresh)).toEqual([]);
    storage.letGo();
    fresh.say(upload(1, 3));
    expect(short(fresh)).toEqual(['bound head 2 accepted 2', 'download nothing up to 2, 0 left', 'accepted 3']);
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
