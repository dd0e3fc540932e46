import type { Act, PlannedEvent, Plan } from './plan.js';
import { playWorld, type Outcome } from './world.js';

/** Runs for making one plan smaller: half a second each at first, and less when events are left out. */
const runsMax = 400;
/** Milliseconds for making one plan smaller: a world with ten thousand writes takes a quarter of a minute. */
const msMax = 180_000;
/** Only the events of the last milliseconds before the broken invariant are tried first. */
const recentMs = [5_000, 20_000, 60_000, 180_000] as const;
/** Milliseconds to which a time without events is shortened. */
const gapsMs = [100, 1_000, 10_000] as const;

export interface ShrunkPlan {
  readonly plan: Plan;
  readonly outcome: Outcome;
  readonly runs: number;
}

/** Removes the events after the broken invariant: they had no part in it. */
const cutAfterBreak = (plan: Plan, { broken }: Outcome): Plan =>
  broken === null ? plan : { ...plan, events: plan.events.filter(({ at }) => at <= broken.at) };

/** State of making one plan smaller. */
interface Shrinker {
  readonly plan: () => Plan;
  readonly brokenAt: () => number;
  /** Keeps the candidate when it breaks the same invariant. Returns whether it was kept. */
  readonly takes: (candidate: Plan) => Promise<boolean>;
  readonly isOver: () => boolean;
}

const isFirstOpen = (all: readonly PlannedEvent[]): ((one: PlannedEvent) => boolean) => {
  const first = new Map<number, PlannedEvent>();
  for (const one of all) if (one.act === 'open' && !first.has(one.device)) first.set(one.device, one);
  return (one) => first.get(one.device) === one;
};

/** Keeps only the most recent events, and the events that open their devices. */
const keepRecent = async ({ plan, brokenAt, takes }: Shrinker): Promise<boolean> => {
  const { events } = plan();
  const isNeeded = isFirstOpen(events);
  for (const ms of recentMs) {
    const recent = events.filter((one) => one.at >= brokenAt() - ms || isNeeded(one));
    if (recent.length < events.length && (await takes({ ...plan(), events: recent }))) return true;
  }
  return false;
};

const removeEvents = async ({ plan, takes }: Shrinker, isIn: (one: PlannedEvent) => boolean): Promise<boolean> => {
  const rest = plan().events.filter((one) => !isIn(one));
  return rest.length < plan().events.length && takes({ ...plan(), events: rest });
};

/** Removes all events of one kind or of one device, the most common first. */
const removeByKind = async (shrinking: Shrinker): Promise<boolean> => {
  const counts = new Map<Act | number, number>();
  for (const { act, device } of shrinking.plan().events)
    for (const kind of [act, device]) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].filter(([, count]) => count > 1).sort(([, a], [, b]) => b - a);
  let progress = false;
  for (const [kind] of kinds) {
    if (shrinking.isOver()) break;
    if (await removeEvents(shrinking, ({ act, device }) => act === kind || device === kind)) progress = true;
  }
  return progress;
};

/** Removes halves, quarters and so on (Zeller's delta debugging). */
const removeByPart = async ({ plan, takes, isOver }: Shrinker): Promise<boolean> => {
  let progress = false;
  let size = Math.ceil(plan().events.length / 2);
  while (size >= 1 && !isOver()) {
    let smaller = false;
    for (let at = 0; at < plan().events.length && !isOver();) {
      const { events } = plan();
      const rest = [...events.slice(0, at), ...events.slice(at + size)];
      if (await takes({ ...plan(), events: rest })) smaller = true;
      else at += size;
    }
    progress ||= smaller;
    if (size === 1 && !smaller) break;
    size = Math.max(1, Math.floor(size / 2));
  }
  return progress;
};

/** Shortens times without events, the longest first, and the time until all faults end. */
const removeGaps = async ({ plan, takes, isOver }: Shrinker): Promise<boolean> => {
  const gapsOf = ({ events, duration }: Plan): readonly (readonly [from: number, ms: number])[] => {
    const times = [0, ...events.map(({ at }) => at), duration];
    return times.slice(1).map((at, index) => [times[index]!, at - times[index]!] as const);
  };
  const closeGap = (from: number, by: number): Plan => ({
    ...plan(),
    duration: Math.max(1, plan().duration - by),
    events: plan().events.map((one) => (one.at > from ? { ...one, at: one.at - by } : one)),
  });
  let progress = false;
  const gaps = [...gapsOf(plan())].sort(([, a], [, b]) => b - a).slice(0, 12);
  let moved: readonly (readonly [number, number])[] = [];
  for (const [from, ms] of gaps) {
    const now = from - moved.reduce((sum, [before, by]) => (before < from ? sum + by : sum), 0);
    for (const left of gapsMs) {
      if (ms < left * 3 || isOver() || !(await takes(closeGap(now, ms - left)))) continue;
      moved = [...moved, [from, ms - left]];
      progress = true;
      break;
    }
  }
  return progress;
};

/**
 * Finds a smaller and shorter plan that still breaks the same invariant, without events after it. `how` plays a plan.
 * `now` is the time in milliseconds.
 */
export const shrinkPlan = async (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
  how: (plan: Plan) => Outcome | Promise<Outcome> = playWorld,
  now: () => number = () => performance.now(),
): Promise<ShrunkPlan> => {
  const began = now();
  let runs = 0;
  const play = async (candidate: Plan): Promise<Outcome> => {
    runs += 1;
    return how(candidate);
  };
  const breaks = (outcome: Outcome): boolean => outcome.broken?.promise === broken.promise;
  let kept: Plan = { ...plan, events: plan.events.filter(({ at }) => at <= broken.at) };
  let best = await play(kept);
  // The run did not repeat exactly, so the plan cannot be made smaller.
  if (!breaks(best)) return { plan, outcome: await play(plan), runs };
  const shrinking: Shrinker = {
    plan: () => kept,
    brokenAt: () => best.broken?.at ?? broken.at,
    isOver: () => runs >= runsMax || now() - began >= msMax,
    takes: async (candidate) => {
      const outcome = await play(candidate);
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
      if (await by(shrinking)) isSmaller = kept.events.length > 0;
  }
  return { plan: kept, outcome: best, runs };
};
