import type { Happening, Plan } from './plan.js';
import { play, type Outcome } from './world.js';

/** Runs that may be spent on making one plan smaller: a second each. */
const runsMax = 150;

/**
 * The plan with as few happenings as can be found that still breaks the same promise: leaves out halves, quarters and so on
 * (Zeller's delta debugging), and looks at nothing after the break.
 */
export const shrunk = (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
): { plan: Plan; outcome: Outcome; runs: number } => {
  let runs = 0;
  const fails = (happenings: readonly Happening[]): Outcome | null => {
    runs += 1;
    const outcome = play({ ...plan, happenings });
    return outcome.broken?.promise === broken.promise ? outcome : null;
  };
  let kept: readonly Happening[] = plan.happenings;
  let best = fails(kept) ?? play(plan);
  let size = Math.ceil(kept.length / 2);
  while (size >= 1 && runs < runsMax) {
    let smaller = false;
    for (let at = 0; at < kept.length && runs < runsMax;) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)];
      const outcome = fails(rest);
      if (outcome) {
        kept = rest;
        best = outcome;
        smaller = true;
      } else at += size;
    }
    if (size === 1 && !smaller) break;
    size = Math.max(1, Math.floor(size / 2));
    if (size === 1 && !smaller && kept.length > runsMax) break;
  }
  return { plan: { ...plan, happenings: kept }, outcome: best, runs };
};
