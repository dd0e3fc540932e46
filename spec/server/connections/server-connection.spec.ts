import { concat, concatMap, defer, delay, NEVER, of, Subject, take, tap, throwError, timer } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { createSyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createCloseError } from '../../../lib/transport/wire.js';
import { createBind, connect, createFaultyStorage, summaryOf, summariesOf, createUpload } from '../test-kit.js';

describe('a connection', () => {
  it('answers a ping at once', () => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send({ type: 'ping', sentAt: 5 });
    expect(client.received()).toEqual([{ type: 'pong', sentAt: 5 }]);
  });

  it(
    'is closed when it has bound nothing in time',
    marbles(({ expectObservable, clock }) => {
      const { wire } = createSyncServer({ storage: memoryStorage(), clock });
      expectObservable(wire(NEVER)).toBe(
        '10s #',
        undefined,
        createCloseError(4408, 'No session was bound within 10000 ms.'),
      );
    }),
  );

  it(
    'is closed when all its binds were rejected until then',
    marbles(({ hot, expectObservable, clock }) => {
      const { wire } = createSyncServer({ storage: memoryStorage(), clock, limits: { bindMsMax: 5 } });
      const sent = hot<ClientMessage>('--b', { b: createBind({ realm: '/' }) });
      const reply = '                  --e--#';
      expectObservable(wire(sent)).toBe(
        reply,
        { e: expect.objectContaining({ code: 'no-such-realm' }) as never },
        createCloseError(4408, 'No session was bound within 5 ms.'),
      );
    }),
  );

  it(
    'may stay when it has bound once, also with nothing bound',
    marbles(({ hot, expectObservable, clock }) => {
      const { wire } = createSyncServer({ storage: memoryStorage(), clock, limits: { bindMsMax: 5 } });
      const sent = hot<ClientMessage>('--bu-----p', {
        b: createBind(),
        u: { type: 'unbind', session: 1 },
        p: { type: 'ping', sentAt: 1 },
      });
      const reply = '                  --bu-----p';
      const any = expect.anything() as never;
      expectObservable(wire(sent), '1m !').toBe(reply, { b: any, u: any, p: any });
    }),
  );

  it(
    'releases everything when it is unsubscribed',
    marbles(({ hot, expectObservable, expectSubscriptions, clock }) => {
      const opening = hot<never>('-----');
      const { wire } = createSyncServer({
        storage: opening,
        clock,
        authenticate: () => hot('---'),
        authorize: () => 'write',
      });
      const sent = hot<ClientMessage>('-b', { b: createBind({ token: 't' }) });
      expectObservable(wire(sent), '--!').toBe('--');
      expectSubscriptions(sent.subscriptions).toBe('^-!');
      expectSubscriptions(opening.subscriptions).toBe([]);
    }),
  );

  it('completes when the client closes, and errors like its connection when that breaks', () => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send(createBind());
    client.close();
    expect(client.end()).toBe('completed');
    const broken = connect((sent) =>
      createSyncServer({ storage: memoryStorage() }).wire(
        concat(
          sent.pipe(take(1)),
          throwError(() => createCloseError(4400, 'no message')),
        ),
      ),
    );
    broken.send(createBind());
    expect(broken.end()).toBe(4400);
  });

  it('accepts a limited number of sessions', () => {
    const client = connect(
      createSyncServer({ storage: memoryStorage(), limits: { sessionsPerConnectionMax: 2 } }).wire,
    );
    client.send(
      createBind(),
      createBind({ session: 2, replica: 'b' }),
      createBind({ session: 3, replica: 'c' }),
      createUpload(1, 1, 3),
      { type: 'unbind', session: 1 },
      createBind({ session: 3, replica: 'c' }),
    );
    expect(summariesOf(client)).toEqual([
      'bound head 0 accepted 0',
      '#2 bound head 0 accepted 0',
      '#3 error too-many-sessions, later',
      'unbound',
      '#3 bound head 0 accepted 0',
    ]);
  });

  it('receives synchronous answers, also when the bind had to wait', () => {
    const user = new Subject<{ id: string }>();
    const server = createSyncServer({ storage: memoryStorage(), authenticate: () => user, authorize: () => 'write' });
    const client = connect(server.wire, ({ type }) => (type === 'bound' ? [createUpload(1)] : []));
    client.send(createBind({ token: 't' }));
    user.next({ id: 'ann' });
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'accepted 1']);
  });

  it('accepts ten thousand synchronous answers of a client', () => {
    let version = 0;
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire, (message) =>
      (message.type === 'bound' || message.type === 'accepted') && version < 10_000 ? [createUpload(++version)] : [],
    );
    client.send(createBind());
    expect(client.received().map(summaryOf).at(-1)).toBe('accepted 10000');
  });

  it(
    'carries a conversation in virtual time alone: no promise, no timer of its own',
    marbles(({ expectObservable, clock, scheduler }) => {
      const { wire } = createSyncServer({ storage: memoryStorage(), clock });
      const sent = concat(
        of(createBind(), createUpload(1)),
        timer(3, scheduler).pipe(concatMap(() => of(createUpload(2)).pipe(delay(2, scheduler)))),
        NEVER,
      );
      const any = expect.anything() as never;
      expectObservable(wire(sent), '-------!').toBe('(ba)-c', {
        b: any,
        a: { type: 'accepted', session: 1, version: 1 },
        c: { type: 'accepted', session: 1, version: 2 },
      });
    }),
  );
});

describe('a connection that binds too fast', () => {
  const binds = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) =>
      createBind({ session: from + index, replica: `r${from + index}` }),
    );
  const serverAt = (now: () => number) =>
    createSyncServer({
      storage: memoryStorage(),
      clock: { ...systemClock, now },
      limits: { bindsPerSecondMax: 10 },
    });

  it('is closed with 4429', () => {
    const client = connect(serverAt(() => 0).wire);
    client.send(...binds(1, 10));
    expect([client.received().length, client.end()]).toEqual([10, 'open']);
    client.send(...binds(11, 11));
    expect(client.end()).toBe(4429);
  });

  it('may bind on as time goes by, whatever is done to the clock', () => {
    let now = 1_000;
    const client = connect(serverAt(() => now).wire);
    client.send(...binds(1, 10));
    now += 500;
    client.send(...binds(11, 15));
    now = 0;
    client.send({ type: 'ping', sentAt: 0 });
    now = 100;
    expect(client.end()).toBe('open');
    client.send(...binds(16, 16));
    expect(client.end()).toBe(4429); // No session has bound since the clock was set back, so no time has passed.
  });
});

describe('a server that goes away', () => {
  it('sends each client another reconnect time, closes, and accepts no further connection', async () => {
    const drawn: number[] = [];
    const clock = { ...systemClock, random: () => drawn.shift() ?? 0 };
    const limits = { restartMs: 2_000, restartSpreadMs: 10_000 };
    const server = createSyncServer({ storage: memoryStorage(), clock, limits });
    const clients = [connect(server.wire), connect(server.wire)];
    clients.forEach((client, index) => client.send(createBind({ replica: `r${index}` })));
    clients.forEach((client) => client.received());
    drawn.push(0, 0.5, 0.999);
    await server.close();
    const all = [...clients, connect(server.wire)];
    expect(all.flatMap(summariesOf)).toEqual([2_000, 7_000, 11_990].map((after) => `error restarting, after ${after}`));
    expect(all.map((client) => client.end())).toEqual([1001, 1001, 1001]);
  });

  it('closes the storage that it opened, when what was uploaded is in it', async () => {
    const storage = createFaultyStorage();
    const server = createSyncServer({ storage: of(storage) });
    const client = connect(server.wire);
    client.send(createBind());
    const before = storage.written();
    storage.hold();
    client.send(createUpload(1), createUpload(2));
    const closed = server.close();
    expect(server.close()).toBe(closed);
    await Promise.resolve();
    expect(storage.isClosed()).toBe(false);
    storage.release();
    await closed;
    expect(storage.isClosed()).toBe(true);
    expect(storage.written() - before).toBe(2);
  });

  it('leaves a storage open that the app opened, and opens none only to close it', async () => {
    const storage = createFaultyStorage();
    const server = createSyncServer({ storage });
    connect(server.wire).send(createBind(), createUpload(1));
    await server.close();
    expect(storage.isClosed()).toBe(false);
    let opened = 0;
    await createSyncServer({ storage: defer(() => of(storage).pipe(tap(() => (opened += 1)))) }).close();
    expect(opened).toBe(0);
  });
});
