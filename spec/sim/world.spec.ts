import { createHash } from 'node:crypto';
import { InvariantError } from '../../sim/invariants.js';
import { planOf, type PlannedEvent, type Plan } from '../../sim/plan.js';
import { reportOf } from '../../sim/failure-report.js';
import { playWorld, type Outcome } from '../../sim/world.js';

const small = (seed: number): Plan => planOf({ seed, devices: 2, minutes: 1 });

/** Plays plans one after the other. */
const playAll = async (plans: readonly Plan[]): Promise<Outcome[]> => {
  const all: Outcome[] = [];
  for (const plan of plans) all.push(await playWorld(plan));
  return all;
};

describe('a world', () => {
  it('is exactly the same each time it is played: its events, their times, and its hash', async () => {
    const plans = [small(2), small(9)];
    const first = await playAll(plans);
    const again = (await playAll([...plans].reverse())).reverse();
    for (const [at, outcome] of first.entries()) {
      expect(outcome.broken).toBeNull();
      expect(outcome.recorded.length).toBeGreaterThan(50);
      const all = outcome.recorded.map((each) => `${each.at} ${each.row} ${each.value}\n`).join('');
      expect(outcome.hash).toBe(createHash('sha256').update(all).digest('hex').slice(0, 16));
      expect(again[at]).toEqual(outcome);
    }
    expect(new Set(first.map(({ hash }) => hash)).size).toBe(plans.length);
    expect(plans).toEqual([small(2), small(9)]); // Playing a plan does not change it.
  });

  it('is different, with another hash, when any other event happens in it', async () => {
    const plan = small(2);
    const { hash } = await playWorld(plan);
    const other = await playWorld({ ...plan, events: plan.events.slice(0, -3) });
    expect(other.hash).not.toBe(hash);
  });
});

describe('a world with several tabs', () => {
  it('holds, is the same each time it is played, and ends with several tabs in use', async () => {
    const plan = planOf({ seed: 1, devices: 2, minutes: 1, theme: 'tabs' });
    const first = await playWorld(plan);
    expect(first.broken).toBeNull();
    expect((await playWorld(plan)).hash).toBe(first.hash);
    const tabs = new Set(first.recorded.filter(({ value }) => value === 'open').map(({ row }) => row.split(' ')[0]));
    expect(tabs.size).toBeGreaterThan(4);
  });
});

describe('a world with subscriptions', () => {
  it('holds, is the same each time it is played, and has devices that change their subscriptions', async () => {
    const plan = planOf({ seed: 2, devices: 4, minutes: 1, theme: 'subscriptions' });
    let counts: readonly (number | null)[] = [];
    const first = await playWorld(plan, ({ after, devices }) =>
      after(plan.duration, () => (counts = devices.map(({ subscriptions }) => subscriptions.countObjects()))),
    );
    expect(first.broken).toBeNull();
    expect(counts.map((count) => count !== null)).toEqual([true, true, true, false, false]);
    expect(counts.some((count) => count !== null && count > 0)).toBe(true);
    expect(first.recorded.filter(({ row }) => row.endsWith(' subscriptions')).length).toBeGreaterThan(2);
    expect((await playWorld(plan)).hash).toBe(first.hash);
  });
});

describe('a world with scopes', () => {
  it('holds, is the same each time it is played, and has devices that get objects and rejections', async () => {
    const plan = planOf({ seed: 3, devices: 4, minutes: 1, theme: 'scope' });
    let counts: readonly (number | null)[] = [];
    const first = await playWorld(plan, ({ after, devices }) =>
      after(plan.duration, () => (counts = devices.map(({ subscriptions }) => subscriptions.countObjects()))),
    );
    expect(first.broken).toBeNull();
    expect(counts.some((count) => count !== null && count > 0)).toBe(true);
    const has = (row: string, value: RegExp): number =>
      first.recorded.filter((each) => each.row.endsWith(row) && value.test(each.value)).length;
    expect(has(' user', /^scope: any/)).toBeGreaterThan(2);
    expect(has(' error', /^write-refused/)).toBeGreaterThan(2);
    expect((await playWorld(plan)).hash).toBe(first.hash);
  });
});

describe('a world with a broken invariant', () => {
  const plan = small(2);

  it('field report H-4: records nothing after the broken invariant, and runs no further event', async () => {
    const whole = await playWorld(plan);
    const moments = [...new Set(whole.recorded.map(({ at }) => at))];
    const half = moments[Math.floor(moments.length / 2)]!;
    let looks = 0;
    const { broken, recorded } = await playWorld(plan, (world) => {
      world.after(half, () => {
        throw new InvariantError('planted', 'in the middle of everything', ['Board b']);
      });
      world.after(half + 1, () => (looks += 1));
    });
    expect(broken).toEqual({
      ...{ promise: 'planted', detail: 'planted: in the middle of everything' },
      ...{ at: half, about: ['Board b'] },
    });
    expect(recorded.every(({ at }) => at <= half)).toBe(true);
    expect(recorded).toEqual(whole.recorded.slice(0, recorded.length));
    expect(recorded.length).toBeGreaterThan(10);
    expect(looks).toBe(0);
  });
});

describe('a world that should settle, and does not', () => {
  const plan = small(2);
  /** While the faults end, the network of a device goes down for good. */
  const planted: PlannedEvent = { at: plan.duration + 1_000, act: 'down', device: 2, seed: 1 };
  const sick: Plan = { ...plan, events: [...plan.events, planted] };
  let broken: Outcome['broken'] = null;

  beforeAll(async () => {
    ({ broken } = await playWorld(sick));
  });

  it('breaks the invariant that completion streams emit, and only because of that', async () => {
    expect((await playWorld(plan)).broken).toBeNull();
    expect(broken).toMatchObject({ promise: 'completion streams emit once the network works' });
    expect(broken!.detail).toContain('device 2');
    expect(broken!.detail).not.toContain('device 1');
  });

  it('is reported by the one event that caused it, with the connection that shows it', async () => {
    const lines = (await reportOf(sick, broken!)).split('\n');
    expect(lines[0]).toBe(`seed 2 (tokens): ${broken!.detail}`);
    expect(lines[1]).toContain(`and ${sick.events.length} events; 1 are enough`);
    expect(lines[2]).toMatch(/^ {4}\d+\.\d{3} s {2}device 2 {2}down$/);
    expect(lines[3]).toContain(broken!.promise);
    expect(lines.find((line) => line.startsWith('wire 2'))).toMatch(/u/);
    expect(lines.slice(lines.findIndex((line) => line.startsWith('letters: '))).join()).toContain('u unreachable');
    expect(lines.filter((line) => line.length > 120)).toEqual([]);
  });
});
