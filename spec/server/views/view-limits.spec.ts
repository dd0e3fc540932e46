import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { create, createViewConnection, createViewWorld, lists, remove, update } from './view-world.js';

const small = limits as { pageChangesetsMax: number; pageBytesMax: number };
const smallServer = serverLimits as { viewObjectsMax: number; trimEntriesMin: number };
const { pageChangesetsMax, pageBytesMax } = limits;
const { viewObjectsMax, trimEntriesMin } = serverLimits;
beforeAll(() => {
  Object.assign(serverLimits, { selectionPages: 1 }); // So that a page can have one object.
});
afterEach(() => {
  Object.assign(small, { pageChangesetsMax, pageBytesMax });
  Object.assign(smallServer, { viewObjectsMax, trimEntriesMin });
});

const day = 24 * 60 * 60 * 1_000;

describe('the members of a view', () => {
  it('invariant 11: are the same when a page is requested again', () => {
    const { server, write, pass } = createViewWorld();
    for (const key of ['k1', 'k2', 'k3']) write(create(key, 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a'));
    pass(10);
    Object.assign(small, { pageChangesetsMax: 1 });
    client.next(1);
    const position = client.position();
    client.next(1);
    client.next(1, position);
    client.next(1, null);
    const pages = client.texts().filter((text) => text.startsWith('members'));
    expect(pages.map((text) => text.slice(0, 13))).toEqual([1, 2, 2, 1].map((key) => `members 1: k${key}`));
  });

  it('begin again after a position that is not one, or is of another view', () => {
    const { server, write, pass } = createViewWorld();
    write(create('k1', 'a'), create('k2', 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a'));
    pass(10);
    Object.assign(small, { pageChangesetsMax: 1 });
    client.next(1);
    const position = client.position()!;
    client.subscribe(2, lists('b'));
    pass(10);
    for (const wrong of ['', 'nonsense', position, position.replace(/^\d+/, '99'), `${position}~`]) {
      client.texts();
      client.next(2, wrong);
      pass(10);
      expect([wrong, client.texts()]).toEqual([wrong, [expect.stringMatching(/^view 2 at 1: resync/)]]);
    }
    client.fetchAll(2);
    expect(client.texts()).toEqual(['members 2: nothing without nothing, up to 1']);
  });

  it('edge case 16: go on after a reconnect where they were, and begin again when the history is trimmed', () => {
    Object.assign(smallServer, { trimEntriesMin: 1 });
    const { server, write, pass, openPlaced } = createViewWorld({ limits: { compactionMs: 60_000 } });
    for (const key of ['k1', 'k2', 'k3']) write(create(key, 'b'));
    const client = openPlaced(lists('a'));
    client.received(3);
    Object.assign(small, { pageChangesetsMax: 1 });
    client.subscribe(2, lists('b'));
    pass(10);
    client.next(2);
    const position = client.position();
    const history = client.history();
    client.disconnect();
    write(update('k1', { list: 'c' }), remove('k2'));
    Object.assign(small, { pageChangesetsMax });
    const resumed = createViewConnection(server);
    resumed.bind({ number: 1, filters: lists('a') }, 3, history);
    resumed.subscribe(2, lists('b'));
    pass(10);
    resumed.next(2, position);
    // The first of them came before, and is not in the view any more. The second one is a tombstone.
    expect(resumed.texts().at(-1)).toBe('members 2: k3 k2 without k1, up to 4');
    resumed.disconnect();
    write(update('k3', { text: 'new' }));
    pass(31 * day);
    const late = createViewConnection(server);
    late.bind({ number: 1, filters: lists('a') }, 4, history);
    late.subscribe(2, lists('b'));
    pass(10);
    late.next(2, position);
    pass(10);
    expect(late.texts().slice(-2)).toEqual([
      expect.stringMatching(/^view 2 at 5: resync/),
      expect.stringMatching(/^view 2 at 5: resync/),
    ]);
  });

  it('begin again as a whole view when more has changed than a session remembers', () => {
    Object.assign(smallServer, { viewObjectsMax: 2 });
    const { write, pass, openPlaced } = createViewWorld();
    write(create('k1', 'a'), create('k2', 'b'));
    const client = openPlaced(lists('a'));
    client.subscribe(2, lists('b'));
    pass(10);
    write(update('k2', { text: 'new' }), create('k3', 'b'), create('k4', 'b'));
    expect(client.texts()).toEqual([expect.stringMatching(/^view 2 at 1: difference/)]);
    client.next(2);
    pass(10);
    expect(client.texts()).toEqual([expect.stringMatching(/^view 2 at 2: resync/)]);
    client.fetchAll(2);
    expect(client.texts()).toEqual(['members 2: k2 k3 k4 without nothing, up to 2']);
  });
});

describe('the changes of a view', () => {
  it('are requested by a device that was away, when they are more than a page', () => {
    const { server, write, openPlaced } = createViewWorld();
    for (const key of ['k1', 'k2', 'k3']) write(create(key, 'a'));
    const client = openPlaced(lists('a'));
    client.received(3);
    const history = client.history();
    client.disconnect();
    write(update('k1', { list: 'b' }), update('k2', { text: 'new' }), remove('k3'), create('k4', 'b'));
    Object.assign(small, { pageBytesMax: 60 });
    const again = createViewConnection(server);
    again.bind({ number: 1, filters: lists('a') }, 3, history);
    again.mark(1);
    expect(again.texts().slice(1)).toEqual(['view 1 at 4: difference of about 3, nothing rejected']);
    write(update('k4', { text: 'new' }), create('k5', 'a'));
    again.fetchAll(1);
    const texts = again.texts();
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.at(-2)).toMatch(/up to 5$/);
    expect(texts.at(-1)).toBe('mark 1 at 4');
    const named = texts.join().match(/k\d/g);
    expect([...new Set(named)].sort()).toEqual(['k1', 'k2', 'k3', 'k5']);
  });

  it('edge case 36: wait for a client that does not confirm them, while others go on', () => {
    const { write, openPlaced } = createViewWorld({ limits: { downloadBytesInFlightMax: 524_288 } });
    const [slow, quick] = [openPlaced(lists('a'), 'slow'), openPlaced(lists('a'), 'quick')];
    const text = 'x'.repeat(100_000);
    for (let time = 1; time <= 12; time += 1) {
      write(create('x', 'a', { text, time }));
      quick.received(time);
    }
    expect(quick.texts()).toHaveLength(12);
    const sent = slow.texts();
    expect(sent.length).toBeLessThan(8);
    slow.received(2);
    expect(slow.texts().at(-1)).toBe('parts x without nothing up to 12, 0 left');
  });

  it('edge case 38: are a whole view for a device that was away for longer than the history is kept', () => {
    Object.assign(smallServer, { trimEntriesMin: 1 });
    const { server, write, pass, openPlaced } = createViewWorld({ limits: { compactionMs: 3_600_000 } });
    write(create('x', 'a'), create('y', 'a'), create('other', 'b'));
    const client = openPlaced(lists('a'));
    client.received(1);
    client.disconnect();
    write(remove('x'), update('other', { text: 'new' }));
    pass(31 * day);
    write(create('z', 'a'));
    pass(day);
    const again = createViewConnection(server);
    again.bind({ number: 1, filters: lists('a') }, 1, client.history());
    again.subscribe(1, lists('a'));
    pass(10);
    again.fetchAll(1);
    expect(again.texts()).toEqual([
      'bound head 3 accepted 0',
      expect.stringMatching(/^view 1 at 3: resync/),
      'members 1: y z without nothing, up to 3',
    ]);
  });

  it('stop with the session, also while the storage is read', () => {
    const { server, write, pass, errors } = createViewWorld();
    write(create('x', 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a'));
    client.send({ type: 'unbind', session: 1 });
    pass(10);
    write(update('x', { text: 'new' }));
    pass(10);
    expect(client.texts().at(-1)).toBe('unbound');
    expect(errors()).toEqual([]);
  });
});
