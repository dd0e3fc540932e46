/* One process of the benchmark: ours or the raw twin, in one of the three parts. Does what it is told, and says how it was. */
import { ours } from './ours.js';
import { raw } from './raw.js';
import type { Acts, Settings } from './stage.js';

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const acts: Acts = await (settings.side === 'ours' ? ours : raw)[settings.role](settings);

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
