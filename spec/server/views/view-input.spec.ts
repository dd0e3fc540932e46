import { limits } from '../../../lib/model/limits.js';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { createBind } from '../test-kit.js';
import { create, createViewConnection, createViewWorld, filterOf, lists } from './view-world.js';

const small = limits as { pageChangesetsMax: number };
const smallServer = serverLimits as { marksWaitingMax: number };
const { pageChangesetsMax } = limits;
const { marksWaitingMax } = serverLimits;
beforeAll(() => {
  Object.assign(serverLimits, { selectionPages: 1 }); // So that a page can have one object.
});
afterEach(() => {
  Object.assign(small, { pageChangesetsMax });
  Object.assign(smallServer, { marksWaitingMax });
});

describe('a subscription', () => {
  it.each([
    ['is no filter', 5, 'bad-filter'],
    ['has an unknown operator', ['regex', 'list', 'a'], 'bad-filter'],
    ['compares with a value that has parts', ['in', 'list', [1]], 'bad-filter'],
    ['is too large', ['in', 'list', 'x'.repeat(limits.filterBytesMax)], 'filter-too-large'],
    ['has too many values', ['in', 'list', ...Array.from({ length: 1_001 }, (_, at) => at)], 'filter-too-large'],
    [
      'is too deep',
      Array.from({ length: 20 }).reduce(
        (inner: unknown) => ['and', ['in', 'b', 1], ['or', inner, ['in', 'a', 1]]],
        true,
      ),
      'filter-too-large',
    ],
  ])('with a filter that %s is rejected alone', (_, filter, code) => {
    const { server, write, pass } = createViewWorld();
    write(create('x', 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, [filterOf(filter, 1), filterOf(['in', 'list', 'a'], 2)]);
    pass(10);
    client.fetchAll(1);
    expect(client.texts().slice(1)).toEqual([
      expect.stringMatching(new RegExp(`^view 1 at 1: resync of about \\d, 1 ${code} rejected$`)),
      'members 1: x without nothing, up to 1',
    ]);
  });

  it('to something that no object has as its type is rejected, and one to an unknown type has no objects', () => {
    const { server, write, pass } = createViewWorld();
    write(create('x', 'a'));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, [filterOf(true, 1, 'a/b'), filterOf(true, 2, 'Later'), filterOf(true, 3, 'é')]);
    pass(10);
    client.fetchAll(1);
    expect(client.texts().slice(1)).toEqual([
      'view 1 at 1: resync of about 1, 1 bad-filter 3 bad-filter rejected',
      'members 1: nothing without nothing, up to 1',
    ]);
    write({ kind: 'create', type: 'Later', key: 1, values: {} });
    expect(client.texts()).toEqual(['parts 1 without nothing up to 2, 0 left']);
  });

  it('edge case 22: waits for the index of its property, also over a restart of the server', () => {
    Object.assign(small, { pageChangesetsMax: 2 });
    const { make, server, write, writer, pass, openPlaced } = createViewWorld();
    for (let key = 0; key < 9; key += 1) write(create(`k${key}`, 'a', { done: key % 2 === 0, [`p${key}`]: 1 }));
    const client = openPlaced(lists('a'));
    client.subscribe(2, [filterOf(['in', 'done', true])]);
    expect(client.texts()).toEqual([]);
    client.disconnect();
    const history = client.history();
    const restarted = make();
    writer.connect(restarted);
    const again = createViewConnection(restarted);
    again.bind({ number: 1, filters: lists('a') }, 9, history);
    again.subscribe(2, [filterOf(['in', 'done', true]), filterOf(['in', 'of another app', 1], 2)]);
    expect(again.texts().at(-1)).toMatch(/^bound/);
    pass(100);
    again.fetchAll(2);
    expect(
      again
        .texts()
        .filter((text) => text.startsWith('members'))
        .join(),
    ).toMatch(/k1.*k3.*k5.*k7.*up to 9$/);
    expect(server).not.toBe(restarted);
  });

  it('edge case 22: is rejected for the 17th property of a type, alone', () => {
    const { server, write, pass } = createViewWorld();
    write(create('x', 'a', { p5: 1 }));
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(
      1,
      Array.from({ length: 17 }, (_, at) => filterOf(['in', `p${at}`, 1], at + 1)),
    );
    pass(10);
    client.fetchAll(1);
    expect(client.texts().slice(1)).toEqual([
      'view 1 at 1: resync of about 1, 17 too-many-properties rejected',
      'members 1: x without nothing, up to 1',
    ]);
  });

  it('is answered with its view and a first page in one round trip, if both are requested together', () => {
    const { write, pass, openPlaced } = createViewWorld();
    for (const key of ['x', 'y']) write(create(key, 'a', { done: true }));
    const client = openPlaced(lists('a'));
    const subscribe = (number: number, filter: unknown): ClientMessage => {
      return { type: 'subscribe', session: 1, number, filters: [filterOf(filter)] };
    };
    const next = (number: number): ClientMessage => ({ type: 'next', session: 1, number, position: null });
    client.texts();
    client.send(subscribe(2, ['in', 'list', 'a', 'b']), next(2));
    const view = 'view 2 at 2: difference of about 4, nothing rejected';
    expect(client.texts()).toEqual([view, 'members 2: nothing without nothing, up to 2']);
    // The second one comes while the index for the first one is being built.
    client.send(subscribe(3, ['in', 'done', false]), next(3), subscribe(4, ['in', 'done', true]), next(4));
    expect(client.texts()).toEqual([]);
    pass(10);
    expect(client.texts().map((text) => text.slice(0, 9))).toEqual(['view 4 at', 'members 4']);
  });
});

describe('a connection ends when a client', () => {
  const bind = createBind({ replica: 'v', view: { number: null, filters: [], scope: null } });
  const subscribe = (number: number): ClientMessage => ({ type: 'subscribe', session: 1, number, filters: lists('a') });
  const next = (number: number, position: string | null = null): ClientMessage => {
    return { type: 'next', session: 1, number, position };
  };
  const placed = createBind({ replica: 'v', view: { number: 4, filters: [], scope: null } });
  it.each<readonly [string, readonly ClientMessage[]]>([
    ['subscribes without a view', [createBind(), subscribe(1)]],
    ['requests members without a view', [createBind(), next(1)]],
    ['subscribes before it is bound', [subscribe(1)]],
    ['sends a number that falls', [bind, subscribe(2), subscribe(1)]],
    ['sends the same number twice', [bind, subscribe(2), subscribe(2)]],
    ['sends a number before that of the placed view', [placed, subscribe(3)]],
    ['requests members of no view', [bind, next(1)]],
    ['requests members of another view', [bind, subscribe(1), next(2)]],
    ['requests members after the last page', [bind, subscribe(1), next(1), next(1)]],
    ['fetches a snapshot', [bind, { type: 'fetch', session: 1, version: 1, after: null }]],
    ['confirms what was not sent', [bind, { type: 'received', session: 1, version: 7 }]],
    ['reports a fault in what does not exist', [bind, { type: 'fault', session: 1, version: 7, code: 'unreadable' }]],
  ])('%s', (_, messages) => {
    const { server, pass } = createViewWorld();
    const client = createViewConnection(server);
    client.send(...messages);
    pass(10);
    expect(client.end()).toBe(4400);
  });

  it('requests a second page before it has the first', () => {
    Object.assign(small, { pageChangesetsMax: 1 });
    const { server, write, writer, pass } = createViewWorld();
    for (let key = 0; key < 5; key += 1) write(create(`k${key}`, 'a'));
    writer.drop();
    const client = createViewConnection(server);
    client.bind();
    client.subscribe(1, lists('a')); // The index takes some turns.
    client.next(1);
    expect(client.end()).toBe('open');
    client.next(1);
    expect(client.end()).toBe(4400);
    pass(10);
  });

  it('lets too many marks wait for its members', () => {
    Object.assign(smallServer, { marksWaitingMax: 2 });
    const { server } = createViewWorld();
    const client = createViewConnection(server);
    client.bind();
    for (const request of [1, 2]) client.mark(request);
    expect(client.end()).toBe('open');
    client.mark(3);
    expect(client.end()).toBe(4429);
  });
});
