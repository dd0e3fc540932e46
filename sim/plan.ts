import { seeded } from '../lib/model/chance.js';

/** What somebody or something does to a device, or to the server. */
export type Act =
  | 'write'
  | 'refusable'
  | 'burst'
  | 'pause'
  | 'resume'
  | 'reconnect'
  | 'logOut'
  | 'logIn'
  | 'close'
  | 'open'
  | 'killed'
  | 'power'
  | 'cut'
  | 'half-open'
  | 'repeat'
  | 'down'
  | 'up'
  | 'slam'
  | 'steady'
  | 'slow'
  | 'fast'
  | 'jump'
  | 'uploaded?'
  | 'downloaded?'
  | 'server killed'
  | 'server power'
  | 'server restarted'
  | 'server up'
  | 'backup'
  | 'restore';

/** One event of a world. A plan of them is data: it can be made smaller, and played again. */
export interface Happening {
  /** Milliseconds. */
  readonly at: number;
  readonly act: Act;
  /** Which device; 0 for the server. */
  readonly device: number;
  /** Of what is drawn while it happens: the same, whatever else is left out of the plan. */
  readonly seed: number;
}

export interface Plan {
  readonly seed: number;
  readonly devices: number;
  /** Milliseconds until everything is made well. */
  readonly duration: number;
  /** Milliseconds after which the server forgets those who were not seen. */
  readonly retentionMs: number;
  readonly happenings: readonly Happening[];
}

/** Acts of a device with how often they come, and what undoes them, after how long at most. */
const often: readonly (readonly [Act, number, (readonly [Act, number])?])[] = [
  ['write', 30],
  ['refusable', 2],
  ['uploaded?', 4],
  ['downloaded?', 4],
  ['cut', 3],
  ['half-open', 1.5],
  ['repeat', 1],
  ['down', 2, ['up', 60_000]],
  ['slam', 0.7, ['steady', 60_000]],
  ['slow', 1.5, ['fast', 60_000]],
  ['pause', 1, ['resume', 40_000]],
  ['logOut', 0.5, ['logIn', 40_000]],
  ['close', 1, ['open', 30_000]],
  ['killed', 1.5, ['open', 20_000]],
  ['power', 1.5, ['open', 20_000]],
  ['reconnect', 1],
  ['jump', 0.5],
];

const ofServer: readonly (readonly [Act, number, (readonly [Act, number])?])[] = [
  ['server killed', 3, ['server up', 20_000]],
  ['server power', 3, ['server up', 20_000]],
  ['server restarted', 2, ['server up', 10_000]],
];

const total = (weights: readonly (readonly [Act, number, unknown?])[]): number =>
  weights.reduce((sum, [, weight]) => sum + weight, 0);

const drawnFrom = <A extends readonly [Act, number, unknown?]>(weights: readonly A[], drawn: number): A => {
  let left = drawn * total(weights);
  for (const each of weights) {
    left -= each[1];
    if (left < 0) return each;
  }
  return weights[0]!;
};

export interface PlanOptions {
  readonly seed: number;
  readonly devices: number;
  readonly minutes: number;
}

/** The plan of a seed: the same for the same options, on every machine. */
export const planOf = ({ seed, devices, minutes }: PlanOptions): Plan => {
  const random = seeded(seed);
  const duration = minutes * 60_000;
  const happenings: Happening[] = [];
  const add = (at: number, act: Act, device: number): void => {
    if (at < duration) happenings.push({ at: Math.floor(at), act, device, seed: Math.floor(random() * 2 ** 31) });
  };
  const happen = (
    at: number,
    [act, , undone]: readonly [Act, number, (readonly [Act, number])?],
    device: number,
  ): void => {
    add(at, act, device);
    if (undone) add(at + 100 + random() * undone[1], undone[0], device);
  };
  for (let device = 1; device <= devices; device += 1) {
    add(random() * 5_000, 'open', device);
    // Busy for a while, then quiet for a while.
    for (
      let at = 5_000;
      at < duration;
      at += -Math.log(1 - random()) * (Math.floor(at / 45_000) % 2 === 0 ? 6_000 : 22_000)
    )
      happen(at, drawnFrom(often, random()), device);
  }
  for (let at = 20_000; at < duration; at += -Math.log(1 - random()) * 90_000)
    happen(at, drawnFrom(ofServer, random()), 0);
  // In one of ten somebody imports a lot: more than a page of history, more than is kept of it for ever.
  if (seed % 20 === 3 || seed % 20 === 6)
    for (let burst = 0; burst < 3; burst += 1)
      add(30_000 + random() * duration * 0.8, 'burst', 1 + Math.floor(random() * devices));
  // One world in four loses its server to a backup.
  if (random() < 0.25) {
    const backup = random() * duration * 0.6;
    add(backup, 'backup', 0);
    add(backup + random() * (duration - backup) * 0.8, 'restore', 0);
  }
  // In half of them the server forgets who was away for a minute.
  const retentionMs = seed % 2 === 0 ? 60_000 : 30 * 24 * 3_600_000;
  return { seed, devices, duration, retentionMs, happenings: happenings.sort((a, b) => a.at - b.at) };
};
