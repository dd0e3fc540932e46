import fc from 'fast-check';
import { applyOperation } from '../../lib/merge/object-state.js';
import { anySteps, anyWildOperations, playSteps, shuffled, stateOf, writtenTo } from './arbitrary-histories.js';
import { runOptions } from './arbitrary-operations.js';
import { oracleViewOf } from './merge-oracle.js';
import {
  anySeed,
  type Device,
  exchangeAll,
  restartDevice,
  restoreState,
  expectEqual,
  deviceViewOf,
  expectedViewOf,
} from './replica-world.js';

describe('replicas that write all kinds of operations and receive them in any order', () => {
  it('reach one state and one view, which is that of the oracle', () => {
    fc.assert(
      fc.property(anySteps, anySeed, (given, random) => {
        const world = playSteps(given);
        exchangeAll(world, random);
        const [first, ...others] = world.devices as readonly [Device, ...Device[]];
        for (const key of [1, 2]) {
          const expected = expectedViewOf(oracleViewOf(writtenTo(world, key)), key);
          expectEqual(deviceViewOf(first, key), expected);
          for (const device of others) {
            expectEqual(device.objects.latestState('T', key), first.objects.latestState('T', key));
            expectEqual(deviceViewOf(device, key), expected);
          }
        }
      }),
      runOptions(2_000),
    );
  });

  it('show at every step the view of the oracle for the operations received so far', () => {
    fc.assert(
      fc.property(anySteps, (given) => {
        const world = playSteps(given);
        for (const device of world.devices) {
          const arrived = { posted: world.posted.filter((posted) => device.received.has(posted)) };
          for (const key of [1, 2])
            expectEqual(deviceViewOf(device, key), expectedViewOf(oracleViewOf(writtenTo(arrived, key)), key));
        }
      }),
      runOptions(2_000),
    );
  });

  it('may merge two states in any order, split anywhere (associative), from bytes or from memory', () => {
    fc.assert(
      fc.property(anySteps, anySeed, (given, random) => {
        const all = shuffled(writtenTo(playSteps(given), 1), random);
        if (all.length === 0) return;
        const whole = stateOf(all);
        const cut = random() % (all.length + 1);
        const [head, tail] = [all.slice(0, cut), all.slice(cut)];
        for (const [one, two] of [
          [head, tail],
          [tail, head],
        ] as const) {
          const between = stateOf(one);
          expectEqual(stateOf(two, between && restoreState(between)), whole);
        }
        for (const { operation, stamp } of all) expect(applyOperation(whole, operation, stamp)).toBe(whole);
      }),
      runOptions(1_500),
    );
  });

  it('continue after a restart as if there had been none', () => {
    fc.assert(
      fc.property(anySteps, anySeed, (given, random) => {
        const world = playSteps(given);
        world.devices.forEach(restartDevice);
        exchangeAll(world, random);
        for (const device of world.devices) {
          expectEqual(deviceViewOf(device), expectedViewOf(oracleViewOf(writtenTo(world, 1)), 1));
          restartDevice(device);
        }
      }),
      runOptions(1_000),
    );
  });
});

describe('operations that no correct writer makes', () => {
  it('reach one state in any order, too', () => {
    fc.assert(
      fc.property(anyWildOperations, anySeed, (all, random) => {
        const whole = stateOf(all);
        expectEqual(stateOf(shuffled([...all, ...all], random)), whole);
        if (whole) expectEqual(restoreState(whole), whole);
      }),
      runOptions(2_500),
    );
  });
});
