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

/** Once in so many worlds somebody writes more than is taken out of an outbox at once, and loses the power before that is sure. */
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

/** Backups, each restored once, one after the other. */
const planRestores = ({ random, add, duration }: PlanBuilder, count: number): void => {
  for (let one = 0; one < count; one += 1) {
    const [from, most] = [(duration * one) / count, duration / count];
    const backup = from + random() * most * 0.6;
    add(backup, 'backup', 0);
    add(backup + random() * (from + most - backup) * 0.8, 'restore', 0);
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
