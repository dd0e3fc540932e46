import { diagramsOf } from './diagram.js';
import { wrapped } from './lines.js';
import type { Plan } from './plan.js';
import { shrunk } from './shrink.js';
import { play, type Outcome } from './world.js';

/** What somebody needs who is to find out why: the plan made as small as can be, what broke, and what was seen. `how` plays a plan. */
export const reportOf = async (
  plan: Plan,
  broken: NonNullable<Outcome['broken']>,
  how: (plan: Plan) => Outcome | Promise<Outcome> = play,
): Promise<string> => {
  const smaller = await shrunk(plan, broken, how);
  const { happenings } = smaller.plan;
  const found = smaller.outcome.broken;
  return [
    ...wrapped(`seed ${plan.seed} (${plan.theme}): ${broken.detail}`),
    `  after ${(broken.at / 1_000).toFixed(1)} s of ${plan.happenings.length} happenings; ${happenings.length} are enough (${smaller.runs} runs):`,
    ...happenings.map(
      ({ at, act, device }) =>
        `    ${(at / 1_000).toFixed(3)} s  ${device === 0 ? 'server' : `device ${device}`}  ${act}`,
    ),
    ...wrapped(`  ${found?.detail ?? ''}`),
    '',
    diagramsOf(smaller.outcome.seen, found?.about),
  ].join('\n');
};
