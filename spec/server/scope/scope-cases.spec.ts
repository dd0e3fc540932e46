import { BehaviorSubject } from 'rxjs';
import type { Operation } from '../../../lib/merge/operation.js';
import type { ObjectName } from '../../../lib/model/changeset.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import type { ServerOptions, SyncServer, VisibleObjects } from '../../../lib/server/index.js';
import { limits } from '../../../lib/model/limits.js';
import { noView } from '../../../lib/model/view.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { createFakeReplica, createTimedServer } from '../fake-replica.js';
import { create, createViewConnection, filterOf, update } from '../views/view-world.js';
import { createBind } from '../test-kit.js';
import { namesOf } from '../views/view-facts.js';

type Client = ReturnType<typeof createViewConnection>;

const inTeam = (team: string): VisibleObjects => ({ Task: { team } });
const all = [filterOf(true)];

/** A server in virtual time, an administrator who writes, and ann, who may see a part. */
const createScopeWorld = (first: VisibleObjects, options: Partial<ServerOptions> = {}) => {
  const made = createTimedServer();
  let drawn = 0;
  const visible$ = new BehaviorSubject(first);
  const server: SyncServer = made.make({
    clock: { ...made.clock, random: () => (drawn = (drawn + 0.618034) % 1) },
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
    scope: ({ id }) => (id === 'ann' ? visible$ : true),
    ...options,
  });
  const writer = createFakeReplica('w', 'admin');
  writer.connect(server);
  const connectAnn = (replica = 'v') => createViewConnection(server, replica, 'ann');
  const { pass } = made;
  return {
    ...{ server, visible$, pass, connectAnn },
    write: (...operations: readonly Operation[]): void => {
      writer.write(made.clock.now(), ...operations);
      pass(10);
    },
    /** Binds the device of a client again, on another connection, with a scope and a cursor. */
    bindAgain: (before: Client, scope: string | null, downloadedTo: number) => {
      const client = connectAnn();
      client.bind({ number: 1, filters: all, scope }, downloadedTo, before.history());
      pass(10);
      client.texts();
      const bound = client.all.flatMap((message) => (message.type === 'bound' ? [message.view] : [])).at(-1);
      return { client, mode: () => bound?.mode, scope: () => bound?.scope };
    },
    /** Connects a device of ann that has all of its objects. */
    openPlaced: () => {
      const client = connectAnn();
      client.bind();
      client.subscribe(1, all);
      pass(10);
      client.fetchAll(1);
      pass(10);
      client.texts();
      return client;
    },
  };
};

const messagesAfter = (client: Client, act: () => void): readonly ServerMessage[] => {
  client.texts();
  const before = client.all.length;
  act();
  client.texts();
  return client.all.slice(before);
};

const keysOf = (messages: readonly ServerMessage[]): readonly ObjectName['key'][] =>
  messages.flatMap((message) => namesOf(message).map(({ key }) => key));

const scopeOf = (client: Client): string | null => {
  client.texts();
  return client.all.flatMap((message) => (message.type === 'view' ? [message.scope] : [])).at(-1) ?? null;
};

describe('a session of a user with a scope', () => {
  const { viewObjectsMax } = serverLimits;
  const { pageBytesMax } = limits;
  afterEach(() => {
    Object.assign(serverLimits, { viewObjectsMax });
    Object.assign(limits, { pageBytesMax });
  });

  it('is sent nothing of the earlier scope from a change on, and only the names of what it has', () => {
    const { visible$, write, pass, openPlaced } = createScopeWorld(inTeam('x'));
    write(create('had', 'l', { team: 'x' }));
    const client = openPlaced();
    const announced = messagesAfter(client, () => {
      visible$.next(inTeam('y'));
      pass(10);
    });
    expect(announced.map(({ type }) => type)).toEqual(['view']);
    const waiting = messagesAfter(client, () => {
      write(create('new', 'l', { team: 'x' }));
      write(update('had', { note: 'secret' }));
      pass(100);
    });
    expect(waiting).toEqual([]);
    const members = messagesAfter(client, () => client.fetchAll(1));
    expect(keysOf(members)).toEqual(['had']);
  });

  it('gets the whole view after a bind without a scope, or with one that is not known', () => {
    const { write, openPlaced, bindAgain } = createScopeWorld(inTeam('x'));
    write(create('a', 'l', { team: 'x' }));
    const client = openPlaced();
    const modes = [null, 'unknown', scopeOf(client)].map((scope) => bindAgain(client, scope, 1).mode());
    expect(modes).toEqual(['resync', 'resync', 'continue']);
  });

  it('gets the whole view when its cursor is not one that it can have in its scope', () => {
    const { visible$, write, pass, openPlaced, bindAgain } = createScopeWorld(inTeam('x'));
    write(create('a', 'l', { team: 'x' }));
    const client = openPlaced();
    const first = scopeOf(client);
    write(create('b', 'l', { team: 'x' }));
    visible$.next(inTeam('y'));
    pass(10);
    client.fetchAll(1);
    const second = scopeOf(client);
    write(create('c', 'l', { team: 'x' }));
    expect([1, 3].map((version) => bindAgain(client, first, version).mode())).toEqual(['continue', 'resync']);
    expect([1, 3].map((version) => bindAgain(client, second, version).mode())).toEqual(['resync', 'continue']);
    visible$.next(inTeam('x'));
    pass(10);
    expect(bindAgain(client, first, 1).scope()).not.toBe(first);
  });

  it('gets an object back that a rejection has hidden, when it may see it again', () => {
    const { visible$, write, pass, openPlaced, bindAgain } = createScopeWorld(inTeam('x'));
    write(create('a', 'l', { team: 'x' }));
    const client = openPlaced();
    const scope = scopeOf(client);
    visible$.next(inTeam('y'));
    pass(10);
    const rejected = messagesAfter(client, () => {
      client.write(1, update('a', { note: 'mine' }));
      pass(10);
    });
    expect(rejected.slice(0, 1)).toMatchObject([
      {
        type: 'refused',
        serverStates: [{ key: 'a', state: null }],
        writes: [{ reason: 'The write is not permitted.' }],
      },
    ]);
    visible$.next(inTeam('x'));
    pass(10);
    const members = messagesAfter(client, () => {
      client.fetchAll(1); // Another view is announced instead of a page.
      client.fetchAll(1);
    });
    expect(keysOf(members)).toEqual(['a']);
    expect(bindAgain(client, scope, 1).mode()).toBe('resync');
  });

  it('is not sent what is hidden since its whole view is on the way without a request', () => {
    Object.assign(serverLimits, { viewObjectsMax: 1 });
    const { visible$, write, pass, openPlaced, bindAgain } = createScopeWorld(inTeam('x'));
    write(create('a', 'l', { team: 'x' }));
    const placed = openPlaced();
    placed.disconnect();
    for (const key of ['b', 'c', 'd']) write(create(key, 'l', { team: 'x' }));
    const { client } = bindAgain(placed, scopeOf(placed), 1);
    pass(10);
    visible$.next(inTeam('y'));
    pass(10);
    const members = messagesAfter(client, () => {
      client.fetchAll(1);
      client.fetchAll(1);
    });
    expect(keysOf(members)).toEqual([]);
  });

  it('sees what the claims of its latest token allow, whichever message of the connection has brought it', () => {
    const { write, pass, connectAnn } = createScopeWorld(true, {
      authenticate: (token) => ({ id: token === 'admin' ? 'admin' : 'ann', claims: { team: token } }),
      scope: ({ id, claims }) => (id === 'ann' && claims?.['team'] !== 'ann' ? inTeam(String(claims?.['team'])) : true),
    });
    for (const team of ['x', 'y', 'z']) write(create(team, 'l', { team }));
    const client = connectAnn();
    client.bind();
    client.subscribe(1, all);
    pass(10);
    expect(keysOf(messagesAfter(client, () => client.fetchAll(1)))).toEqual(['x', 'y', 'z']);
    const leavesAfter = (act: () => void): readonly ObjectName['key'][] =>
      keysOf(
        messagesAfter(client, () => {
          act();
          pass(10);
          client.fetchAll(1);
        }),
      );
    expect(leavesAfter(() => client.send({ type: 'token', token: 'y' }))).toEqual(['x', 'z']);
    const bind = createBind({ session: 2, realm: 'other', replica: 'second', token: 'z' });
    expect(leavesAfter(() => client.send({ ...bind, view: noView }))).toEqual(['z', 'y']);
  });

  it('ends when it has no view, or when the scope is not known', () => {
    const { connectAnn, pass } = createScopeWorld(inTeam('x'));
    const whole = connectAnn();
    whole.send(createBind({ replica: 'whole', token: 'ann' }));
    pass(10);
    whole.texts();
    expect(whole.all).toMatchObject([{ type: 'error', code: 'needs-subscriptions', retry: 'never' }]);
    const failing = createScopeWorld(true, {
      log: () => undefined,
      scope: () => {
        throw new Error('no database');
      },
    });
    const client = failing.connectAnn();
    client.bind();
    failing.pass(10);
    client.texts();
    expect(client.all).toMatchObject([{ type: 'error', code: 'internal', retry: 'later' }]);
  });

  it('gets to the end of its view, when a rejection has shown more objects than a page has', () => {
    Object.assign(limits, { pageBytesMax: 1 });
    const { visible$, write, pass, openPlaced } = createScopeWorld(inTeam('x'), {
      permit: (_, __, { after }) => after?.['n'] !== 1 || 'no',
    });
    for (const key of ['a', 'b']) write(create(key, 'l', { team: 'y' }));
    const client = openPlaced();
    visible$.next(inTeam('y'));
    pass(10);
    write(create('c', 'l', { team: 'y' }));
    client.write(1, update('a', { n: 1 }), update('b', { n: 1 }));
    pass(10);
    const members = messagesAfter(client, () => {
      let pages = 0;
      do {
        pages += 1;
        client.next(1);
      } while (client.position() !== null && pages < 20);
    });
    expect(members.filter(({ type }) => type === 'members').at(-1)).toMatchObject({ position: null, upTo: 3 });
  });

  it('is not shown how large a hidden object is', () => {
    const { write, pass, openPlaced } = createScopeWorld(inTeam('x'), { limits: { objectBytesMax: 1_024 } });
    write(create('a', 'l', { team: 'y', note: 'n'.repeat(600) }));
    const client = openPlaced();
    const rejected = messagesAfter(client, () => {
      client.write(1, update('a', { more: 'm'.repeat(600) }));
      pass(10);
    });
    expect(rejected.slice(0, 1)).toMatchObject([
      { code: 'not-permitted', writes: [{ reason: 'The write is not permitted.' }] },
    ]);
  });
});
