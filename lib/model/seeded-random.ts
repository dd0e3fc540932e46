/**
 * Returns a generator of pseudo-random numbers in [0, 1), which are the same for the same seed on every machine. The
 * algorithm is Mulberry32 by Tommy Ettinger (public domain). It has 32 bits of state: enough for tests, not for
 * secrets.
 */
export const createSeededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
