import type { Happening, Plan } from '../../sim/plan.js';
import { ordinary } from '../../sim/themes.js';
import type { Outcome } from '../../sim/world.js';

/** Something in each of the first milliseconds. */
export const happeningsAt = (count: number): readonly Happening[] =>
  Array.from({ length: count }, (_, at): Happening => ({ at, act: 'write', device: 1 + (at % 2), seed: at * 31 }));

export const planWith = (happenings: readonly Happening[]): Plan => ({
  ...{ seed: 7, theme: 'ordinary', settings: ordinary, devices: 2, duration: 60_000 },
  happenings,
});

export const held: Outcome = { broken: null, seen: [], hash: 'held', writes: 0 };

export const brokenAt = (at: number, promise = 'planted'): Outcome => ({
  ...held,
  broken: { promise, detail: `${promise}: at ${at}`, at, about: [] },
});
