import type { PlannedEvent, Plan } from '../../sim/plan.js';
import { defaultSettings } from '../../sim/themes.js';
import type { Outcome } from '../../sim/world.js';

/** Creates an event in each of the first milliseconds. */
export const createEvents = (count: number): readonly PlannedEvent[] =>
  Array.from({ length: count }, (_, at): PlannedEvent => ({ at, act: 'write', device: 1 + (at % 2), seed: at * 31 }));

export const createPlan = (events: readonly PlannedEvent[]): Plan => ({
  ...{ seed: 7, theme: 'ordinary', settings: defaultSettings, devices: 2, duration: 60_000 },
  events,
});

export const heldOutcome: Outcome = { broken: null, recorded: [], hash: 'held', writes: 0 };

export const createBrokenOutcome = (at: number, promise = 'planted'): Outcome => ({
  ...heldOutcome,
  broken: { promise, detail: `${promise}: at ${at}`, at, about: [] },
});
