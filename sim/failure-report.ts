import { diagramsOf } from './event-diagram.js';
import { wrapText } from './wrap-lines.js';
import type { Plan } from './plan.js';
import { shrinkPlan } from './shrink-plan.js';
import { playWorld, type Outcome } from './world.js';

/**
 * What somebody needs who is to find out why: the plan made as small as can be, what broke, and what was seen. `how`
 * plays a plan.
 */
export const reportOf = async (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
  how: (plan: Plan) => Outcome | Promise<Outcome> = playWorld,
): Promise<string> => {
  const smaller = await shrinkPlan(plan, broken, how);
  const { happenings } = smaller.plan;
  const found = smaller.outcome.broken;
  return [
    ...wrapText(`seed ${plan.seed} (${plan.theme}): ${broken.detail}`),
    `  after ${(broken.at / 1_000).toFixed(1)} s of ${plan.happenings.length} happenings; ${happenings.length} are enough (${smaller.runs} runs):`,
    ...happenings.map(
      ({ at, act, device }) =>
        `    ${(at / 1_000).toFixed(3)} s  ${device === 0 ? 'server' : `device ${device}`}  ${act}`,
    ),
    ...wrapText(`  ${found?.detail ?? ''}`),
    '',
    diagramsOf(smaller.outcome.seen, found?.about),
  ].join('\n');
};
