/**
 * Chance that is drawn from a seed: the same numbers in [0, 1) in the same order, on every machine. Mulberry32, by
 * Tommy Ettinger, in the public domain: 32 bits of state, enough for tests and for nothing that has to be secret.
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
