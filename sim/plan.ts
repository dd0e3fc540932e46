import { createSeededRandom } from '../lib/model/seeded-random.js';
import { planScopes } from './plan-scopes.js';
import { planTabs } from './plan-tabs.js';
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

/** An event of a device or of the server. */
export type Act =
  | 'write'
  | 'rejectable'
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
  | 'offline'
  | 'online'
  | 'cut'
  | 'half-open'
  | 'repeat'
  | 'down'
  | 'up'
  | 'close after open'
  | 'stay open'
  | 'slow'
  | 'fast'
  | 'jump'
  | 'uploaded?'
  | 'downloaded?'
  | 'open tab'
  | 'close tab'
  | 'crash tab'
  | 'freeze'
  | 'suspend'
  | 'resume tab'
  | 'hide'
  | 'show'
  | 'subscribe'
  | 'subscribe again'
  | 'unsubscribe'
  | 'subscribe often'
  | 'scope'
  | 'scope empty'
  | 'scope whole'
  | 'scope flaps'
  | 'scope fails'
  | 'scope works'
  | 'server killed'
  | 'server power'
  | 'server restarted'
  | 'server up'
  | 'server clock wrong'
  | 'server clock right'
  | 'backup'
  | 'restore';

/** One event of a world. A plan is data: it can be made smaller and played again. */
export interface PlannedEvent {
  /** Milliseconds of virtual time. */
  readonly at: number;
  readonly act: Act;
  /** Number of the device; 0 for the server. */
  readonly device: number;
  /** Seed of the random numbers of this event: it stays the same when other events are left out. */
  readonly seed: number;
  /** The tab of a device with several, as it is when the event happens. By default it is drawn from the seed. */
  readonly tab?: 'leader' | 'follower';
}

export interface Plan {
  readonly seed: number;
  readonly theme: Theme;
  readonly settings: Settings;
  readonly devices: number;
  /** Milliseconds until all faults end. */
  readonly duration: number;
  readonly events: readonly PlannedEvent[];
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
  /** By default each theme in turns. */
  readonly theme?: Theme;
}

/** A plan while it is built. */
export interface PlanBuilder {
  readonly random: () => number;
  readonly devices: number;
  readonly duration: number;
  readonly add: (at: number, act: Act, device: number, tab?: PlannedEvent['tab']) => void;
}

/** Adds an event and the event that undoes it. */
const addEvent = ({ add, random }: PlanBuilder, at: number, [act, , undone]: Weight, device: number): void => {
  add(at, act, device);
  if (undone) add(at + 100 + random() * undone[1], undone[0], device);
};

/** Milliseconds within which the events of a race happen. */
const raceMs = [1, 20, 200] as const;

const planDevice = (planning: PlanBuilder, device: number, weights: readonly Weight[], races: number): void => {
  const { random, duration, add } = planning;
  add(random() * 5_000, 'open', device);
  // Busy and quiet periods alternate.
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
 * In one of this many worlds a device writes more than one page of an outbox, and loses power before the writes are
 * durable.
 */
const floodInterval = 100;

const planBursts = ({ random, add, devices, duration }: PlanBuilder, seed: number): void => {
  const anyDevice = (): number => 1 + Math.floor(random() * devices);
  // In one world of ten a device imports many objects: more than a page of history, and more than compaction always
  // keeps.
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

/** In one of this many worlds the switch of the inspector takes devices offline. */
const switchInterval = 9;

/** Plans a switch that takes each device offline for a while. Draws from its own seed: other events stay the same. */
const planSwitches = (events: PlannedEvent[], { devices, duration }: PlanBuilder, seed: number): void => {
  if (seed % switchInterval !== 4) return;
  const random = createSeededRandom(seed + 0x5eed);
  for (let device = 1; device <= devices; device += 1)
    for (let at = 8_000 + random() * 30_000; at < duration; at += 60_000 + random() * 60_000)
      for (const [act, when] of [
        ['offline', at],
        ['online', at + 100 + random() * 50_000],
      ] as const)
        if (when < duration) events.push({ at: Math.floor(when), act, device, seed: Math.floor(random() * 2 ** 31) });
};

/**
 * Plans one device that is offline beyond the retention period, while the others write more than compaction always
 * keeps. It comes back on a slow connection, and writes while it receives a snapshot.
 */
const planSnapshot = ({ random, add, devices, duration }: PlanBuilder): void => {
  const [device, from] = [1 + Math.floor(random() * devices), duration * (0.3 + random() * 0.15)];
  const back = from + 170_000 + random() * 40_000;
  add(from, 'down', device);
  for (let burst = 0; burst < 4; burst += 1)
    add(from + 1_000 + random() * 30_000, 'burst', 1 + ((device + burst) % devices));
  // The other devices download everything soon, so that no replica needs the history any more.
  for (let other = 1; other <= devices; other += 1)
    if (other !== device)
      for (const act of ['up', 'open', 'logIn', 'resume', 'reconnect'] as const) add(from + 45_000, act, other);
  add(back - 10, 'slow', device);
  add(back, 'up', device);
  add(back + 5, 'reconnect', device);
  add(back + random() * 6_000, 'burst', 1 + (device % devices));
  for (let at = 100; at < 20_000; at += 200 + random() * 600) add(back + at, 'write', device);
  // Some of these disconnects happen after the snapshot is stored and before the device has downloaded its own uploads.
  for (let cut = 0; cut < 6; cut += 1) add(back + 2_000 + random() * 18_000, 'cut', device);
  add(back + 25_000, 'fast', device);
};

/**
 * Plans writes and disconnects around a backup and its restore. At the backup some changesets are not acknowledged, and
 * after the restore devices write during their client reset.
 */
const planAround = ({ random, add, devices }: PlanBuilder, backup: number, restored: number): void => {
  for (let one = 0; one < 2; one += 1) {
    const device = 1 + Math.floor(random() * devices);
    const cut = Math.max(6_000, backup - random() * 300); // All devices have been opened by then.
    add(cut - random() * 500, 'write', device);
    add(cut, 'down', device);
    add(Math.max(backup, cut) + 500 + random() * 5_000, 'up', device);
  }
  for (let device = 1; device <= devices; device += 1)
    for (let one = 0; one < 4; one += 1) add(restored + random() * 4_000, 'write', device);
};

/** Plans backups, each of which is restored once before the next. */
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

/** Creates the plan of a seed. The same options give the same plan on every machine. */
export const planOf = ({ seed, devices, minutes, theme = themes[seed % themes.length]! }: PlanOptions): Plan => {
  const random = createSeededRandom(seed);
  const duration = minutes * 60_000;
  const themed = themeSettings[theme];
  const events: PlannedEvent[] = [];
  const add: PlanBuilder['add'] = (at, act, device, tab) => {
    if (at >= duration) return;
    events.push({ at: Math.floor(at), act, device, seed: Math.floor(random() * 2 ** 31), ...(tab && { tab }) });
  };
  const planning: PlanBuilder = { random, devices, duration, add };
  for (let device = 1; device <= devices; device += 1)
    planDevice(planning, device, weightsOf(deviceWeights, themed, themed.also), themed.races ?? 0.03);
  const { serverMs = 90_000 } = themed;
  for (let at = 20_000; at < duration; at += -Math.log(1 - random()) * serverMs)
    addEvent(planning, at, drawFrom(weightsOf(serverWeights, themed), random()), 0);
  planBursts(planning, seed);
  // In a world with subscriptions the history is trimmed past a device, which must get its view as a whole.
  const isSubscribed = theme === 'subscriptions' || theme === 'scope';
  if (theme === 'snapshots' || (isSubscribed && seed % 4 === 0)) planSnapshot(planning);
  if (theme === 'scope') planScopes(planning);
  if (theme === 'tabs') planTabs(planning);
  // In one world of four the server is restored from a backup.
  planRestores(planning, themed.restores ?? (random() < 0.25 ? 1 : 0));
  if (theme !== 'tabs') planSwitches(events, planning, seed);
  // In half of the worlds the retention period is one minute.
  const forgets = seed % 2 === 0 ? { retentionMs: 60_000 } : {};
  // In half of the worlds clients wait for the backoff at once.
  const slow = seed % 4 < 2 ? {} : { quickRetry: 0 };
  const settings = { ...defaultSettings, ...slow, ...forgets, ...themed.settings };
  // A wrong server clock together with a restore of the server (D113) or of a device (D135) is not covered.
  const isRestored = theme === 'disks' || events.some(({ act }) => act === 'restore');
  const isClockWrong = !isRestored && events.some(({ act }) => act === 'server clock wrong');
  // Nor is a clone of a running machine whose own clock is wrong: see D135.
  const isCloned = events.some(({ act }) => act === 'cloned');
  // Without `permit`, no write is rejected that a device may make.
  const kept = events.filter(
    ({ act }) =>
      !(isRestored && act.startsWith('server clock')) &&
      !(isClockWrong && act === 'put back') &&
      !(isCloned && act === 'jump') &&
      !(act === 'rejectable' && !settings.hasPermit),
  );
  return { seed, theme, settings, devices, duration, events: kept.sort((a, b) => a.at - b.at) };
};
