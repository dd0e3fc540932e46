import { Subject, VirtualTimeScheduler } from 'rxjs';
import { createSyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  createBind,
  connect,
  createFaultyStorage,
  createGuardedServer,
  summariesOf,
  createUpload,
  type TestClient,
} from '../test-kit.js';
import { boundFields } from '../../protocol/bound-fields.js';

const open = () => createSyncServer({ storage: memoryStorage() });

const historyOf = (client: TestClient): string => {
  const bound = client.received().find(({ type }) => type === 'bound');
  return bound?.type === 'bound' ? bound.history : 'none';
};

describe('a bind', () => {
  it('is answered with the history, its head, what was accepted, the time and the frame limit', () => {
    const clock = { scheduler: new VirtualTimeScheduler(), random: () => 0, now: () => 7 };
    const client = connect(createSyncServer({ storage: memoryStorage(), clock }).wire);
    client.send(createBind());
    expect(client.received()).toEqual([
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
        ...boundFields,
      },
    ]);
  });

  it('finds the same history again, with what the replica had accepted', () => {
    const server = open();
    const first = connect(server.wire);
    first.send(createBind());
    const history = historyOf(first);
    first.send(createUpload(1, 3));
    first.close();
    const second = connect(server.wire);
    second.send(createBind({ history, downloadedTo: 3, acknowledged: 2 }));
    expect(summariesOf(second)).toEqual(['bound head 3 accepted 3']);
    second.send({ type: 'unbind', session: 1 }, createBind({ history }));
    expect(historyOf(second)).toBe(history);
  });

  it('gives two realms two histories', () => {
    const client = connect(open().wire);
    client.send(createBind(), createUpload(1), createBind({ session: 2, realm: 'other', replica: 'b' }));
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'accepted 1', '#2 bound head 0 accepted 0']);
  });

  it.each([
    ['a history that is not this one', { history: 'another' }, 'history-changed'],
    ['having seen more than there is: a backup was restored (E12)', { downloadedTo: 4 }, 'history-changed'],
    ['acknowledgements the server does not know of (E12)', { acknowledged: 4 }, 'history-changed'],
  ])('is rejected for %s', (_, wrong, code) => {
    const server = open();
    const client = connect(server.wire);
    client.send(createBind());
    const history = historyOf(client);
    client.send(createUpload(1, 3), { type: 'unbind', session: 1 }, createBind({ history, ...wrong }));
    expect(summariesOf(client)).toEqual(['accepted 3', 'unbound', `error ${code}, never`]);
    expect(client.end()).toBe('open');
  });

  it('is rejected with a downloaded version but no history', () => {
    const client = connect(open().wire);
    client.send(createBind({ downloadedTo: 1 }));
    expect(summariesOf(client)).toEqual(['error bad-cursor, never']);
  });

  it('E12 accepts the same replica without a history id, if the history has all acknowledged changesets, and sends the accepted version', () => {
    const client = connect(open().wire);
    client.send(createBind(), createUpload(1, 3), { type: 'unbind', session: 1 });
    client.send(createBind({ acknowledged: 2 }), { type: 'unbind', session: 1 }, createBind({ acknowledged: 4 }));
    const [, , , again, , , rejected] = summariesOf(client);
    expect([again, rejected]).toEqual(['bound head 3 accepted 3', 'error history-changed, never']);
  });

  it('is rejected for an invalid realm name', () => {
    const client = connect(open().wire);
    client.send(createBind({ realm: '../etc' }), createBind({ realm: '' }), createBind({ realm: 'x'.repeat(129) }));
    expect(summariesOf(client)).toEqual(Array(3).fill('error no-such-realm, never'));
  });

  it('closes the connection for an invalid replica id', () => {
    const client = connect(open().wire);
    client.send(createBind({ replica: 'a b' }));
    expect(client.end()).toBe(4400);
  });
});

describe('a replica', () => {
  it('belongs to the user who bound it first', () => {
    const server = createGuardedServer();
    const first = connect(server.wire);
    first.send(createBind({ token: 'writer1' }));
    const second = connect(server.wire);
    second.send(createBind({ token: 'writer2' }));
    expect(summariesOf(second)).toEqual(['error replica-taken, never']);
    first.close();
    second.send(createBind(), createBind({ session: 2, replica: 'b' }));
    expect(summariesOf(second)).toEqual(['error replica-taken, never', '#2 bound head 0 accepted 0']);
    expect(summariesOf(first)).toEqual(['bound head 0 accepted 0']);
  });

  it('replaces itself: the session that has it ends', () => {
    const server = open();
    const zombie = connect(server.wire);
    zombie.send(createBind(), createBind({ session: 2, replica: 'b' }), createUpload(1));
    const fresh = connect(server.wire);
    fresh.send(createBind());
    expect(summariesOf(zombie)).toEqual([
      'bound head 0 accepted 0',
      '#2 bound head 0 accepted 0',
      'accepted 1',
      '#2 download 1a up to 1, 0 left',
      'error replaced, later',
    ]);
    expect(summariesOf(fresh)).toEqual(['bound head 1 accepted 1', 'download nothing up to 1, 0 left']);
    zombie.send(createUpload(2)); // This upload was in flight when the session was replaced.
    fresh.send(createUpload(2));
    expect(summariesOf(fresh)).toEqual(['accepted 2']);
    expect(summariesOf(zombie)).toEqual(['#2 download 2a up to 2, 0 left']);
    expect(zombie.end()).toBe('open');
  });

  it('is bound when the pending uploads of its replaced session are settled, and continues after them', () => {
    const storage = createFaultyStorage();
    const server = createSyncServer({ storage });
    const zombie = connect(server.wire);
    zombie.send(createBind());
    storage.hold();
    zombie.send(createUpload(1, 2));
    const fresh = connect(server.wire);
    fresh.send(createBind());
    expect(summariesOf(fresh)).toEqual([]);
    storage.release();
    fresh.send(createUpload(1, 3));
    expect(summariesOf(fresh)).toEqual(['bound head 2 accepted 2', 'download nothing up to 2, 0 left', 'accepted 3']);
    const reader = connect(server.wire);
    reader.send(createBind({ replica: 'b' }));
    expect(summariesOf(reader)).toEqual(['bound head 3 accepted 0', 'download 1a 2a 3a up to 3, 0 left']);
  });
});

describe('binding at the same time', () => {
  it('opens a realm once for all sessions that bind meanwhile', () => {
    const opening = new Subject<ReturnType<typeof memoryStorage>>();
    const server = createSyncServer({ storage: opening });
    const clients = ['a', 'b', 'c'].map((replica) => {
      const client = connect(server.wire);
      client.send(createBind({ replica }));
      return client;
    });
    opening.next(memoryStorage());
    expect(new Set(clients.map(historyOf)).size).toBe(1);
  });

  it('is undone by an unbind, and leaves nothing', () => {
    const opening = new Subject<ReturnType<typeof memoryStorage>>();
    const client = connect(createSyncServer({ storage: opening }).wire);
    client.send(createBind(), { type: 'unbind', session: 1 }, createBind({ session: 1, replica: 'b' }));
    expect(summariesOf(client)).toEqual(['unbound']);
    opening.next(memoryStorage());
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0']);
  });

  it('is the only message of a session before its answer', () => {
    const client = connect(createSyncServer({ storage: new Subject() }).wire);
    client.send(createBind(), createUpload(1));
    expect(client.end()).toBe(4400);
  });
});
