import fc from 'fast-check';
import type { Happening, Plan } from '../../sim/plan.js';
import { shrunk } from '../../sim/shrink.js';
import { brokenAt, happeningsAt, held, planWith } from './plankit.js';

/** Plays plans in which a promise is broken as soon as all of these moments have had something happen in them. */
const breakingAfter = (moments: readonly number[], promise = 'planted') => {
  const played: Plan[] = [];
  const how = (plan: Plan) => {
    played.push(plan);
    const at = plan.happenings.map((each) => each.at);
    return moments.every((moment) => at.includes(moment)) ? brokenAt(Math.max(0, ...moments), promise) : held;
  };
  return { how, played };
};

const { broken } = brokenAt(1_000_000);
const momentsOf = ({ happenings }: { readonly happenings: readonly Happening[] }) => happenings.map(({ at }) => at);

describe('a plan that is made smaller', () => {
  it('has exactly the happenings that are needed, wherever they stand', async () => {
    const needed = fc.uniqueArray(fc.nat(49), { maxLength: 4 }).map((all) => [...all].sort((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(needed, fc.integer({ min: 50, max: 60 }), async (moments, count) => {
        const { how } = breakingAfter(moments);
        const found = await shrunk(planWith(happeningsAt(count)), broken!, how);
        expect(momentsOf(found.plan)).toEqual(moments);
        expect(found.outcome).toEqual(brokenAt(Math.max(0, ...moments)));
      }),
      { numRuns: 200 },
    );
  });

  it('can lose nothing more when any of several would do', async () => {
    const how = ({ happenings }: Plan) =>
      happenings.filter(({ at }) => at % 7 === 0).length >= 2 ? brokenAt(999) : held;
    const found = await shrunk(planWith(happeningsAt(60)), broken!, how);
    expect(found.plan.happenings).toHaveLength(2);
    expect(found.outcome).toEqual(brokenAt(999));
  });

  it('is tried again without what could not be left out before something else was', async () => {
    const how = (plan: Plan) => {
      const at = momentsOf(plan);
      const isPoisoned = at.includes(2) && !at.includes(0);
      return at.includes(1) && at.includes(3) && !isPoisoned ? brokenAt(3) : held;
    };
    expect(momentsOf((await shrunk(planWith(happeningsAt(4)), broken!, how)).plan)).toEqual([1, 3]);
  });

  it('comes with its own outcome, not with that of a greater one', async () => {
    const how = ({ happenings }: Plan) => ({ ...brokenAt(9), hash: `of ${happenings.length}` });
    expect((await shrunk(planWith(happeningsAt(10)), broken!, how)).outcome.hash).toBe('of 0');
  });

  it('keeps all when all are needed', async () => {
    const all = happeningsAt(12);
    const { how } = breakingAfter(all.map(({ at }) => at));
    expect((await shrunk(planWith(all), broken!, how)).plan.happenings).toEqual(all);
  });

  it('is empty when it breaks by itself', async () => {
    expect((await shrunk(planWith(happeningsAt(20)), broken!, () => brokenAt(0))).plan.happenings).toEqual([]);
  });

  it('breaks the same promise, and is not led astray by another', async () => {
    const how = ({ happenings }: Plan) => {
      if (happenings.length === 0) return held;
      if (!happenings.some(({ at }) => at === 3)) return brokenAt(0, 'another');
      return happenings.some(({ at }) => at === 5) ? brokenAt(5) : held;
    };
    const found = await shrunk(planWith(happeningsAt(10)), broken!, how);
    expect(momentsOf(found.plan)).toEqual([3, 5]);
    expect(found.outcome).toEqual(brokenAt(5));
  });

  it('is the same world but for what happens in it and how long it lasts, and in the same order', async () => {
    const plan = planWith(happeningsAt(30));
    const { how, played } = breakingAfter([4, 9, 20]);
    await shrunk(plan, broken!, how);
    for (const each of played) {
      expect({ ...each, happenings: [], duration: plan.duration }).toEqual({ ...plan, happenings: [] });
      expect(each.duration).toBeLessThanOrEqual(plan.duration);
      expect(each.happenings).toEqual(plan.happenings.filter((happening) => each.happenings.includes(happening)));
    }
  });

  it('is not looked for after the break, of the plan or of a smaller one', async () => {
    const { how, played } = breakingAfter([5]);
    const found = await shrunk(planWith(happeningsAt(1_000)), brokenAt(40).broken!, how);
    expect(momentsOf(found.plan)).toEqual([5]);
    expect(played.every(({ happenings }) => happenings.every(({ at }) => at <= 40))).toBe(true);
    const broke = played.findIndex((plan) => momentsOf(plan).length < 41 && momentsOf(plan).includes(5));
    expect(played.slice(broke + 1).every(({ happenings }) => happenings.every(({ at }) => at <= 5))).toBe(true);
  });

  it('says how many runs it took, which are bounded, and what it has by then', async () => {
    const scattered = happeningsAt(1_000).filter(({ at }) => at % 3 === 0);
    const { how, played } = breakingAfter(scattered.map(({ at }) => at));
    const found = await shrunk(planWith(happeningsAt(1_000)), broken!, how);
    expect(found.runs).toBe(played.length);
    expect(found.runs).toBeLessThanOrEqual(400);
    expect(momentsOf(found.plan)).toEqual(expect.arrayContaining(momentsOf({ happenings: scattered })));
    expect(found.outcome.broken?.promise).toBe('planted');
  });

  it('takes few runs for one happening in a thousand', async () => {
    const { how } = breakingAfter([700]);
    expect((await shrunk(planWith(happeningsAt(1_000)), broken!, how)).runs).toBeLessThan(30);
  });

  /** Something of each of these kinds, now and then. */
  const mixed = (count: number, everyMs: number): readonly Happening[] =>
    Array.from({ length: count }, (_, at): Happening => {
      const act = (['write', 'cut', 'pause', 'jump'] as const)[at % 4]!;
      return { at: at * everyMs, act, device: 1 + (at % 5), seed: at };
    });

  it('field report H4: is made smaller by kind: a kind or a device that has no part in it is left out in one run', async () => {
    // So many of two kinds, on one device, are needed that leaving out parts alone would spend all runs.
    const all = mixed(600, 1);
    const isNeeded = ({ act, device }: Happening): boolean => device === 2 && (act === 'cut' || act === 'write');
    const needed = all.filter(isNeeded);
    const how = ({ happenings }: Plan) =>
      needed.every((each) => happenings.includes(each)) ? brokenAt(599, 'planted') : held;
    const found = await shrunk(planWith(all), brokenAt(599).broken!, how);
    expect(found.plan.happenings).toEqual(needed);
    expect(found.runs).toBeLessThan(4 * needed.length); // Each of them is tried alone, too.
  });

  it('field report H4: is made smaller by time: what happened long before is left out in few runs, but for what opens devices', async () => {
    const open: Happening = { at: 0, act: 'open', device: 1, seed: 0 };
    const all = [open, ...mixed(400, 1_000).map((each) => ({ ...each, at: each.at + 1_000 }))];
    const late = all.filter(({ at }) => at > 397_500);
    const how = ({ happenings }: Plan) =>
      [open, ...late].every((each) => happenings.some(({ seed, act }) => seed === each.seed && act === each.act))
        ? brokenAt(Math.max(...happenings.map(({ at }) => at)))
        : held;
    const found = await shrunk(planWith(all), brokenAt(400_000).broken!, how);
    expect(found.plan.happenings.map(({ act }) => act)).toEqual(['open', ...late.map(({ act }) => act)]);
    expect(found.runs).toBeLessThan(60);
    // And no time is left in which nothing happens.
    expect(found.plan.happenings.at(-1)!.at).toBeLessThan(2_000);
    expect(found.plan.duration).toBeLessThan(10_000);
  });

  it('keeps the times that are needed for it', async () => {
    const all = [0, 100, 50_000].map((at, seed): Happening => ({ at, act: 'write', device: 1, seed }));
    const how = ({ happenings }: Plan) => {
      const [first, second] = [0, 2].map((seed) => happenings.find((each) => each.seed === seed));
      return first && second && second.at - first.at >= 30_000 ? brokenAt(second.at) : held;
    };
    expect(momentsOf((await shrunk(planWith(all), brokenAt(50_000).broken!, how)).plan)).toEqual([0, 50_000]);
  });

  it('is the plan itself when it does not break again', async () => {
    const plan = planWith(happeningsAt(100));
    const { how, played } = breakingAfter([5], 'another');
    expect(await shrunk(plan, broken!, how)).toEqual({ plan, outcome: brokenAt(5, 'another'), runs: 2 });
    expect(played.at(-1)).toEqual(plan);
  });
});
