/**
 * Chance that depends on the moment and not on what was drawn before it: what is left out of a plan changes nothing
 * that is drawn elsewhere or later, so that a plan that is made smaller goes on breaking in the same way. `seed` names
 * who draws.
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

/**
 * A whole number below 2^32 of some whole numbers. The finalizer of MurmurHash3, by Austin Appleby, in the public
 * domain.
 */
export const mixNumbers = (...numbers: readonly number[]): number => {
  let hash = 0x9e3779b9;
  for (const number of numbers) {
    hash = Math.imul(hash ^ number, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
};
