/**
 * Creates random numbers that depend on the moment and not on earlier draws. An event that is left out of a plan
 * therefore changes no other draw, and a smaller plan still fails in the same way. `seed` identifies the user of the
 * numbers.
 */
export const createMomentRandom = (seed: number, now: () => number): (() => number) => {
  let last = -1;
  let drawn = 0;
  return () => {
    const at = Math.floor(now());
    drawn = at === last ? drawn + 1 : 0;
    last = at;
    return mixNumbers(seed, at, drawn) / 2 ** 32;
  };
};

/** Mixes whole numbers into one below 2^32, by the finalizer of MurmurHash3 (Austin Appleby, public domain). */
export const mixNumbers = (...numbers: readonly number[]): number => {
  let hash = 0x9e3779b9;
  for (const number of numbers) {
    hash = Math.imul(hash ^ number, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
};
