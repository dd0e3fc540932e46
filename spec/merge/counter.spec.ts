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
  who: fc.nat(4),
  does: fc.constantFrom('add', 'add', 'add', 'more', 'hear', 'hear', 'create', 'delete', 'restart'),
  by: fc.integer({ min: -50, max: 50 }),
  now: fc.constantFrom(1, 2, 2, 90),
  which: fc.nat(99),
});

/**
 * What was added, and in which life: the create that its writer knew as the latest, by what it began with, which no
 * other has.
 */
interface Added {
  readonly by: number;
  readonly life: number;
}

const votesAt = (device: Device): unknown => deviceViewOf(device)?.['votes'];

describe('a counter', () => {
  it('is the sum of all that was added, each once, whoever added and in whatever order they hear of it', () => {
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
          for (const { who, does, by, now, which } of steps) {
            const device = world.devices[who % count]!;
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

  it('is, after deletes and creates, what the latest create begins with and all that was added in lives that no delete ended', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), anySeed, (steps, random) => {
        const world = worldOf(3);
        const added: Added[] = [];
        // A life is known by the place of its create in what was written, which is also what it begins with.
        const lives: { readonly begins: number; readonly stamp: readonly [number, number, string] }[] = [];
        const deletes: (readonly [number, number, string])[] = [];
        const lifeOf = new Map<string, number>();
        const isLater = (a: readonly [number, number, string], b: readonly [number, number, string]) =>
          a[0] !== b[0] ? a[0] > b[0] : a[1] !== b[1] ? a[1] > b[1] : a[2] > b[2];
        for (const { who, does, by, now, which } of steps) {
          const device = world.devices[who % 3]!;
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

  it('keeps one number for a replica, however often it added, once everything in between is there', () => {
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

  it('agrees everywhere also past what numbers can say exactly: it goes round', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const increments = [most, -1, -most, 3, most - 2]; // Each device stays within what can be said, both together do not.
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
