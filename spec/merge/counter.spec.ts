import fc from 'fast-check';
import { runOptions } from './arbitrary-operations.js';
import {
  anySeed,
  type Device,
  receive,
  exchangeAll,
  restartDevice,
  deviceViewOf,
  worldOf,
  writeOn,
} from './replica-world.js';

const step = fc.record({
  deviceIndex: fc.nat(4),
  does: fc.constantFrom('add', 'add', 'add', 'more', 'hear', 'hear', 'create', 'delete', 'restart'),
  by: fc.integer({ min: -50, max: 50 }),
  now: fc.constantFrom(1, 2, 2, 90),
  which: fc.nat(99),
});

/**
 * An amount that was added, and the life in which it was added. A life begins with the create that the writer knew as
 * the latest, and is identified by its initial value, which is unique.
 */
interface Added {
  readonly by: number;
  readonly life: number;
}

const votesAt = (device: Device): unknown => deviceViewOf(device)?.['votes'];

describe('a counter', () => {
  it('is the sum of all increments, each counted once, whichever replica added them and in whatever order they arrive', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5 }),
        fc.array(step, { maxLength: 40 }),
        anySeed,
        (count, steps, random) => {
          const world = worldOf(count);
          writeOn(world, world.devices[0]!, 1, (tx) => {
            tx.create('T', { id: 1, votes: 7 });
          });
          let sum = 7;
          for (const { deviceIndex, does, by, now, which } of steps) {
            const device = world.devices[deviceIndex % count]!;
            if (does === 'hear') receive(device, world.posted[which % world.posted.length]!);
            if (does === 'restart') restartDevice(device);
            if (!deviceViewOf(device) || (does !== 'add' && does !== 'more')) continue;
            const all = does === 'add' ? [by] : [by, 1, -by, by];
            writeOn(world, device, now, (tx) => {
              for (const each of all) tx.increment('T', 1, 'votes', each);
            });
            for (const each of all) sum += each;
          }
          exchangeAll(world, random);
          for (const device of world.devices) expect(votesAt(device)).toBe(sum);
        },
      ),
      runOptions(3_000),
    );
  });

  it('is, after deletes and creates, the initial value of the latest create plus all increments in lives that no delete ended', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), anySeed, (steps, random) => {
        const world = worldOf(3);
        const added: Added[] = [];
        // A life is numbered by the position of its create among the writes. That number is also its initial value.
        const lives: { readonly begins: number; readonly stamp: readonly [number, number, string] }[] = [];
        const deletes: (readonly [number, number, string])[] = [];
        const lifeOf = new Map<string, number>();
        const isLater = (a: readonly [number, number, string], b: readonly [number, number, string]) =>
          a[0] !== b[0] ? a[0] > b[0] : a[1] !== b[1] ? a[1] > b[1] : a[2] > b[2];
        for (const { deviceIndex, does, by, now, which } of steps) {
          const device = world.devices[deviceIndex % 3]!;
          const isThere = deviceViewOf(device) !== null;
          if (does === 'hear' && world.posted.length > 0) receive(device, world.posted[which % world.posted.length]!);
          if (does === 'create' && !isThere) {
            const begins = 1_000 * (lives.length + 1);
            writeOn(world, device, now, (tx) => {
              tx.create('T', { id: 1, votes: begins });
            });
            const { time, count, origin } = world.posted.at(-1)!;
            lifeOf.set(`${time}.${count}.${origin}`, lives.length);
            lives.push({ begins, stamp: [time, count, origin] });
          }
          if (does === 'delete' && isThere) {
            writeOn(world, device, now, (tx) => {
              tx.delete('T', 1);
            });
            const { time, count, origin } = world.posted.at(-1)!;
            deletes.push([time, count, origin]);
          }
          if (does === 'add' && isThere && by !== 0) {
            const born = device.objects.latestState('T', 1)!.born!;
            const life = lifeOf.get(`${born.time}.${born.count}.${born.replica}`)!;
            writeOn(world, device, now, (tx) => {
              tx.increment('T', 1, 'votes', by);
            });
            added.push({ by, life });
          }
        }
        exchangeAll(world, random);
        const ended = (life: number) => deletes.some((one) => isLater(one, lives[life]!.stamp));
        const left = lives.filter((_, life) => !ended(life));
        const latest = left.find((one) => left.every((other) => other === one || isLater(one.stamp, other.stamp)));
        const sum = added.filter(({ life }) => !ended(life)).reduce((all, { by }) => all + by, latest?.begins ?? 0);
        for (const device of world.devices) expect(votesAt(device)).toBe(latest ? sum : undefined);
      }),
      runOptions(3_000),
    );
  });

  it('keeps one number for a replica, however often it added, once all increments in between have arrived', () => {
    const world = worldOf(2);
    const [a, b] = world.devices as [Device, Device];
    writeOn(world, a, 1, (tx) => {
      tx.create('T', { id: 1 });
    });
    for (let index = 0; index < 100; index += 1) {
      writeOn(world, a, 1, (tx) => {
        tx.increment('T', 1, 'votes', index);
      });
    }
    for (const posted of world.posted.toReversed()) receive(b, posted);
    const chains = b.objects.latestState('T', 1)?.collections?.['votes']?.counter.flatMap((life) => life.chains);
    expect(chains).toHaveLength(1);
    expect(votesAt(b)).toBe(4_950);
  });

  it('wraps around to the same value on all replicas beyond the exact integers', () => {
    const most = Number.MAX_SAFE_INTEGER;
    // The sums of each device are exact integers, those of both together are not.
    const increments = [most, -1, -most, 3, most - 2];
    fc.assert(
      fc.property(anySeed, (random) => {
        const world = worldOf(2);
        const [one, other] = world.devices;
        if (!one || !other) throw new Error('there are two');
        writeOn(world, one, 1, (tx) => {
          tx.create('T', { id: 1 });
        });
        exchangeAll(world, random);
        for (const device of [one, other]) {
          for (const by of increments) {
            writeOn(world, device, 1, (tx) => {
              tx.increment('T', 1, 'votes', by);
            });
          }
        }
        exchangeAll(world, random);
        expect(votesAt(other)).toBe(votesAt(one));
      }),
      runOptions(200),
    );
  });
});
