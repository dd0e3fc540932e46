import { serverLimits } from '../../../lib/server/server-limits.js';
import { create, createViewConnection, createViewWorld, filterOf, lists, remove, update } from './view-world.js';

const smallServer = serverLimits as { trimEntriesMin: number };
const { trimEntriesMin } = serverLimits;
afterEach(() => {
  Object.assign(smallServer, { trimEntriesMin });
});

describe('sessions whose views have the same objects', () => {
  it('are sent one message, whatever the order and the numbers of their subscriptions', () => {
    const { write, openPlaced } = createViewWorld();
    const one = openPlaced([...lists('a', 'b'), filterOf(['in', 'list', 'a'], 9)], 'one');
    const two = openPlaced([filterOf(['in', 'list', 'b'], 5), filterOf(['in', 'list', 'a'], 4)], 'two');
    const other = openPlaced(lists('b'), 'other');
    write(create('x', 'a'), create('y', 'c'));
    write(update('x', { text: 'new' }), update('y', { text: 'new' }));
    write(update('x', { list: 'b' }));
    write(remove('x'));
    const linesOf = (...names: readonly string[]) =>
      names.map((name, at) => `parts ${name} without nothing up to ${at + 1}, 0 left`);
    const expected = linesOf('x', '~x', '~x', 'x'); // Its operations where it stays, and a tombstone.
    expect([one.texts(), two.texts()]).toEqual([expected, expected]);
    expect(other.texts()).toEqual(linesOf('', '', 'x', 'x').slice(2));
    for (let back = 1; back <= 4; back += 1) expect(one.all.at(-back)).toBe(two.all.at(-back));
    expect(one.all.at(-1)).not.toBe(other.all.at(-1));
  });

  it('are each without their own changes only', () => {
    const { write, openPlaced, clock } = createViewWorld();
    write(create('x', 'a'), create('y', 'a'), create('z', 'b'));
    const [one, two, three] = ['one', 'two', 'three'].map((replica) => openPlaced(lists('a'), replica));
    one!.write(clock.now(), update('x', { text: 'mine' }));
    expect([one, two, three].map((each) => each!.texts())).toEqual([
      [],
      ['parts ~x without nothing up to 2, 0 left'],
      ['parts ~x without nothing up to 2, 0 left'],
    ]);
    two!.write(clock.now() + 1, update('x', { list: 'b' }), update('z', { list: 'a' }));
    expect([one, two, three].map((each) => each!.texts())).toEqual([
      ['parts z without x up to 3, 0 left'],
      ['parts z without x up to 3, 0 left'], // The object was not sent to it before, and the other one has to go.
      ['parts z without x up to 3, 0 left'],
    ]);
  });

  it('invariant 17: have nothing to do for changes of other objects, and do not hold the history back', () => {
    Object.assign(smallServer, { trimEntriesMin: 1 });
    const { write, pass, openPlaced, server, writer } = createViewWorld();
    const [idle, silent] = [openPlaced(lists('a'), 'idle'), openPlaced(lists('a'), 'silent')];
    for (let time = 1; time <= 25; time += 1) write(create('x', 'b', { time }));
    expect([idle.texts(), silent.texts()]).toEqual([[], []]);
    pass(serverLimits.viewProgressMs);
    const progress = 'parts nothing without nothing up to 25, 0 left';
    expect([idle.texts(), silent.texts()]).toEqual([[progress], [progress]]);
    pass(10 * serverLimits.viewProgressMs);
    expect(idle.texts()).toEqual([]); // Nothing was written.
    idle.received(25);
    write(create('x', 'b'));
    pass(serverLimits.viewProgressMs);
    expect(idle.texts()).toEqual(['parts nothing without nothing up to 26, 0 left']);
    expect(silent.texts()).toEqual([]); // It has not confirmed the last one.
    silent.received(25);
    idle.received(26);
    writer.say({ type: 'received', session: 1, version: 26 });
    pass(2 * serverLimits.compactionMs);
    const fresh = createViewConnection(server, 'fresh');
    fresh.bind({ number: 1, filters: lists('a') }, 24, idle.history());
    fresh.texts();
    const modes = fresh.all.flatMap((message) => (message.type === 'bound' ? [message.view?.mode] : []));
    expect(modes).toEqual(['resync']); // Version 25 is trimmed.
  });

  it('are answered a mark at once, although nothing was sent to them for a while', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a'), create('y', 'b'));
    const [one, two] = [openPlaced(lists('a'), 'one'), openPlaced(lists('a'), 'two')];
    for (let time = 1; time <= 3; time += 1) write(update('y', { time }));
    one.mark(1);
    expect(one.texts()).toEqual(['mark 1 at 4']);
    two.subscribe(2, lists('b'));
    two.mark(1);
    pass(10);
    two.fetchAll(2);
    expect(two.texts()).toEqual([
      expect.stringMatching(/^view 2 at 4: difference/),
      'members 2: y without x, up to 4',
      'mark 1 at 4',
    ]);
  });
});
