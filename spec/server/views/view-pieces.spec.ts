import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { limits } from '../../../lib/model/limits.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import type { Parts } from '../../../lib/protocol/view-messages.js';
import { encodeServer } from '../../../lib/protocol/codec.js';
import type { ObjectWrite } from '../../../lib/server/index.js';
import { createFakeReplica, createTimedServer } from '../fake-replica.js';
import { create, createViewConnection, createViewWorld, filterOf, lists, remove, update } from './view-world.js';

const text = 'a text that is longer than an operation '.repeat(3);

const partsOf = (messages: readonly ServerMessage[]): Parts => {
  const last = messages.at(-1);
  if (last?.type !== 'parts') throw new Error(`${last?.type} instead of parts`);
  return last;
};

/** Returns the pieces as versions, counts and operations. */
const piecesOf = ({ changesets }: Parts) =>
  changesets.map(({ version, count, body }) => {
    const read = decodeOperations(body);
    if (!('right' in read)) throw new Error(read.left);
    return [version, count, ...read.right.map(({ kind, type, key }) => `${kind} ${type} ${key}`)];
  });

const push = (key: string, values: readonly string[]): Operation => ({
  ...{ kind: 'insert', type: 'Task', key, property: 'tags', run: ['a0', 'w'] },
  ...{ keys: values.map((_, at) => `a${String(at).padStart(6, '0')}1`), values },
});

describe('the operations on objects that stay in a view', () => {
  const { pageBytesMax, pageChangesetsMax } = limits;
  const small = limits as { pageBytesMax: number; pageChangesetsMax: number };
  afterEach(() => Object.assign(small, { pageBytesMax, pageChangesetsMax }));

  it('edge case 28: are sent of an object with a long list instead of its state, which is sent when it enters', () => {
    const { write, openPlaced } = createViewWorld();
    write(
      create('x', 'a'),
      push(
        'x',
        Array.from({ length: 5_000 }, () => text),
      ),
    );
    const client = openPlaced(lists('a'));
    write(update('x', { done: true }));
    client.texts();
    const flipped = partsOf(client.all);
    expect([piecesOf(flipped), flipped.states]).toEqual([[[2, 0, 'update Task x']], []]);
    expect(encodeServer(flipped).byteLength).toBeLessThan(100);
    write(update('x', { list: 'b' }));
    write(update('x', { list: 'a' }));
    expect(client.texts()).toEqual([
      'parts nothing without x up to 3, 0 left',
      'parts x without nothing up to 4, 0 left',
    ]);
  });

  it('edge case 29: are pieces with the stamps of a changeset over objects in and out of the view, of two types', () => {
    const { write, openPlaced } = createViewWorld();
    const note = { ...create('n', null, { text }), type: 'Note' } as Operation;
    write(create('x', 'a', { text }), create('y', 'b'), create('z', 'a'), note);
    const client = openPlaced([...lists('a'), filterOf(true, 9, 'Note')]);
    write(
      ...[update('y', { done: true }), update('x', { done: true }), { ...update('n', { done: true }), type: 'Note' }],
      ...([update('z', { list: 'b' }), update('x', { n: 1 }), remove('y')] as Operation[]),
    );
    expect(client.texts()).toEqual(['parts ~x ~n ~x without z up to 2, 0 left']);
    const parts = partsOf(client.all);
    const count = parts.changesets[0]?.count ?? 0;
    expect(piecesOf(parts)).toEqual([
      [2, count, 'update Task x', 'update Note n'],
      [2, count + 3, 'update Task x'],
    ]);
    expect(parts.changesets.map(({ origin }) => origin)).toEqual(['w', 'w']);
  });

  it('edge case 29: are states of members when they are more than a page', () => {
    const { write, openPlaced, pass } = createViewWorld();
    const keys = Array.from({ length: 30 }, (_, at) => `k${at}`);
    write(...keys.map((key) => create(key, 'a', { text })));
    const client = openPlaced(lists('a'));
    Object.assign(small, { pageChangesetsMax: 20 });
    write(...keys.map((key) => update(key, { done: true })));
    expect(client.texts()).toEqual(['view 1 at 2: difference of about 30, nothing rejected']);
    client.fetchAll(1);
    pass(10);
    expect(client.all.flatMap((message) => (message.type === 'members' ? message.objects : [])).slice(30)).toHaveLength(
      30,
    );
  });

  it('are states where more than a page of pieces would be sent, and where the state is smaller', () => {
    const { write, openPlaced } = createViewWorld();
    write(create('x', 'a', { text: text.repeat(20) }), create('y', 'a'), create('z', 'b'));
    const client = openPlaced(lists('a'));
    write(update('y', { text }), update('y', { text: null }));
    expect(client.texts()).toEqual(['parts y without nothing up to 2, 0 left']);
    Object.assign(small, { pageChangesetsMax: 3 });
    const other = update('z', { n: 1 });
    write(update('x', { n: 1 }), other, update('x', { n: 2 }), other, update('x', { n: 3 }), other, update('x', {}));
    expect(client.texts()).toEqual(['view 1 at 3: difference of about 1, nothing rejected']);
  });

  it('are states where an object was out of the view, was made again, or was shown by a rejection', () => {
    const permit = (_: unknown, __: unknown, { after }: ObjectWrite) => after?.['n'] !== 1 || 'no';
    const { write, writePage, openPlaced, clock } = createViewWorld({
      permit,
      limits: { downloadBytesInFlightMax: 524_288 },
    });
    write(create('x', 'a', { text }), create('y', 'a', { text }), create('z', 'a', { text }));
    const client = openPlaced(lists('a'));
    writePage([update('x', { list: 'b' })], [update('x', { list: 'a' })]);
    writePage([remove('y')], [create('y', 'a', { text })], [update('z', { done: true })]);
    expect(client.texts()).toEqual([
      'parts x without nothing up to 3, 0 left',
      'parts ~z y without nothing up to 6, 0 left',
    ]);
    client.received(6);
    Object.assign(small, { pageBytesMax: 1_000_000 });
    for (let n = 2; n <= 3; n += 1) write(update('x', { text: 'x'.repeat(300_000), n })); // It confirms none of them.
    client.texts();
    write(update('z', { n: 2 }), update('y', { n: 2 }));
    client.write(clock.now() + 1, update('z', { n: 1 }));
    client.received(8);
    expect(client.texts()).toEqual(['refused 1', 'parts ~y z without nothing up to 9, 0 left']);
  });

  it('are those of other replicas only', () => {
    const { write, openPlaced, clock, server, pass } = createViewWorld();
    write(create('x', 'a', { text }), create('y', 'a', { text }));
    const client = openPlaced(lists('a'));
    client.write(clock.now(), update('y', { n: 1 }), update('x', { n: 2 }));
    write(update('x', { n: 3 }));
    const history = client.history();
    client.disconnect();
    const again = createViewConnection(server);
    again.bind({ number: 1, filters: lists('a') }, 1, history);
    pass(10);
    expect(again.texts().at(-1)).toBe('parts ~x without nothing up to 3, 0 left');
    expect(partsOf(again.all).changesets.map(({ version, origin }) => [version, origin])).toEqual([[3, 'w']]);
  });

  it('are states while another view is on the way', () => {
    const { write, openPlaced, pass } = createViewWorld();
    write(create('x', 'a', { text }), create('y', 'b', { text }));
    const client = openPlaced(lists('a'));
    client.subscribe(2, lists('a', 'b'));
    pass(10);
    write(update('x', { done: true }));
    expect(client.texts().at(-1)).toBe('parts x without nothing up to 2, 0 left');
    client.fetchAll(2);
    pass(10);
    client.received(2);
    client.texts();
    write(update('x', { done: false }), update('y', { done: true }));
    expect(client.texts()).toEqual(['parts ~x ~y without nothing up to 3, 0 left']);
  });

  it('are states with a scope where a changeset writes an object twice, because it may have been hidden between', () => {
    const { make, pass, clock } = createTimedServer();
    const server = make({
      authenticate: (token) => ({ id: token }),
      authorize: () => 'write',
      scope: ({ id }) => (id === 'ann' ? { Task: { list: { $in: ['a', 'b'] } } } : true),
    });
    const writer = createFakeReplica('w', 'admin');
    writer.connect(server);
    const write = (...operations: readonly Operation[]): void => {
      writer.write(clock.now(), ...operations);
      pass(10);
    };
    write(create('x', 'a', { text }), create('y', 'a', { text }));
    const client = createViewConnection(server, 'v', 'ann');
    client.bind();
    client.subscribe(1, lists('a'));
    pass(10);
    client.fetchAll(1);
    pass(10);
    client.texts();
    write(update('x', { list: 'secret' }), update('y', { n: 1 }), update('x', { list: 'a' }));
    expect(client.texts()).toEqual(['parts ~y x without nothing up to 2, 0 left']);
  });

  it('are states above the history that is kept for them', () => {
    const { write, writePage, openPlaced } = createViewWorld();
    write(create('x', 'a', { text: text.repeat(20) }), create('z', 'b'));
    const client = openPlaced(lists('a'));
    const filler = update('z', { text: 'z'.repeat(300_000) });
    writePage([update('x', { n: 1 }), filler]);
    writePage([update('x', { n: 2 }), filler, filler]);
    expect(client.texts()).toEqual([
      'parts ~x without nothing up to 2, 0 left',
      'parts x without nothing up to 3, 0 left',
    ]);
    write(update('x', { n: 3 }));
    expect(client.texts()).toEqual(['parts ~x without nothing up to 4, 0 left']);
  });
});
