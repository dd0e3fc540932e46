import type { Act, PlanBuilder } from './plan.js';

/** Acts that take the lead away from a tab, the act that undoes them, and the most milliseconds until then. */
const losses: readonly (readonly [Act, undone: Act, number])[] = [
  ['crash tab', 'open tab', 10_000],
  ['close tab', 'open tab', 10_000],
  ['freeze', 'resume tab', 20_000],
  ['suspend', 'resume tab', 3_000],
  ['hide', 'show', 20_000],
];

/** Milliseconds between two scenes of a device, at least and at most. */
const sceneMs = [8_000, 40_000] as const;

/**
 * Plans moments in which the leader goes away while a follower writes. Writes, the loss and a message of the leader are
 * within a few milliseconds of each other. In some scenes the next leader goes away as well.
 */
const planScene = ({ random, add }: PlanBuilder, from: number, device: number): void => {
  const lose = (at: number): void => {
    const [act, undone, most] = losses[Math.floor(random() * losses.length)]!;
    add(at, act, device, 'leader');
    add(at + 100 + random() * most, undone, device);
  };
  const within = random() < 0.5 ? 20 : 3;
  for (let write = 0; write < 3; write += 1) add(from + random() * within, 'write', device, 'follower');
  if (random() < 0.3) add(from + random() * within, 'write', device, 'leader');
  if (random() < 0.1) add(from + random() * within, 'logOut', device, 'follower');
  lose(from + random() * 20);
  if (random() < 0.3) lose(from + 20 + random() * 600);
  for (let write = 0; write < 3; write += 1) add(from + random() * 1_500, 'write', device);
};

/** Plans the tabs of all devices, and scenes in which the lead is handed over. */
export const planTabs = (planning: PlanBuilder): void => {
  const { random, devices, duration, add } = planning;
  const [least, most] = sceneMs;
  for (let device = 1; device <= Math.min(devices, 2); device += 1) {
    for (let tab = 0; tab < 2; tab += 1) add(5_000 + random() * 4_000, 'open tab', device);
    for (let at = 10_000; at < duration; at += least + random() * (most - least)) {
      planScene(planning, at, device);
      add(at + 12_000, 'open tab', device);
    }
    // A user who has logged out logs in again, in any of the tabs.
    for (let at = 30_000; at < duration; at += 30_000 + random() * 30_000) add(at, 'logIn', device);
  }
};
