import { createOverlapWatch } from '../../sim/connection-overlap.js';
import { createWorldTime } from '../../sim/world-time.js';

/** Plays moments at which a device has a number of connections, and returns the broken invariants. */
const play = (...moments: readonly (readonly [at: number, count: number])[]): readonly string[] => {
  const time = createWorldTime();
  const broken: string[] = [];
  let count = 0;
  const watch = createOverlapWatch({
    scheduler: time,
    count: () => count,
    broken: ({ promise }) => broken.push(promise),
  });
  for (const [at, next] of moments)
    time.schedule(() => {
      count = next;
      watch(1);
    }, at);
  time.maxFrames = 100_000;
  time.flush();
  return broken;
};

describe('two connections of one device', () => {
  it('are allowed for a second', () => {
    expect(play([0, 1], [10, 2], [1_010, 1])).toEqual([]);
    expect(play([0, 2], [900, 1], [1_100, 2], [2_000, 1])).toEqual([]);
  });

  it('are a fault after that, also when each of them is shorter', () => {
    const fault = ['tabs share one connection'];
    expect(play([0, 1], [10, 2], [1_012, 1])).toEqual(fault);
    expect(play([0, 2], [600, 3], [700, 2], [1_002, 1])).toEqual(fault);
  });
});
