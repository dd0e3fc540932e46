import type { Plan } from '../../sim/plan.js';
import { reportOf } from '../../sim/failure-report.js';
import type { Outcome } from '../../sim/world.js';
import { heldOutcome, createPlan } from './plan-kit.js';

const plan = createPlan([
  { at: 12, act: 'open', device: 1, seed: 1 },
  { at: 1_500, act: 'write', device: 1, seed: 2 },
  { at: 2_750, act: 'server killed', device: 0, seed: 3 },
  { at: 3_250, act: 'cut', device: 2, seed: 4 },
  { at: 9_000, act: 'write', device: 2, seed: 5 },
]);

const brokenBecause = (detail: string, at: number): Outcome => ({
  ...heldOutcome,
  broken: { promise: 'all are equal', detail: `all are equal: ${detail}`, at, about: [] },
  recorded: [
    { at: 2_750, row: 'server', value: 'killed' },
    { at: at - 1, row: 'wire 2', value: 'cut' },
  ],
});

/** Breaks when the server is killed and the connection of device 2 is cut, with another detail in a smaller plan. */
const how = ({ events }: Plan): Outcome => {
  const acts = events.map(({ act }) => act);
  if (!acts.includes('server killed') || !acts.includes('cut')) return heldOutcome;
  return acts.includes('open') ? brokenBecause('at first', 4_321) : brokenBecause('in the end', 4_000);
};

describe('the report of a world with a broken invariant', () => {
  let lines: readonly string[] = [];

  beforeAll(async () => {
    lines = (await reportOf(plan, how(plan).broken!, how)).split('\n');
  });

  it('names the seed, the broken invariant, its time and the number of events', () => {
    expect(lines[0]).toBe('seed 7 (ordinary): all are equal: at first');
    expect(lines[1]).toMatch(/^ {2}after 4\.3 s and 5 events; 2 are enough \(\d+ runs\):$/);
  });

  it('lists the events that are enough, with time and target', () => {
    expect(lines.slice(2, 4)).toEqual(['    0.100 s  server  server killed', '    0.200 s  device 2  cut']);
  });

  it('shows the detail of the smaller plan, and a diagram of its events', () => {
    expect(lines.slice(4)).toEqual([
      '  all are equal: in the end',
      '',
      'server   k---',
      'wire 2   --x-',
      '',
      'columns: from 2.750 s, 1.2s later',
      'letters: k killed, x cut',
    ]);
  });
});
