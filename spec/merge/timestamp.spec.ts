import fc from 'fast-check';
import {
  compareStamps,
  isStampable,
  lastInstantOf,
  laterInstantOf,
  nextInstantOf,
  operationStampOf,
} from '../../lib/merge/timestamp.js';
import { createStamp, runOptions } from './arbitrary-operations.js';

describe('stamps', () => {
  it('are ordered by time, then by count, then by replica', () => {
    const rising = [
      createStamp(1, 'z', 9),
      createStamp(2, 'a', 0),
      createStamp(2, 'b', 0),
      createStamp(2, 'a', 1),
      createStamp(10, 'a', 0),
    ];
    rising.forEach((a, i) => {
      rising.forEach((b, j) => {
        expect(Math.sign(compareStamps(a, b))).toBe(Math.sign(i - j));
      });
    });
  });

  it('compare as equal only for the same operation', () => {
    expect(compareStamps(createStamp(1, 'a', 2), createStamp(1, 'a', 2))).toBe(0);
  });

  it('rise with every operation of a replica, however its clock jumps and whatever it receives', () => {
    const write = fc.record({ now: fc.nat(20), operations: fc.integer({ min: 1, max: 4 }) });
    const remoteInstant = fc.record({ time: fc.nat(20), count: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(fc.oneof(write, remoteInstant), { minLength: 1 }), (events) => {
        let last = { time: 0, count: 0 };
        const stamps = events.flatMap((event) => {
          if ('time' in event) {
            last = laterInstantOf(last, event);
            return [];
          }
          const start = nextInstantOf(last, event.now);
          expect(compareStamps(operationStampOf(start, 'a', 0), operationStampOf(last, 'a', 0))).toBeGreaterThan(0);
          last = lastInstantOf(start, event.operations);
          return Array.from({ length: event.operations }, (_, index) => operationStampOf(start, 'a', index));
        });
        stamps.slice(1).forEach((stamp, index) => {
          expect(compareStamps(stamp, stamps[index]!)).toBeGreaterThan(0);
        });
      }),
      runOptions(2_000),
    );
  });

  it('have the time of the clock while the clock advances', () => {
    expect(nextInstantOf({ time: 5, count: 7 }, 6)).toEqual({ time: 6, count: 0 });
    expect(nextInstantOf({ time: 5, count: 7 }, 5)).toEqual({ time: 5, count: 8 });
    expect(nextInstantOf({ time: 5, count: 7 }, 3)).toEqual({ time: 5, count: 8 });
  });

  it('are whole numbers also when the clock is not, or is broken', () => {
    expect(nextInstantOf({ time: 5, count: 7 }, 6.9)).toEqual({ time: 6, count: 0 });
    for (const now of [NaN, Infinity, -1, 2 ** 60]) {
      expect(nextInstantOf({ time: 5, count: 7 }, now)).toEqual({ time: 5, count: 8 });
    }
  });

  it('continue in the time before a count is no longer exact, so that a hostile stamp cannot stop a clock', () => {
    const after = nextInstantOf({ time: 5, count: Number.MAX_SAFE_INTEGER }, 3);
    expect(after).toEqual({ time: 6, count: 0 });
    expect(isStampable(nextInstantOf({ time: 5, count: 2 ** 52 - 1 }, 5), 1_000_000)).toBe(true);
  });

  it('are distinguished from instants that cannot be stamped', () => {
    expect(isStampable({ time: 0, count: 0 }, 1)).toBe(true);
    expect(isStampable({ time: 1.5, count: 0 }, 1)).toBe(false);
    expect(isStampable({ time: -1, count: 0 }, 1)).toBe(false);
    expect(isStampable({ time: 2 ** 53, count: 0 }, 1)).toBe(false);
    expect(isStampable({ time: 1, count: 2 ** 52 }, 1)).toBe(true);
    expect(isStampable({ time: 1, count: 2 ** 52 + 1 }, 1)).toBe(false);
  });
});
