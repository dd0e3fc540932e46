import { of, throwError } from 'rxjs';
import { createSyncServer, type Access, type ServerEvent, type User } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { StorageRange } from '../../../lib/storage/storage.js';
import { createBind, connect, createGuardedServer, summariesOf, createUpload } from '../test-kit.js';

describe('the user of a connection', () => {
  it.each([
    ['old', 'error token-expired, later'],
    ['forged', 'error token-refused, never'],
    ['banned', 'error user-refused, never'],
  ])('is asked of the app, and a rejection ends the connection: %s', (token, answer) => {
    const client = connect(createGuardedServer().wire);
    client.send(createBind({ token }));
    expect(client.received()).toMatchObject([{ session: null }]);
    expect(client.end()).toBe(1000);
    const again = connect(createGuardedServer().wire);
    again.send(createBind({ token: 'writer' }), { type: 'token', token });
    expect(summariesOf(again).map((line) => line.replace('#null ', ''))).toEqual(['bound head 0 accepted 0', answer]);
    expect(again.end()).toBe(1000);
  });

  it('has to be sent before a session binds', () => {
    const client = connect(createGuardedServer().wire);
    client.send(createBind());
    expect(client.received()).toMatchObject([{ code: 'token-refused', session: null, retry: 'never' }]);
  });

  it('is asked once for a token, and again for a fresh one', () => {
    const asked: string[] = [];
    const authenticate = (token: string) => of({ id: asked.push(token) > 0 ? 'ann' : '' });
    const client = connect(createSyncServer({ storage: memoryStorage(), authenticate, authorize: () => 'write' }).wire);
    client.send(
      createBind({ token: 't1' }),
      createBind({ session: 2, replica: 'b' }),
      createBind({ session: 3, replica: 'c', token: 't1' }),
    );
    client.send({ type: 'token', token: 't2' }, createBind({ session: 4, replica: 'd' }));
    expect(summariesOf(client)).toHaveLength(4);
    expect(asked).toEqual(['t1', 't2']);
  });

  it('stays: a token of another user ends the connection', () => {
    const client = connect(createGuardedServer().wire);
    client.send(createBind({ token: 'writer' }), { type: 'token', token: 'reader' });
    expect(client.received().at(-1)).toMatchObject({ session: null, code: 'user-refused' });
  });

  it('is asked for again later when the app itself fails', () => {
    const client = connect(createGuardedServer().wire);
    client.send(
      createBind({ token: 'crash' }),
      createBind({ token: 'writer' }),
      { type: 'token', token: 'crash' },
      { type: 'ping', sentAt: 1 },
    );
    expect(summariesOf(client)).toEqual(['error internal, later', 'bound head 0 accepted 0', 'pong 1']);
    expect(client.end()).toBe('open');
  });

  it('may be a promise', async () => {
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: (token) => Promise.resolve({ id: token }),
      authorize: () => Promise.resolve('write'),
    });
    const client = connect(server.wire);
    const bound = new Promise((resolve) => {
      connect(server.wire, (message) => (resolve(message.type), [])).send(createBind({ token: 'ann', replica: 'b' }));
    });
    client.send(createBind({ token: 'ann' }));
    expect(await bound).toBe('bound');
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0']);
  });

  it('is an internal error when it is invalid, and affects no other session', () => {
    const events: ServerEvent[] = [];
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: () => ({}) as User,
      authorize: () => 'admin' as Access,
      log: (event) => events.push(event),
    });
    const client = connect(server.wire);
    client.send(createBind({ token: 't' }));
    expect(summariesOf(client)).toEqual(['error internal, later']);
    expect(events).toMatchObject([
      { event: 'failed', error: { message: expect.stringContaining('authenticate') as string } },
    ]);
  });
});

describe('the access of a user', () => {
  it.each([
    ['writer', ['bound head 1 accepted 0', 'download 1x up to 1, 0 left', 'mark 1 at 1', 'accepted 1']],
    ['reader', ['bound head 1 accepted 0', 'download 1x up to 1, 0 left', 'mark 1 at 1', 'refused 1', 'accepted 1']],
    ['nobody', ['error permission-denied, never']],
  ])('decides what is answered: %s', (token, lines) => {
    const server = createGuardedServer();
    connect(server.wire).send(createBind({ token: 'writer', replica: 'x' }), createUpload(1));
    const client = connect(server.wire);
    client.send(
      createBind({ token }),
      { type: 'mark', session: 1, request: 1 },
      { type: 'received', session: 1, version: token === 'nobody' ? 0 : 1 },
      createUpload(1),
    );
    expect(summariesOf(client)).toEqual(lines);
    expect(client.end()).toBe('open');
  });

  it('creates a realm with the first bind of a user with write access, and not before', () => {
    const server = createGuardedServer();
    const reader = connect(server.wire);
    reader.send(createBind({ token: 'reader' }));
    expect(summariesOf(reader)).toEqual(['error no-such-realm, later']);
    connect(server.wire).send(createBind({ token: 'writer', replica: 'x' }));
    reader.send(createBind());
    expect(summariesOf(reader)).toEqual(['bound head 0 accepted 0']);
  });

  it('is tried again later when the app cannot answer', () => {
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: () => ({ id: 'ann' }),
      authorize: () => throwError(() => new Error('no database')),
      log: () => undefined,
    });
    const client = connect(server.wire);
    client.send(createBind({ token: 't' }));
    expect(summariesOf(client)).toEqual(['error internal, later']);
  });

  it('reveals neither realms nor users: without access the answers for existing and missing ones are the same', () => {
    let looked = 0;
    const kept = memoryStorage();
    const storage = { ...kept, range: (range: StorageRange) => ((looked += 1), kept.range(range)) };
    const server = createSyncServer({
      storage,
      authenticate: (token) => ({ id: token }),
      authorize: ({ id }, realm) => (id === 'owner' && realm === 'secret' ? 'write' : 'none'),
    });
    connect(server.wire).send(createBind({ token: 'owner', realm: 'secret', replica: 'x' }));
    const receivedOf = (realm: string, replica: string, token: string) => {
      const before = looked;
      const client = connect(server.wire);
      client.send(createBind({ token, realm, replica }));
      return [client.received().map((message) => JSON.stringify(message).replaceAll(realm, '…')), looked - before];
    };
    const first = receivedOf('secret', 'x', 'stranger');
    expect(first[1]).toBe(0);
    expect(receivedOf('absent', 'x', 'stranger')).toEqual(first);
    expect(receivedOf('secret', 'y', 'another')).toEqual(first);
    expect(receivedOf('absent', 'x', 'owner')).toEqual(first);
  });
});
