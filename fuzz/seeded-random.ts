/** Repeatable random numbers: the same seed gives the same numbers. */
export interface SeededRandom {
  /** A number from 0 to below 1. */
  readonly draw: () => number;
  /** A whole number below `most`. */
  readonly below: (most: number) => number;
  readonly isLikely: (likelihood: number) => boolean;
  readonly pick: <A>(all: readonly A[]) => A;
}

/** A small, fast generator (mulberry32), not for secrets. */
export const createSeededRandom = (seed: number): SeededRandom => {
  let state = seed | 0;
  const draw = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (most: number): number => Math.floor(draw() * most);
  return {
    draw,
    below,
    isLikely: (likelihood) => draw() < likelihood,
    pick: <A>(all: readonly A[]): A => all[below(all.length)] as A,
  };
};
