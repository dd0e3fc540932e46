import { BehaviorSubject, concat, ignoreElements, takeWhile } from 'rxjs';
import { limits } from '../../../lib/model/limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { create, update } from '../views/view-world.js';
import { createScopeWorld, inTeam, messagesAfter, keysOf, scopeOf, all } from './scope-world.js';

describe('a rejection in a scope', () => {
  const { pageBytesMax } = limits;
  afterEach(() => {
    Object.assign(limits, { pageBytesMax });
  });

  it('that hides an object lets the client get it again, when it may see it', () => {
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

  it('that hides an object from a client that could see everything lets it get that again, too', () => {
    const { visible$, write, pass, openPlaced, bindAgain } = createScopeWorld(true);
    write(create('a', 'l', { team: 'x' }));
    const placed = openPlaced();
    expect(scopeOf(placed)).toBeNull();
    const { client, mode } = bindAgain(placed, null, 1);
    expect(mode()).toBe('continue');
    visible$.next(inTeam('y'));
    pass(10);
    client.write(1, update('a', { note: 'mine' }));
    pass(10);
    visible$.next(true);
    pass(10);
    const again = bindAgain(client, null, 1);
    const everything = again.scope();
    expect([again.mode(), typeof everything]).toEqual(['resync', 'string']);
    const members = messagesAfter(again.client, () => {
      again.client.subscribe(2, all);
      pass(10);
      again.client.fetchAll(2);
    });
    expect(keysOf(members)).toEqual(['a']);
    expect(bindAgain(client, everything ?? null, 1).mode()).toBe('continue');
  });

  it('does not show by the next view whether an object exists', () => {
    const modes = ['a', 'missing'].map((key) => {
      const { visible$, write, pass, openPlaced } = createScopeWorld(inTeam('x'));
      write(create('a', 'l', { team: 'z' }));
      const client = openPlaced();
      visible$.next(inTeam('y'));
      pass(10);
      const messages = messagesAfter(client, () => {
        client.send({ type: 'withdraw', session: 1, version: 1, code: 'bad', objects: [{ type: 'Task', key }] });
        pass(10);
        client.fetchAll(1);
      });
      return messages.map((message) => (message.type === 'view' ? message.mode : message.type));
    });
    expect(modes).toEqual([
      ['refused', 'accepted', 'resync'],
      ['refused', 'accepted', 'resync'],
    ]);
  });

  it('has no state that is hidden before it is sent', () => {
    const stored = memoryStorage();
    const isHeld$ = new BehaviorSubject(false);
    const untilReleased$ = isHeld$.pipe(takeWhile(Boolean), ignoreElements());
    const batch: Storage['batch'] = (changes, options) =>
      options.durable ? stored.batch(changes, options) : concat(untilReleased$, stored.batch(changes, options));
    const { visible$, write, pass, openPlaced } = createScopeWorld(inTeam('x'), {
      storage: { range: stored.range, close: stored.close, batch },
      permit: (user) => (user.id === 'ann' ? 'no' : true),
    });
    write(create('a', 'l', { team: 'x' }));
    const client = openPlaced();
    visible$.next({ Task: { team: { $in: ['x', 'y'] } } });
    pass(10);
    isHeld$.next(true);
    const messages = messagesAfter(client, () => {
      client.write(1, update('a', { note: 'mine' }), create('b', 'l', { team: 'x' }));
      pass(10);
      visible$.next(inTeam('y'));
      pass(10);
      isHeld$.next(false);
    });
    expect(messages.find(({ type }) => type === 'refused')).toMatchObject({
      serverStates: [
        { key: 'a', state: null },
        { key: 'b', state: null },
      ],
    });
  });

  it('that shows more objects than a page has does not keep the view from its end', () => {
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

  it('does not show how large a hidden object is', () => {
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
