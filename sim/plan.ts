import { createSeededRandom } from '../lib/model/seeded-random.js';
import {
  themeSettings,
  defaultSettings,
  themes,
  deviceWeights,
  serverWeights,
  weightsOf,
  type Settings,
  type Theme,
  type Weight,
} from './themes.js';

/** What somebody or something does to a device, or to the server. */
export type Act =
  | 'write'
  | 'refusable'
  | 'burst'
  | 'flood'
  | 'reject burst'
  | 'pause'
  | 'resume'
  | 'reconnect'
  | 'logOut'
  | 'logIn'
  | 'discard'
  | 'other user'
  | 'own user'
  | 'read only'
  | 'may write'
  | 'cloned'
  | 'renew'
  | 'tokens fail'
  | 'tokens expired'
  | 'tokens work'
  | 'close'
  | 'open'
  | 'killed'
  | 'power'
  | 'lost'
  | 'copied'
  | 'put back'
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
  | 'server clock wrong'
  | 'server clock right'
  | 'backup'
  | 'restore';

/** One event of a world. A plan of them is data: it can be made smaller, and played again. */
export interface PlannedEvent {
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
  readonly theme: Theme;
  readonly settings: Settings;
  readonly devices: number;
  /** Milliseconds until everything is made well. */
  readonly duration: number;
  readonly happenings: readonly PlannedEvent[];
}

const drawFrom = (weights: readonly Weight[], drawn: number): Weight => {
  let left = drawn * weights.reduce((sum, [, weight]) => sum + weight, 0);
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

/** A plan while it is made. */
interface PlanBuilder {
  readonly random: () => number;
  readonly devices: number;
  readonly duration: number;
  readonly add: (at: number, act: Act, device: number) => void;
}

/** An event, and what undoes it. */
const addEvent = ({ add, random }: PlanBuilder, at: number, [act, , undone]: Weight, device: number): void => {
  add(at, act, device);
  if (undone) add(at + 100 + random() * undone[1], undone[0], device);
};

/** Milliseconds within which the events of a race come. */
const raceMs = [1, 20, 200] as const;

const planDevice = (planning: PlanBuilder, device: number, weights: readonly Weight[], races: number): void => {
  const { random, duration, add } = planning;
  add(random() * 5_000, 'open', device);
  // Busy for a while, then quiet for a while.
  for (
    let at = 5_000;
    at < duration;
    at += -Math.log(1 - random()) * (Math.floor(at / 45_000) % 2 === 0 ? 6_000 : 22_000)
  ) {
    const count = random() < races ? 2 + Math.floor(random() * 3) : 1;
    const within = raceMs[Math.floor(random() * raceMs.length)]!;
    for (let one = 0; one < count; one += 1)
      addEvent(planning, at + (one === 0 ? 0 : random() * within), drawFrom(weights, random()), device);
  }
};

/**
 * Once in so many worlds somebody writes more than is taken out of an outbox at once, and loses the power before that
 * is sure.
 */
const floodInterval = 100;

const planBursts = ({ random, add, devices, duration }: PlanBuilder, seed: number): void => {
  const anyDevice = (): number => 1 + Math.floor(random() * devices);
  // In one of ten somebody imports a lot: more than a page of history, more than is kept of it for ever.
  if (seed % 20 === 3 || seed % 20 === 6)
    for (let burst = 0; burst < 3; burst += 1) add(30_000 + random() * duration * 0.8, 'burst', anyDevice());
  if (seed % floodInterval === 37) {
    const [device, at] = [anyDevice(), duration * 0.3];
    add(at, 'flood', device);
    for (const after of [20_000, 30_000, 45_000]) {
      add(at + after, 'power', device);
      add(at + after + 2_000, 'open', device);
    }
  }
};

/**
 * One device is away for longer than the server waits for it, while the others write more than a history keeps for
 * ever. It comes back on a slow connection, and writes while it fetches a snapshot.
 */
const planSnapshot = ({ random, add, devices, duration }: PlanBuilder): void => {
  const [device, from] = [1 + Math.floor(random() * devices), duration * (0.3 + random() * 0.15)];
  const back = from + 170_000 + random() * 40_000;
  add(from, 'down', device);
  for (let burst = 0; burst < 4; burst += 1)
    add(from + 1_000 + random() * 30_000, 'burst', 1 + ((device + burst) % devices));
  // The others have all of it soon, so that nobody needs the history any more.
  for (let other = 1; other <= devices; other += 1)
    if (other !== device)
      for (const act of ['up', 'open', 'logIn', 'resume', 'reconnect'] as const) add(from + 45_000, act, other);
  add(back - 10, 'slow', device);
  add(back, 'up', device);
  add(back + 5, 'reconnect', device);
  add(back + random() * 6_000, 'burst', 1 + (device % devices));
  for (let at = 100; at < 20_000; at += 200 + random() * 600) add(back + at, 'write', device);
  // Some of these come after the snapshot is stored, and before what the device has uploaded meanwhile is down again.
  for (let cut = 0; cut < 6; cut += 1) add(back + 2_000 + random() * 18_000, 'cut', device);
  add(back + 25_000, 'fast', device);
};

/**
 * What devices do around a backup, so that it has changesets whose acknowledgement they have not received; and after it
 * was restored, so that they write during their client reset.
 */
const planAround = ({ random, add, devices }: PlanBuilder, backup: number, restored: number): void => {
  for (let one = 0; one < 2; one += 1) {
    const device = 1 + Math.floor(random() * devices);
    const cut = Math.max(6_000, backup - random() * 300); // All have been opened by then.
    add(cut - random() * 500, 'write', device);
    add(cut, 'down', device);
    add(Math.max(backup, cut) + 500 + random() * 5_000, 'up', device);
  }
  for (let device = 1; device <= devices; device += 1)
    for (let one = 0; one < 4; one += 1) add(restored + random() * 4_000, 'write', device);
};

/** Backups, each restored once, one after the other. */
const planRestores = (planning: PlanBuilder, count: number): void => {
  const { random, add, duration } = planning;
  for (let one = 0; one < count; one += 1) {
    const [from, most] = [(duration * one) / count, duration / count];
    const backup = from + random() * most * 0.6;
    add(backup, 'backup', 0);
    const restored = backup + random() * (from + most - backup) * 0.8;
    add(restored, 'restore', 0);
    planAround(planning, backup, restored);
  }
};

/** The plan of a seed: the same for the same options, on every machine. */
export const planOf = ({ seed, devices, minutes }: PlanOptions): Plan => {
  const random = createSeededRandom(seed);
  const duration = minutes * 60_000;
  const theme = themes[seed % themes.length]!;
  const mood = themeSettings[theme];
  const happenings: PlannedEvent[] = [];
  const add = (at: number, act: Act, device: number): void => {
    if (at < duration) happenings.push({ at: Math.floor(at), act, device, seed: Math.floor(random() * 2 ** 31) });
  };
  const planning: PlanBuilder = { random, devices, duration, add };
  for (let device = 1; device <= devices; device += 1)
    planDevice(planning, device, weightsOf(deviceWeights, mood, mood.also), mood.races ?? 0.03);
  const { serverMs = 90_000 } = mood;
  for (let at = 20_000; at < duration; at += -Math.log(1 - random()) * serverMs)
    addEvent(planning, at, drawFrom(weightsOf(serverWeights, mood), random()), 0);
  planBursts(planning, seed);
  if (theme === 'snapshots') planSnapshot(planning);
  // One world in four loses its server to a backup.
  planRestores(planning, mood.restores ?? (random() < 0.25 ? 1 : 0));
  // In half of them the server forgets who was away for a minute.
  const forgets = seed % 2 === 0 ? { retentionMs: 60_000 } : {};
  const settings = { ...defaultSettings, ...forgets, ...mood.settings };
  // A clock that is wrong, and a server that forgets what it gave by it: see D113.
  const isRestored = happenings.some(({ act }) => act === 'restore');
  const kept = happenings.filter(({ act }) => !isRestored || !act.startsWith('server clock'));
  return { seed, theme, settings, devices, duration, happenings: kept.sort((a, b) => a.at - b.at) };
};
