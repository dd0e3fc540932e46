import { limits } from '../../../lib/model/limits.js';
import type { ObjectWrite } from '../../../lib/server/index.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { create, createViewConnection, createViewWorld, filterOf, lists, remove, update } from './view-world.js';

const small = limits as { pageChangesetsMax: number; pageBytesMax: number };
const { pageChangesetsMax, pageBytesMax } = limits;
beforeAll(() => {
  Object.assign(serverLimits, { selectionPages: 1 }); // So that a page can have one object.
});
afterEach(() => {
  Object.assign(small, { pageChangesetsMax, pageBytesMax });
});

describe('a session with a view', () => {
  it('is sent the members of its view, then their changes, and nothing that does not concern it', () => {
    const { server, write, pass } = createViewWorld();
    write(create('x', 'a'), create('y', 'b'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a'));
    pass(10);
    client.fetchAll(1);
    expect(client.texts()).toEqual([
      'bound head 1 accepted 0',
      'view 1 at 1: resync of about 2, nothing rejected',
      'members 1: x without nothing, up to 1',
    ]);
    write(update('y', { text: 'other' }));
    write(create('z', 'b'));
    expect(client.texts()).toEqual([]);
    write(update('y', { list: 'a' }), update('x', { text: 'new' }));
    write(update('x', { list: 'b' }));
    write(remove('y'));
    expect(client.texts()).toEqual([
      'parts ~x y without nothing up to 4, 0 left',
      'parts nothing without x up to 5, 0 left',
      'parts y without nothing up to 6, 0 left', // As a tombstone.
    ]);
  });

  it('gets the difference to another view: what enters, and the names of what leaves', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a'), create('y', 'b'), create('z', 'c'), create('both', 'a', { done: true }));
    const client = openPlaced(lists('a', 'b'));
    client.subscribe(2, [...lists('b', 'c'), filterOf(['in', 'done', true], 3)]);
    pass(10);
    client.fetchAll(2);
    expect(client.texts()).toEqual([
      'view 2 at 1: difference of about 8, nothing rejected',
      'members 2: z without x, up to 1',
    ]);
  });

  it('edge case 1: gets nothing for the same filters under other numbers', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a'));
    const client = openPlaced(lists('a'));
    client.subscribe(2, [filterOf(['in', 'list', 'a'], 7)]);
    pass(10);
    client.fetchAll(2);
    expect(client.texts()).toEqual([
      'view 2 at 1: difference of about 0, nothing rejected',
      'members 2: nothing without nothing, up to 1',
    ]);
  });

  it('edge case 2: keeps what another subscription covers when one of two is removed', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a', { done: true }), create('y', 'a'));
    const client = openPlaced([...lists('a'), filterOf(['in', 'done', true], 2)]);
    client.subscribe(2, [filterOf(['in', 'done', true], 2)]);
    pass(10);
    client.fetchAll(2);
    expect(client.texts()[1]).toBe('members 2: nothing without y, up to 1');
  });

  it('edge case 3: is sent an object once that moves out and in within one page', () => {
    const { write, writePage, openPlaced } = createViewWorld();
    write(create('x', 'a'));
    const client = openPlaced(lists('a'));
    writePage([update('x', { list: 'b' })], [update('x', { list: 'a' })]);
    expect(client.texts()).toEqual(['parts x without nothing up to 3, 0 left']);
  });

  it('edge case 4: is not sent the name of an object that moves in and out within one page', () => {
    const { write, writePage, openPlaced } = createViewWorld();
    write(create('x', 'b'));
    const client = openPlaced(lists('a'));
    writePage([update('x', { list: 'a' })], [update('x', { list: 'b' })], [create('y', 'a')], [remove('y')]);
    expect(client.texts()).toEqual([]);
  });

  it('edge case 5: is sent the name of an object that leaves after it was scanned', () => {
    const { server, write, pass } = createViewWorld();
    write(create('k1', 'a'), create('k2', 'a'), create('k3', 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a'));
    pass(10);
    Object.assign(small, { pageChangesetsMax: 1 });
    client.next(1);
    expect(client.texts().at(-1)).toMatch(/^members 1: k1 without nothing/);
    write(update('k1', { list: 'b' }));
    client.fetchAll(1);
    expect(client.texts()).toEqual([
      expect.stringMatching(/^members 1: k2 without nothing, \d left$/),
      expect.stringMatching(/^members 1: k3 without nothing, \d left$/),
      'members 1: nothing without k1, up to 2',
    ]);
  });

  it('edge case 6: is sent an object that enters behind the scan', () => {
    const { server, write, pass } = createViewWorld();
    write(create('k1', 'b'), create('k2', 'a'), create('k3', 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a'));
    pass(10);
    Object.assign(small, { pageChangesetsMax: 1 });
    client.next(1);
    expect(client.texts().at(-1)).toMatch(/^members 1: k2 without nothing/);
    write(update('k1', { list: 'a' }));
    client.fetchAll(1);
    expect(client.texts().at(-1)).toBe('members 1: k1 without nothing, up to 2');
  });

  it('edge case 7: is sent the name of an object that was deleted outside of the view before its own old edit', () => {
    const { write, openPlaced, clock, pass } = createViewWorld();
    write(create('x', 'a'));
    const client = openPlaced(lists('a'));
    write(update('x', { list: 'b' }));
    const offline = clock.now();
    pass(10);
    write(remove('x'));
    client.texts();
    client.write(offline, update('x', { text: 'mine' }));
    expect(client.texts()).toEqual(['parts nothing without x up to 4, 0 left']);
  });

  it('edge case 13: is sent the state when another write keeps in the view what its own has moved out', () => {
    const { write, openPlaced, clock, pass } = createViewWorld();
    write(create('x', 'a'));
    const client = openPlaced(lists('a'));
    const earlier = clock.now();
    pass(10);
    write(update('x', { list: 'a', text: 'theirs' }));
    client.texts();
    client.write(earlier, update('x', { list: 'b' }));
    expect(client.texts()).toEqual([]); // Its own write has lost to one that it has.
    client.write(clock.now(), update('x', { list: 'b' }));
    expect(client.texts()).toEqual(['parts nothing without x up to 4, 0 left']);
  });

  it('edge case 14: is sent a leave again, as long as its cursor is before its own write', () => {
    const { server, write, openPlaced, clock } = createViewWorld();
    write(create('x', 'a'));
    const client = openPlaced(lists('a'));
    client.write(clock.now(), update('x', { list: 'b' }));
    const leave = 'parts nothing without x up to 2, 0 left';
    expect(client.texts()).toEqual([leave]);
    const history = client.history();
    for (let time = 0; time < 2; time += 1) {
      const again = createViewConnection(server);
      again.bind({ number: 1, filters: lists('a') }, 1, history);
      expect(again.texts()).toEqual(['bound head 2 accepted 1', leave]);
    }
  });

  it('edge case 15: begins at the placed view again after a crash before it was placed, and goes on after it', () => {
    const { server, write, openPlaced, pass } = createViewWorld();
    write(create('x', 'a'), create('y', 'b'));
    const client = openPlaced(lists('a'));
    client.subscribe(2, lists('b'));
    pass(10);
    client.fetchAll(2);
    const members = 'members 2: y without x, up to 1';
    expect(client.texts().at(-1)).toBe(members);
    const before = createViewConnection(server);
    before.bind({ number: 1, filters: lists('a') }, 1, client.history());
    before.subscribe(2, lists('b'));
    pass(10);
    before.fetchAll(2);
    expect(before.texts().at(-1)).toBe(members);
    write(update('x', { text: 'x' }), update('y', { text: 'y' }));
    const after = createViewConnection(server);
    after.bind({ number: 2, filters: lists('b') }, 1, client.history());
    expect(after.texts().at(-1)).toBe('parts ~y without nothing up to 2, 0 left');
  });

  it('edge case 17: gets the latest view when it is replaced during its members, twice and back to the first', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a'), create('y', 'b'), create('z', 'c'));
    const client = openPlaced(lists('a'));
    Object.assign(small, { pageChangesetsMax: 1 });
    client.subscribe(2, lists('b', 'c'));
    pass(10);
    client.next(2);
    expect(client.texts().at(-1)).toMatch(/^members 2: y without nothing/);
    write(update('y', { text: 'new' }));
    client.subscribe(3, lists('c'));
    client.subscribe(4, lists('a'));
    pass(10);
    client.fetchAll(4);
    expect(client.texts().slice(-2)).toEqual([
      'view 4 at 2: difference of about 0, nothing rejected',
      'members 4: nothing without nothing, up to 2',
    ]);
    write(update('x', { text: 'new' }), update('z', { text: 'new' }));
    expect(client.texts()).toEqual(['parts ~x without nothing up to 3, 0 left']);
  });

  it('edge case 32: has nothing after its last subscription was removed, and still uploads and answers marks', () => {
    const { write, pass, openPlaced, clock } = createViewWorld();
    write(create('x', 'a'));
    const client = openPlaced(lists('a'));
    client.subscribe(2, []);
    pass(10);
    client.fetchAll(2);
    write(update('x', { text: 'new' }));
    client.write(clock.now(), create('mine', 'a'));
    client.mark(1);
    expect(client.texts()).toEqual([
      'view 2 at 1: difference of about 1, nothing rejected',
      'members 2: nothing without x, up to 1',
      'parts nothing without mine up to 3, 0 left',
      'mark 1 at 3',
    ]);
  });

  it('edge case 41, invariant 18: is answered a mark in the view of the last subscribe before it', () => {
    const { server, write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a'), create('y', 'b'));
    const client = openPlaced(lists('a'));
    client.mark(1);
    client.subscribe(2, lists('b'));
    client.mark(2);
    client.subscribe(3, lists('a', 'b'));
    client.mark(3);
    pass(10);
    expect(client.texts()).toEqual([
      'mark 1 at 1',
      expect.stringMatching(/^view 2 at 1/),
      expect.stringMatching(/^view 3 at 1/),
    ]);
    write(create('z', 'b'));
    client.mark(4);
    client.fetchAll(3);
    expect(client.texts()).toEqual([
      'members 3: y z without nothing, up to 2',
      'mark 2 at 1',
      'mark 3 at 1',
      'mark 4 at 2',
    ]);
    const fresh = createViewConnection(server, 'fresh');
    fresh.bind();
    fresh.mark(1);
    expect(fresh.texts()).toEqual(['bound head 2 accepted 0']);
    fresh.subscribe(0, []);
    fresh.fetchAll(0);
    expect(fresh.texts().at(-1)).toBe('mark 1 at 2');
  });

  it('is named what a rejection has shown, when that has left before the next page', () => {
    Object.assign(small, { pageBytesMax: 1_000_000 });
    const permit = (_: unknown, __: unknown, { after }: ObjectWrite) => after?.['n'] !== 1 || 'no';
    const { write, openPlaced, clock } = createViewWorld({ permit, limits: { downloadBytesInFlightMax: 524_288 } });
    write(create('x', 'b'), create('y', 'b'));
    const client = openPlaced(lists('a'));
    const text = 'x'.repeat(300_000);
    for (let time = 1; time <= 3; time += 1) write(create('z', 'a', { text, time })); // It confirms none of them.
    write(update('x', { list: 'a' }));
    client.write(clock.now(), update('x', { n: 1 }));
    expect(client.texts().at(-1)).toBe('refused 1');
    const upTo = client.all.flatMap((message) => (message.type === 'refused' ? [message.upTo] : []));
    expect(upTo).toEqual([5]);
    write(update('x', { list: 'b' }));
    client.received(3);
    expect(client.texts()).toEqual(['parts ~z without x up to 6, 0 left']);
    client.received(6);
    client.write(clock.now(), update('y', { n: 1 })); // Its state is that of the view.
    expect(client.texts()).toEqual(['refused 2']);
    write(update('y', { text }));
    expect(client.texts()).toEqual([]);
  });
});
