import fc from 'fast-check';
import type { PlannedEvent, Plan } from '../../sim/plan.js';
import { shrinkPlan } from '../../sim/shrink-plan.js';
import { createBrokenOutcome, createEvents, heldOutcome, createPlan } from './plan-kit.js';

/** Plays plans in which an invariant is broken as soon as each of these moments has had an event. */
const breakingAfter = (moments: readonly number[], promise = 'planted') => {
  const played: Plan[] = [];
  const how = (plan: Plan) => {
    played.push(plan);
    const at = plan.events.map((each) => each.at);
    return moments.every((moment) => at.includes(moment))
      ? createBrokenOutcome(Math.max(0, ...moments), promise)
      : heldOutcome;
  };
  return { how, played };
};

const { broken } = createBrokenOutcome(1_000_000);
const momentsOf = ({ events }: { readonly events: readonly PlannedEvent[] }) => events.map(({ at }) => at);

describe('a plan that is made smaller', () => {
  it('has exactly the needed events, wherever they are', async () => {
    const needed = fc.uniqueArray(fc.nat(49), { maxLength: 4 }).map((all) => [...all].sort((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(needed, fc.integer({ min: 50, max: 60 }), async (moments, count) => {
        const { how } = breakingAfter(moments);
        const found = await shrinkPlan(createPlan(createEvents(count)), broken!, how);
        expect(momentsOf(found.plan)).toEqual(moments);
        expect(found.outcome).toEqual(createBrokenOutcome(Math.max(0, ...moments)));
      }),
      { numRuns: 200 },
    );
  });

  it('cannot lose another event when any of several would do', async () => {
    const how = ({ events }: Plan) =>
      events.filter(({ at }) => at % 7 === 0).length >= 2 ? createBrokenOutcome(999) : heldOutcome;
    const found = await shrinkPlan(createPlan(createEvents(60)), broken!, how);
    expect(found.plan.events).toHaveLength(2);
    expect(found.outcome).toEqual(createBrokenOutcome(999));
  });

  it('is tried again without events that could not be removed before others were', async () => {
    const how = (plan: Plan) => {
      const at = momentsOf(plan);
      const isPoisoned = at.includes(2) && !at.includes(0);
      return at.includes(1) && at.includes(3) && !isPoisoned ? createBrokenOutcome(3) : heldOutcome;
    };
    expect(momentsOf((await shrinkPlan(createPlan(createEvents(4)), broken!, how)).plan)).toEqual([1, 3]);
  });

  it('comes with its own outcome, not with that of a larger plan', async () => {
    const how = ({ events }: Plan) => ({ ...createBrokenOutcome(9), hash: `of ${events.length}` });
    expect((await shrinkPlan(createPlan(createEvents(10)), broken!, how)).outcome.hash).toBe('of 0');
  });

  it('keeps all events when all are needed', async () => {
    const all = createEvents(12);
    const { how } = breakingAfter(all.map(({ at }) => at));
    expect((await shrinkPlan(createPlan(all), broken!, how)).plan.events).toEqual(all);
  });

  it('is empty when it breaks without events', async () => {
    expect((await shrinkPlan(createPlan(createEvents(20)), broken!, () => createBrokenOutcome(0))).plan.events).toEqual(
      [],
    );
  });

  it('breaks the same invariant, and not another one', async () => {
    const how = ({ events }: Plan) => {
      if (events.length === 0) return heldOutcome;
      if (!events.some(({ at }) => at === 3)) return createBrokenOutcome(0, 'another');
      return events.some(({ at }) => at === 5) ? createBrokenOutcome(5) : heldOutcome;
    };
    const found = await shrinkPlan(createPlan(createEvents(10)), broken!, how);
    expect(momentsOf(found.plan)).toEqual([3, 5]);
    expect(found.outcome).toEqual(createBrokenOutcome(5));
  });

  it('is the same world except for its events and duration, in the same order', async () => {
    const plan = createPlan(createEvents(30));
    const { how, played } = breakingAfter([4, 9, 20]);
    await shrinkPlan(plan, broken!, how);
    for (const each of played) {
      expect({ ...each, events: [], duration: plan.duration }).toEqual({ ...plan, events: [] });
      expect(each.duration).toBeLessThanOrEqual(plan.duration);
      expect(each.events).toEqual(plan.events.filter((event) => each.events.includes(event)));
    }
  });

  it('has no events after the broken invariant, of the plan or of a smaller one', async () => {
    const { how, played } = breakingAfter([5]);
    const found = await shrinkPlan(createPlan(createEvents(1_000)), createBrokenOutcome(40).broken!, how);
    expect(momentsOf(found.plan)).toEqual([5]);
    expect(played.every(({ events }) => events.every(({ at }) => at <= 40))).toBe(true);
    const broke = played.findIndex((plan) => momentsOf(plan).length < 41 && momentsOf(plan).includes(5));
    expect(played.slice(broke + 1).every(({ events }) => events.every(({ at }) => at <= 5))).toBe(true);
  });

  it('reports the number of runs, which is bounded, and the best plan by then', async () => {
    const scattered = createEvents(1_000).filter(({ at }) => at % 3 === 0);
    const { how, played } = breakingAfter(scattered.map(({ at }) => at));
    const found = await shrinkPlan(createPlan(createEvents(1_000)), broken!, how);
    expect(found.runs).toBe(played.length);
    expect(found.runs).toBeLessThanOrEqual(400);
    expect(momentsOf(found.plan)).toEqual(expect.arrayContaining(momentsOf({ events: scattered })));
    expect(found.outcome.broken?.promise).toBe('planted');
  });

  it('is the best one after three minutes, when each run takes long', async () => {
    let time = 0;
    const { how, played } = breakingAfter([5, 400, 780]);
    const playSlowly = (plan: Plan) => {
      time += 15_000;
      return how(plan);
    };
    const { plan, outcome } = await shrinkPlan(createPlan(createEvents(800)), broken!, playSlowly, () => time);
    expect(played.length).toBeLessThan(20);
    expect(momentsOf(plan)).toEqual(expect.arrayContaining([5, 400, 780]));
    expect(outcome).toEqual(createBrokenOutcome(780));
  });

  it('takes few runs for one event in a thousand', async () => {
    const { how } = breakingAfter([700]);
    expect((await shrinkPlan(createPlan(createEvents(1_000)), broken!, how)).runs).toBeLessThan(30);
  });

  /** Creates events of each of these kinds in turns. */
  const mixed = (count: number, everyMs: number): readonly PlannedEvent[] =>
    Array.from({ length: count }, (_, at): PlannedEvent => {
      const act = (['write', 'cut', 'pause', 'jump'] as const)[at % 4]!;
      return { at: at * everyMs, act, device: 1 + (at % 5), seed: at };
    });

  it('field report H-4: is made smaller by kind: a kind or device without a part in it is removed in one run', async () => {
    // This many events of two kinds, on one device, are needed. Removing parts alone would use all runs.
    const all = mixed(600, 1);
    const isNeeded = ({ act, device }: PlannedEvent): boolean => device === 2 && (act === 'cut' || act === 'write');
    const needed = all.filter(isNeeded);
    const how = ({ events }: Plan) =>
      needed.every((each) => events.includes(each)) ? createBrokenOutcome(599, 'planted') : heldOutcome;
    const found = await shrinkPlan(createPlan(all), createBrokenOutcome(599).broken!, how);
    expect(found.plan.events).toEqual(needed);
    expect(found.runs).toBeLessThan(4 * needed.length); // Each of them is also removed alone.
  });

  it('field report H-4: is made smaller by time: much earlier events are removed in few runs, except those that open devices', async () => {
    const open: PlannedEvent = { at: 0, act: 'open', device: 1, seed: 0 };
    const all = [open, ...mixed(400, 1_000).map((each) => ({ ...each, at: each.at + 1_000 }))];
    const late = all.filter(({ at }) => at > 397_500);
    const how = ({ events }: Plan) =>
      [open, ...late].every((each) => events.some(({ seed, act }) => seed === each.seed && act === each.act))
        ? createBrokenOutcome(Math.max(...events.map(({ at }) => at)))
        : heldOutcome;
    const found = await shrinkPlan(createPlan(all), createBrokenOutcome(400_000).broken!, how);
    expect(found.plan.events.map(({ act }) => act)).toEqual(['open', ...late.map(({ act }) => act)]);
    expect(found.runs).toBeLessThan(60);
    // No time without events is left.
    expect(found.plan.events.at(-1)!.at).toBeLessThan(2_000);
    expect(found.plan.duration).toBeLessThan(10_000);
  });

  it('keeps the times that are needed', async () => {
    const all = [0, 100, 50_000].map((at, seed): PlannedEvent => ({ at, act: 'write', device: 1, seed }));
    const how = ({ events }: Plan) => {
      const [first, second] = [0, 2].map((seed) => events.find((each) => each.seed === seed));
      return first && second && second.at - first.at >= 30_000 ? createBrokenOutcome(second.at) : heldOutcome;
    };
    expect(momentsOf((await shrinkPlan(createPlan(all), createBrokenOutcome(50_000).broken!, how)).plan)).toEqual([
      0, 50_000,
    ]);
  });

  it('is the plan itself when it does not break again', async () => {
    const plan = createPlan(createEvents(100));
    const { how, played } = breakingAfter([5], 'another');
    expect(await shrinkPlan(plan, broken!, how)).toEqual({ plan, outcome: createBrokenOutcome(5, 'another'), runs: 2 });
    expect(played.at(-1)).toEqual(plan);
  });
});
