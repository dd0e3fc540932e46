import type { Act, PlannedEvent, Plan } from './plan.js';
import { playWorld, type Outcome } from './world.js';

/** Runs that may be spent on making one plan smaller: half a second each at first, and less with what is left out. */
const runsMax = 400;
/** What happened in the last so many milliseconds before the break is tried alone. */
const recentMs = [5_000, 20_000, 60_000, 180_000] as const;
/** Milliseconds that are left of a time in which nothing happens. */
const gapsMs = [100, 1_000, 10_000] as const;

export interface ShrunkPlan {
  readonly plan: Plan;
  readonly outcome: Outcome;
  readonly runs: number;
}

/** What happened until a promise was broken: nothing later can have had a part in it. */
const cutAfterBreak = (plan: Plan, { broken }: Outcome): Plan =>
  broken === null ? plan : { ...plan, happenings: plan.happenings.filter(({ at }) => at <= broken.at) };

/** One plan on its way to be smaller. */
interface Shrinker {
  readonly plan: () => Plan;
  readonly brokenAt: () => number;
  /** Whether this breaks the same promise: then it is what is made smaller from now on. */
  readonly takes: (candidate: Plan) => Promise<boolean>;
  readonly isOver: () => boolean;
}

const isFirstOpen = (all: readonly PlannedEvent[]): ((one: PlannedEvent) => boolean) => {
  const first = new Map<number, PlannedEvent>();
  for (const one of all) if (one.act === 'open' && !first.has(one.device)) first.set(one.device, one);
  return (one) => first.get(one.device) === one;
};

/** Only what happened last, and the devices that are opened for it. */
const keepRecent = async ({ plan, brokenAt, takes }: Shrinker): Promise<boolean> => {
  const { happenings } = plan();
  const isNeeded = isFirstOpen(happenings);
  for (const ms of recentMs) {
    const recent = happenings.filter((one) => one.at >= brokenAt() - ms || isNeeded(one));
    if (recent.length < happenings.length && (await takes({ ...plan(), happenings: recent }))) return true;
  }
  return false;
};

const removeEvents = async ({ plan, takes }: Shrinker, isIn: (one: PlannedEvent) => boolean): Promise<boolean> => {
  const rest = plan().happenings.filter((one) => !isIn(one));
  return rest.length < plan().happenings.length && takes({ ...plan(), happenings: rest });
};

/** All of one kind, or all of one device, the most common ones first. */
const removeByKind = async (shrinking: Shrinker): Promise<boolean> => {
  const counts = new Map<Act | number, number>();
  for (const { act, device } of shrinking.plan().happenings)
    for (const kind of [act, device]) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].filter(([, count]) => count > 1).sort(([, a], [, b]) => b - a);
  let progress = false;
  for (const [kind] of kinds) {
    if (shrinking.isOver()) break;
    if (await removeEvents(shrinking, ({ act, device }) => act === kind || device === kind)) progress = true;
  }
  return progress;
};

/** Halves, quarters and so on (Zeller's delta debugging). */
const removeByPart = async ({ plan, takes, isOver }: Shrinker): Promise<boolean> => {
  let progress = false;
  let size = Math.ceil(plan().happenings.length / 2);
  while (size >= 1 && !isOver()) {
    let smaller = false;
    for (let at = 0; at < plan().happenings.length && !isOver();) {
      const { happenings } = plan();
      const rest = [...happenings.slice(0, at), ...happenings.slice(at + size)];
      if (await takes({ ...plan(), happenings: rest })) smaller = true;
      else at += size;
    }
    progress ||= smaller;
    if (size === 1 && !smaller) break;
    size = Math.max(1, Math.floor(size / 2));
  }
  return progress;
};

/** Times in which nothing happens, the longest ones first, and the time until everything is made well. */
const removeGaps = async ({ plan, takes, isOver }: Shrinker): Promise<boolean> => {
  const gapsOf = ({ happenings, duration }: Plan): readonly (readonly [from: number, ms: number])[] => {
    const times = [0, ...happenings.map(({ at }) => at), duration];
    return times.slice(1).map((at, index) => [times[index]!, at - times[index]!] as const);
  };
  const closed = (from: number, by: number): Plan => ({
    ...plan(),
    duration: Math.max(1, plan().duration - by),
    happenings: plan().happenings.map((one) => (one.at > from ? { ...one, at: one.at - by } : one)),
  });
  let progress = false;
  const gaps = [...gapsOf(plan())].sort(([, a], [, b]) => b - a).slice(0, 12);
  let moved: readonly (readonly [number, number])[] = [];
  for (const [from, ms] of gaps) {
    const now = from - moved.reduce((sum, [before, by]) => (before < from ? sum + by : sum), 0);
    for (const left of gapsMs) {
      if (ms < left * 3 || isOver() || !(await takes(closed(now, ms - left)))) continue;
      moved = [...moved, [from, ms - left]];
      progress = true;
      break;
    }
  }
  return progress;
};

/**
 * The plan with as little in it as can be found that still breaks the same promise, in as short a time, and nothing
 * after the break. `how` plays a plan.
 */
export const shrinkPlan = async (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
  how: (plan: Plan) => Outcome | Promise<Outcome> = playWorld,
): Promise<ShrunkPlan> => {
  let runs = 0;
  const played = async (candidate: Plan): Promise<Outcome> => {
    runs += 1;
    return how(candidate);
  };
  const breaks = (outcome: Outcome): boolean => outcome.broken?.promise === broken.promise;
  let kept: Plan = { ...plan, happenings: plan.happenings.filter(({ at }) => at <= broken.at) };
  let best = await played(kept);
  // Not to the letter what it was: there is nothing to be made smaller.
  if (!breaks(best)) return { plan, outcome: await played(plan), runs };
  const shrinking: Shrinker = {
    plan: () => kept,
    brokenAt: () => best.broken?.at ?? broken.at,
    isOver: () => runs >= runsMax,
    takes: async (candidate) => {
      const outcome = await played(candidate);
      if (!breaks(outcome)) return false;
      kept = cutAfterBreak(candidate, outcome);
      best = outcome;
      return true;
    },
  };
  await keepRecent(shrinking);
  let isSmaller = true;
  while (isSmaller && !shrinking.isOver()) {
    isSmaller = false;
    for (const by of [removeByKind, removeByPart, removeGaps])
      if (await by(shrinking)) isSmaller = kept.happenings.length > 0;
  }
  return { plan: kept, outcome: best, runs };
};
