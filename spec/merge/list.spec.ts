import fc from 'fast-check';
import { runOptions } from './arbitrary-operations.js';
import {
  anySeed,
  type Device,
  receive,
  deviceListOf,
  exchangeAll,
  type PostedChangeset,
  type Tx,
  type World,
  worldOf,
  writeOn,
} from './replica-world.js';

const begun = (count: number, elements: readonly string[]): World => {
  const world = worldOf(count);
  const [first] = world.devices;
  if (first)
    writeOn(world, first, 1, (tx) => {
      tx.create('T', { id: 1, list: elements });
    });
  for (const device of world.devices) for (const posted of world.posted) receive(device, posted);
  return world;
};

const insert = (world: World, device: Device, at: number, ...elements: readonly string[]): void => {
  writeOn(world, device, 1, (tx) => {
    tx.list('T', 1, 'list').insert(at, ...elements);
  });
};

/** Elements that one replica inserted into one gap without receiving anything meanwhile. */
interface Burst {
  readonly name: string;
  /**
   * The burst and all changesets that its writer knew. A replica that receives the burst has received these, because a
   * history keeps their order.
   */
  readonly posted: readonly PostedChangeset[];
}

/** An insert of a burst: behind its elements so far, before them or between them; and the number of elements. */
const grown = fc.record({
  where: fc.constantFrom('behind', 'behind', 'before', 'middle'),
  count: fc.integer({ min: 1, max: 3 }),
});

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant('insert' as const),
      deviceIndex: fc.nat(4),
      gap: fc.nat(99),
      items: fc.array(grown, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('hear' as const), deviceIndex: fc.nat(4), which: fc.nat(99) }),
  },
);

/**
 * Inserts a burst into a gap of the device's list that is not inside another burst. Inserts inside a burst of another
 * replica are not tested here.
 */
const burst = (
  world: World,
  device: Device,
  name: string,
  gap: number,
  items: readonly { where: string; count: number }[],
): Burst => {
  const list = deviceListOf(device);
  const burstOf = (at: number) => list[at]?.split('.')[0];
  const gaps = Array.from({ length: list.length + 1 }, (_, at) => at).filter(
    (at) => at === 0 || at === list.length || burstOf(at - 1) !== burstOf(at),
  );
  const start = gaps[gap % gaps.length] ?? 0;
  const before = burstOf(start - 1);
  // When a replica continues behind its own elements and then inserts before the ones that it has just written, other
  // replicas' elements may come in between.
  const goesOn = before === 'start' ? device === world.devices[0] : before?.replace(/\d+$/, '') === device.replica;
  let length = 0;
  for (const { where, count } of items) {
    const wanted = where === 'behind' ? length : where === 'before' ? 0 : length >> 1;
    const at = goesOn && length > 0 ? Math.max(1, wanted) : wanted;
    insert(world, device, start + at, ...Array.from({ length: count }, (_, index) => `${name}.${length + index}`));
    length += count;
  }
  return { name, posted: [...device.received] };
};

/** Names the bursts of a list in order. A burst that is in one piece is named once. */
const piecesOf = (list: readonly string[]): readonly string[] =>
  list.map((each) => each.split('.')[0] ?? '').filter((name, at, all) => name !== all[at - 1]);

describe('a list that several replicas insert into', () => {
  it('keeps the elements together that one replica inserted at one place, one by one or at once, forwards or backwards', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5 }),
        fc.array(step, { maxLength: 30 }),
        anySeed,
        (count, steps, random) => {
          const world = begun(count, ['start.0']);
          const bursts: Burst[] = [];
          for (const [index, each] of steps.entries()) {
            const device = world.devices[each.deviceIndex % count]!;
            if (each.does === 'insert')
              bursts.push(burst(world, device, `${device.replica}${index}`, each.gap, each.items));
            else
              for (const posted of bursts[each.which % Math.max(1, bursts.length)]?.posted ?? []) {
                if (!device.received.has(posted)) receive(device, posted);
              }
          }
          exchangeAll(world, random);
          for (const device of world.devices) {
            const list = deviceListOf(device);
            expect(list).toEqual(deviceListOf(world.devices[0]!));
            expect(piecesOf(list).toSorted()).toEqual(['start', ...bursts.map(({ name }) => name)].toSorted());
            expect(new Set(list).size).toBe(list.length);
          }
        },
      ),
      runOptions(1_200),
    );
  });

  it('keeps the order that each replica saw, with more elements in between', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(99), fc.nat(2)), { maxLength: 40 }), anySeed, (steps, random) => {
        const world = begun(4, ['s']);
        const sights: (readonly string[])[] = [];
        steps.forEach(([deviceIndex, at, does], index) => {
          const device = world.devices[deviceIndex % 4]!;
          const list = deviceListOf(device);
          if (does > 0) insert(world, device, at % (list.length + 1), `${device.replica}${index}`);
          else receive(device, world.posted[at % world.posted.length]!);
          sights.push(deviceListOf(device));
        });
        exchangeAll(world, random);
        const list = deviceListOf(world.devices[0]!);
        for (const sight of sights) expect(list.filter((each) => sight.includes(each))).toEqual(sight);
        expect(list).toHaveLength(new Set(list).size);
      }),
      runOptions(1_500),
    );
  });

  it('keeps elements together that were appended to a run that met another run under the same key', () => {
    const world = begun(3, []);
    const [a, b, c] = world.devices as [Device, Device, Device];
    insert(world, a, 0, 'a');
    insert(world, b, 0, 'b');
    for (const device of [a, b, c]) for (const posted of [...world.posted]) receive(device, posted);
    const owner = deviceListOf(c)[0] === 'a' ? a : b;
    insert(world, owner, 1, 'y1', 'y2');
    insert(world, owner, 3, 'y3');
    insert(world, c, 1, 'c1', 'c2');
    insert(world, c, 3, 'c3');
    for (const posted of [...world.posted]) receive(b, posted);
    expect(deviceListOf(b).join(' ')).toMatch(/^[ab] (?:y1 y2 y3 c1 c2 c3|c1 c2 c3 y1 y2 y3) [ab]$/);
  });
});

describe('a list with moves, replacements and removals', () => {
  /** An action of a device on elements at the positions that it sees. */
  const change = fc.record({
    deviceIndex: fc.nat(4),
    does: fc.constantFrom('move', 'move', 'set', 'remove', 'insert', 'hear'),
    from: fc.nat(99),
    to: fc.nat(99),
  });

  it('contains each element once that was inserted and not removed, with the latest value, after any moves', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), anySeed, (changes, random) => {
        const start = ['e0', 'e1', 'e2', 'e3'];
        const world = begun(4, start);
        const inserted = new Set(start);
        const removed = new Set<string>();
        // The name of an element stays the same. The text after it is the number of its latest replacement.
        const nameOf = (value: string | undefined) => value?.split('=')[0] ?? '';
        changes.forEach(({ deviceIndex, does, from, to }, index) => {
          const device = world.devices[deviceIndex % 4]!;
          const list = deviceListOf(device);
          const at = from % Math.max(1, list.length);
          if (does === 'hear') receive(device, world.posted[from % world.posted.length]!);
          else if (does === 'insert') {
            inserted.add(`n${index}`);
            insert(world, device, to % (list.length + 1), `n${index}`);
          } else if (list.length > 0) {
            writeOn(world, device, 1, (tx) => {
              const edit = tx.list('T', 1, 'list');
              if (does === 'move') edit.move(at, to % list.length);
              if (does === 'set') edit.set(at, `${nameOf(list[at])}=${index}`);
              if (does === 'remove') edit.remove(at);
            });
            if (does === 'remove') removed.add(nameOf(list[at]));
            if (does === 'move')
              expect(deviceListOf(device)).toEqual(list.toSpliced(at, 1).toSpliced(to % list.length, 0, list[at]!));
          }
        });
        exchangeAll(world, random);
        const expected = [...inserted].filter((each) => !removed.has(each)).toSorted();
        for (const device of world.devices) expect(deviceListOf(device).map(nameOf).toSorted()).toEqual(expected);
      }),
      runOptions(1_200),
    );
  });

  const two = (first: (world: World, device: Device) => void, second: (world: World, device: Device) => void) => {
    const world = begun(2, ['p', 'q', 'r', 's']);
    const [a, b] = world.devices as [Device, Device];
    first(world, a);
    second(world, b);
    exchangeAll(world, () => 0);
    expect(deviceListOf(a)).toEqual(deviceListOf(b));
    return deviceListOf(a);
  };
  const move = (from: number, to: number) => (world: World, device: Device) => {
    writeOn(world, device, 1, (tx) => {
      tx.list('T', 1, 'list').move(from, to);
    });
  };
  const set = (at: number, value: string) => (world: World, device: Device) => {
    writeOn(world, device, 1, (tx) => {
      tx.list('T', 1, 'list').set(at, value);
    });
  };

  it('contains an element once that two replicas moved', () => {
    const list = two(move(0, 3), move(0, 2));
    expect(list.filter((each) => each === 'p')).toHaveLength(1);
    expect(list).toHaveLength(4);
  });

  it('keeps both changes when one replica moved an element and another one replaced it', () => {
    expect(two(move(0, 3), set(0, 'P'))).toEqual(['q', 'r', 's', 'P']);
    expect(two(set(3, 'S'), move(3, 0))).toEqual(['S', 'p', 'q', 'r']);
  });

  it('keeps inserts between two elements that were moved to one place', () => {
    const world = begun(3, ['p', 'q', 'r']);
    const [a, b, c] = world.devices as [Device, Device, Device];
    move(2, 0)(world, a);
    insert(world, a, 1, 'x');
    move(0, 1)(world, b);
    for (const posted of [...world.posted]) receive(c, posted);
    for (let at = 0; at <= 4; at += 1) {
      const before = deviceListOf(c);
      insert(world, c, at * 2, `i${at}`);
      expect(deviceListOf(c)).toEqual(before.toSpliced(at * 2, 0, `i${at}`));
    }
    exchangeAll(world, () => 0);
    expect(deviceListOf(a)).toEqual(deviceListOf(c));
    expect(deviceListOf(b)).toEqual(deviceListOf(c));
  });

  it('keeps the elements together that replace removed or moved ones, whatever is inserted beside them meanwhile', () => {
    const taken = [
      (tx: Tx) => tx.update('T', 1, { list: ['0', 'x', 'y'] }),
      (tx: Tx) => {
        tx.list('T', 1, 'list').move(2, 0);
        tx.list('T', 1, 'list').move(2, 0);
        tx.list('T', 1, 'list').push('x', 'y');
      },
      (tx: Tx) => {
        tx.list('T', 1, 'list').remove(0, 3);
        tx.list('T', 1, 'list').push('x');
        tx.list('T', 1, 'list').push('y');
      },
    ];
    for (const change of taken) {
      const world = begun(2, ['0', '1', '2']);
      const [owner, other] = world.devices;
      if (!owner || !other) throw new Error('there are two');
      writeOn(world, owner, 2, change);
      insert(world, other, 2, 'P');
      for (const device of world.devices) for (const posted of world.posted) receive(device, posted);
      expect(deviceListOf(other)).toEqual(deviceListOf(owner));
      expect(deviceListOf(owner).join('')).toMatch(/xy/);
      expect(deviceListOf(owner)).toContain('P');
    }
  });
});
