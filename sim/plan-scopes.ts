import type { Act, PlanBuilder } from './plan.js';

/** Ways in which a device is away, and comes back. */
const aways: readonly (readonly [away: Act, back: Act])[] = [
  ['down', 'up'],
  ['down', 'up'],
  ['pause', 'resume'],
  ['killed', 'open'],
  ['close', 'open'],
];

/**
 * Plans devices that write while they are offline, and whose scope changes meanwhile: once, or twice and maybe back to
 * the first one. Then they come back with unsent changes of objects that they must not see any more.
 */
export const planScopes = ({ random, add, devices, duration }: PlanBuilder): void => {
  for (let device = 1; device <= devices; device += 1) {
    // A device without subscriptions has nothing that a scope could hide.
    for (let one = 0; one < 2; one += 1) add(6_000 + random() * 6_000, 'subscribe', device);
    for (let at = 15_000 + random() * 60_000; at < duration; at += 60_000 + random() * 90_000) {
      const [away, back] = aways[Math.floor(random() * aways.length)]!;
      const canWrite = away === 'down' || away === 'pause';
      const whileMs = 1_000 + random() * 30_000;
      add(at, away, device);
      if (canWrite) for (let write = 0; write < 3; write += 1) add(at + random() * whileMs, 'write', device);
      add(at + random() * whileMs, random() < 0.3 ? 'scope empty' : 'scope', device);
      if (random() < 0.4) add(at + whileMs * 0.9, random() < 0.5 ? 'scope' : 'scope whole', device);
      add(at + whileMs, back, device);
      // The scope changes again while the device gets the difference.
      if (random() < 0.3) add(at + whileMs + random() * 2_000, 'scope', device);
      add(at + whileMs + random() * 10_000, 'downloaded?', device);
      add(at + whileMs + random() * 20_000, 'subscribe', device);
    }
  }
};
