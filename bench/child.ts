/* One process of the benchmark: ours or the raw twin, in one of the parts. Does what it is told, and says how it was. */
import { crowd } from './crowd.js';
import { host } from './host.js';
import { ours } from './ours.js';
import { raw } from './raw.js';
import { scale } from './scale.js';
import type { Role, RoleName, Settings, Side } from './stage.js';

const cast: Readonly<Record<Side, Readonly<Partial<Record<RoleName, Role>>>>> = {
  ours: { ...ours, scale, host: host.ours, crowd: crowd.ours },
  raw: { ...raw, host: host.raw, crowd: crowd.raw },
};

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const role = cast[settings.side][settings.role];
if (!role) throw new Error(`${settings.side} has no ${settings.role}`);
const acts = await role(settings);

process.on('message', ({ cue, args }: { cue: string; args: readonly number[] }) => {
  const act = acts[cue];
  if (!act) throw new Error(`${settings.side} ${settings.role} has no act ${cue}`);
  void act(...args).then((result) => {
    process.send?.({ result, peakKb: process.resourceUsage().maxRSS });
    if (cue === 'end') process.disconnect();
  });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
