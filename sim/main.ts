/*
 * `npm run simulate -- [--seeds N] [--from N] [--replicas N] [--minutes N] [--twice]` plays worlds of devices, a server
 * and a bad network in virtual time, each from a seed, and checks the invariants in all of them. Every tenth seed is
 * played once more with several tabs on some devices, every tenth with subscriptions on some, and every tenth with
 * users who see a part of the realm; `--theme tabs`, `--theme subscriptions` and `--theme scope` play only such worlds.
 * `--seed N` plays one world exactly as it is played among others. `--planted` plants known bugs one by one and has to
 * find each (`--bug text`: only those whose names contain the text).
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { diagramsOf } from './event-diagram.js';
import { planOf } from './plan.js';
import { findPlantedBugs } from './find-planted-bugs.js';
import { reportOf } from './failure-report.js';
import { themeSettings, type Theme } from './themes.js';
import { playWorld } from './world.js';

const { values: set } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    replicas: { type: 'string', default: '5' },
    minutes: { type: 'string', default: '10' },
    /** All worlds have this theme. By default each theme in turns, and the three others for some seeds as well. */
    theme: { type: 'string' },
    twice: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    /** With `--planted`: only bugs whose names contain this text. */
    bug: { type: 'string', default: '' },
    /** Runs a process that plays the seeds it receives, until it receives 'end'. */
    worker: { type: 'boolean', default: false },
  },
});

const readCount = (name: 'seeds' | 'from' | 'seed' | 'replicas' | 'minutes', least: number): number => {
  const value = Number(set[name]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  process.stderr.write(`simulate: --${name} must be a whole number from ${least}, received "${set[name]}"\n`);
  process.exit(2);
};

const readTheme = (): { readonly theme?: Theme } => {
  const { theme } = set;
  if (theme === undefined) return {};
  if (Object.hasOwn(themeSettings, theme)) return { theme: theme as Theme };
  process.stderr.write(`simulate: --theme must be one of ${Object.keys(themeSettings).join(', ')}\n`);
  process.exit(2);
};

const options = { devices: readCount('replicas', 1), minutes: readCount('minutes', 1), ...readTheme() };
set.seeds ??= set.planted ? '200' : '100';
const seeds = set.seed === undefined ? readCount('seeds', 1) : 1;
const first = set.seed === undefined ? readCount('from', 0) : readCount('seed', 0);

/** Of this many seeds one is also played with each of the additional themes. So a seed keeps its world. */
const extraInterval = 10;

const extraThemes = new Map<number, Theme>([
  [0, 'tabs'],
  [5, 'subscriptions'],
  [9, 'scope'],
]);

/** A world to play. Without a theme: the theme of its seed, or that of `--theme`. */
interface SeedTask {
  readonly seed: number;
  readonly theme?: Theme;
}

/** Result of one seed. */
interface SeedResult {
  readonly seed: number;
  readonly hash: string;
  readonly broken: string | null;
}

const playOne = async ({ seed, ...themed }: SeedTask): Promise<SeedResult> => {
  const plan = planOf({ seed, ...options, ...themed });
  const { broken, hash } = await playWorld(plan);
  if (broken) return { seed, hash, broken: set.brief ? broken.promise : await reportOf(plan, broken) };
  if (set.twice && (await playWorld(plan)).hash !== hash)
    return {
      seed,
      hash,
      broken: `seed ${seed}: played twice with different results. Time or random numbers came from outside the world`,
    };
  return { seed, hash, broken: null };
};

const work = (): void => {
  process.on('message', (next: SeedTask | 'end') => {
    if (next === 'end') process.disconnect();
    else void playOne(next).then((one) => process.send?.(one));
  });
};

/**
 * A larger young generation: a world creates many short-lived objects, and collecting them took a tenth of its time.
 */
const execArgv = ['--max-semi-space-size=64'];

const tasksOf = (): readonly SeedTask[] =>
  Array.from({ length: seeds }, (_, at) => first + at).flatMap((seed): SeedTask[] => {
    const theme = options.theme === undefined ? extraThemes.get(seed % extraInterval) : undefined;
    return theme === undefined ? [{ seed }] : [{ seed }, { seed, theme }];
  });

/**
 * Plays the seeds in a process for each core. A process gets its next seed when it is free: worlds take different
 * times.
 */
const playAll = async (): Promise<readonly SeedResult[]> => {
  const all: SeedResult[] = [];
  const tasks = tasksOf().values();
  const nextSeed = (): SeedTask | 'end' => tasks.next().value ?? 'end';
  const runWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--worker'], { execArgv });
      child.send(nextSeed());
      child.on('message', (one: SeedResult) => {
        all.push(one);
        if (one.broken) console.log(`\n${one.broken}\n`);
        child.send(nextSeed());
      });
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`))));
    });
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), seeds) }, runWorker));
  return all;
};

const simulate = async (): Promise<void> => {
  const began = performance.now();
  const all = await playAll();
  const broken = all.filter((each) => each.broken !== null).sort((a, b) => a.seed - b.seed);
  const minutes = all.length * options.minutes;
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(
    `simulate: ${all.length} worlds, ${options.devices} replicas, ${minutes} virtual minutes in ${seconds} s${set.twice ? ', each played twice' : ''}: ` +
      (broken.length === 0 ? 'every invariant held' : `broken in seeds ${broken.map(({ seed }) => seed).join(', ')}`),
  );
  if (broken.length > 0 || all.length < tasksOf().length) process.exitCode = 1;
};

const playSeed = async (): Promise<void> => {
  const plan = planOf({ seed: first, ...options });
  const { broken, hash, recorded, writes } = await playWorld(plan);
  console.log(broken ? await reportOf(plan, broken) : diagramsOf(recorded));
  console.log(
    `\nseed ${first}: ${plan.events.length} events, ${writes} of them writes; trace ${hash}; ${broken ? 'broken' : 'every invariant held'}`,
  );
  if (broken) process.exitCode = 1;
};

if (set.worker) work();
else if (set.planted) process.exitCode = await findPlantedBugs(seeds, set.bug);
else if (set.seed !== undefined) await playSeed();
else await simulate();
