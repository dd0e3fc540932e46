import type { ObjectName } from '../../../lib/model/changeset.js';
import { limits } from '../../../lib/model/limits.js';
import { noView, type ViewFilter } from '../../../lib/model/view.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { create, filterOf, update } from '../views/view-world.js';
import { createBind } from '../test-kit.js';
import { createScopeWorld, inTeam, messagesAfter, keysOf, scopeOf, all } from './scope-world.js';

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

  it('is limited by properties that others did not leave room for in their subscriptions', () => {
    const { visible$, pass, openPlaced } = createScopeWorld(true);
    const client = openPlaced();
    const naming = (number: number): ViewFilter => filterOf(['in', ...['p' + String(number), 'v']], number);
    const subscribe = (number: number, filters: readonly ViewFilter[]) =>
      messagesAfter(client, () => {
        client.subscribe(number, filters);
        pass(10);
        client.fetchAll(number);
      }).flatMap((message) => (message.type === 'view' ? message.rejections.map(({ id, code }) => [id, code]) : []));
    const numbers = Array.from({ length: serverLimits.watchedPropertiesMax }, (_, at) => at + 1);
    expect(subscribe(2, numbers.map(naming))).toEqual([]);
    visible$.next(inTeam('x'));
    pass(10);
    client.fetchAll(2);
    expect(subscribe(3, [...all, naming(99)])).toEqual([[99, 'too-many-properties']]);
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

  it('edge case 20: sees what the claims of its latest token allow, whichever message of the connection has brought it', () => {
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
});
