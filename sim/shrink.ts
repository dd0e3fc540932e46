import type { Happening, Plan } from './plan.js';
import { play, type Outcome } from './world.js';

/** Runs that may be spent on making one plan smaller: a second each. */
const runsMax = 150;

export interface Shrunk {
  readonly plan: Plan;
  readonly outcome: Outcome;
  readonly runs: number;
}

/** What happened until a promise was broken: nothing later can have had a part in it. */
const until = (happenings: readonly Happening[], broken: Outcome['broken']): readonly Happening[] =>
  happenings.filter(({ at }) => broken === null || at <= broken.at);

/**
 * The plan with as few happenings as can be found that still breaks the same promise: leaves out halves, quarters and so on
 * (Zeller's delta debugging), and looks at nothing after the break. `how` plays a plan.
 */
export const shrunk = (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
  how: (plan: Plan) => Outcome = play,
): Shrunk => {
  let runs = 0;
  const played = (happenings: readonly Happening[]): Outcome => {
    runs += 1;
    return how({ ...plan, happenings });
  };
  const breaks = (outcome: Outcome): boolean => outcome.broken?.promise === broken.promise;
  let kept = until(plan.happenings, broken);
  let best = played(kept);
  // Not to the letter what it was: there is nothing to be made smaller.
  if (!breaks(best)) return { plan, outcome: played(plan.happenings), runs };
  let size = Math.ceil(kept.length / 2);
  while (size >= 1 && runs < runsMax) {
    let smaller = false;
    for (let at = 0; at < kept.length && runs < runsMax;) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)];
      const outcome = played(rest);
      if (breaks(outcome)) {
        kept = until(rest, outcome.broken);
        best = outcome;
        smaller = true;
      } else at += size;
    }
    if (size === 1 && !smaller) break;
    size = Math.max(1, Math.floor(size / 2));
  }
  return { plan: { ...plan, happenings: kept }, outcome: best, runs };
};
