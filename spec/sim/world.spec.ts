import { createHash } from 'node:crypto';
import { planOf, type Happening, type Plan } from '../../sim/plan.js';
import { reportOf } from '../../sim/report.js';
import { play } from '../../sim/world.js';

const small = (seed: number): Plan => planOf({ seed, devices: 2, minutes: 1 });

describe('a world', () => {
  it('is the same to the letter whenever it is played: what was seen, when, and the hash of it', () => {
    const plans = [small(2), small(9)];
    const first = plans.map(play);
    const again = [...plans].reverse().map(play).reverse();
    for (const [at, outcome] of first.entries()) {
      expect(outcome.broken).toBeNull();
      expect(outcome.seen.length).toBeGreaterThan(50);
      const all = outcome.seen.map((each) => `${each.at} ${each.row} ${each.value}\n`).join('');
      expect(outcome.hash).toBe(createHash('sha256').update(all).digest('hex').slice(0, 16));
      expect(again[at]).toEqual(outcome);
    }
    expect(new Set(first.map(({ hash }) => hash)).size).toBe(plans.length);
    expect(plans).toEqual([small(2), small(9)]); // Nothing is done to a plan by playing it.
  });

  it('is another, with another hash, when anything else happens in it', () => {
    const plan = small(2);
    const [{ hash }, other] = [play(plan), play({ ...plan, happenings: plan.happenings.slice(0, -3) })];
    expect(other.hash).not.toBe(hash);
  });
});

describe('a world that is told it is well, and is not', () => {
  const plan = small(2);
  /** While everything is being made well, somebody takes the network of a device away for good. */
  const planted: Happening = { at: plan.duration + 1_000, act: 'down', device: 2, seed: 1 };
  const sick: Plan = { ...plan, happenings: [...plan.happenings, planted] };
  const { broken } = play(sick);

  it('breaks the promise that waits come to an end, and only because of that', () => {
    expect(play(plan).broken).toBeNull();
    expect(broken).toMatchObject({ promise: 'waits come to an end once the network is well' });
    expect(broken!.detail).toContain('device 2');
    expect(broken!.detail).not.toContain('device 1');
  });

  it('is reported by the one happening that is to blame, with the wire on which it is seen', () => {
    const lines = reportOf(sick, broken!).split('\n');
    expect(lines[0]).toBe(`seed 2: ${broken!.detail}`);
    expect(lines[1]).toContain(`of ${sick.happenings.length} happenings; 1 are enough`);
    expect(lines[2]).toBe('    61.000 s  device 2  down');
    expect(lines[3]).toContain(broken!.promise);
    expect(lines.find((line) => line.startsWith('wire 2'))).toMatch(/u/);
    expect(lines.at(-1)).toMatch(/^letters: .*u unreachable/);
  });
});
