import { diagramsOf } from './event-diagram.js';
import { wrapText } from './wrap-lines.js';
import type { Plan } from './plan.js';
import { shrinkPlan } from './shrink-plan.js';
import { playWorld, type Outcome } from './world.js';

/**
 * Returns a report that helps to find a cause: the smallest plan found, the broken invariant, and the recorded events.
 * `how` plays a plan.
 */
export const reportOf = async (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
  how: (plan: Plan) => Outcome | Promise<Outcome> = playWorld,
): Promise<string> => {
  const smaller = await shrinkPlan(plan, broken, how);
  const { events } = smaller.plan;
  const found = smaller.outcome.broken;
  return [
    ...wrapText(`seed ${plan.seed} (${plan.theme}): ${broken.detail}`),
    `  after ${(broken.at / 1_000).toFixed(1)} s and ${plan.events.length} events; ${events.length} are enough (${smaller.runs} runs):`,
    ...events.map(
      ({ at, act, device }) =>
        `    ${(at / 1_000).toFixed(3)} s  ${device === 0 ? 'server' : `device ${device}`}  ${act}`,
    ),
    ...wrapText(`  ${found?.detail ?? ''}`),
    '',
    diagramsOf(smaller.outcome.recorded, found?.about),
  ].join('\n');
};
