/*
 * npm run bench -- peers [task …] [peer …] [--reps 3] [--quiet 15] [--small]: the same work with tidemark, without a
 * library (raw), and with other sync systems. See docs/BENCHMARKS.md.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineText } from '../result-table.js';
import { withTimeLimit } from './time-limits.js';
import { figures, furtherFigures, type TaskName } from './figures.js';
import { installPeers } from './install-peers.js';
import { type PeerName, peers } from './peer.js';
import type { TaskRuns } from './peer-results.js';
import { createPeerRun, fullSizes, type Seeds, smallSizes, waitForQuietMachine } from './peer-run.js';
import { type PeersOptions, readPeersOptions } from './peers-options.js';
import { countTargets, failureLinesOf, formatPeersTable } from './peers-table.js';
import type { RunFigures } from './task-steps.js';
import { tasks } from './tasks.js';

/** Compiled programs are in `.tools/bench/peers/`. Not a temporary folder: some systems have these in memory. */
const toolsFolder = join(import.meta.dirname, '..', '..');
const resultsFile = join(toolsFolder, 'peers-runs.json');

interface Run {
  readonly task: TaskName;
  readonly peer: PeerName;
  /** The percentage of the machine's processor time that other programs used. */
  readonly foreignPercent: number;
  readonly figures?: RunFigures;
  readonly error?: string;
}

/** Returns the peers that can run, and the reasons why others cannot. */
const findInstalled = async (names: readonly PeerName[]): Promise<[readonly PeerName[], readonly string[]]> => {
  if (names.every((name) => !peers[name].isInstalled)) return [names, []];
  const { error, sqliteError } = await installPeers();
  if (error !== null) {
    const installed = names.filter((name) => !peers[name].isInstalled);
    return [installed, [`The other systems could not be installed, and are left out: ${error}`]];
  }
  if (sqliteError === null || !names.includes('jazz')) return [names, []];
  return [names.filter((name) => name !== 'jazz'), [`jazz is left out, because SQLite is missing: ${sqliteError}`]];
};

const errorTextMax = 600;

const playOnce = async (
  task: TaskName,
  peer: PeerName,
  { isSmall, quietMs }: PeersOptions,
  dataFolder: string,
  seeds: Seeds,
): Promise<Run> => {
  await waitForQuietMachine(quietMs);
  const run = createPeerRun(peer, isSmall ? smallSizes : fullSizes, dataFolder, seeds);
  const { play, msMax } = tasks[task];
  let outcome: { figures: RunFigures } | { error: string };
  try {
    outcome = { figures: await withTimeLimit(play(run), msMax, 'the run') };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const further = run.errorText().slice(-errorTextMax);
    outcome = { error: further === '' ? text : `${text}\n${further}\n` };
  }
  return { task, peer, foreignPercent: await run.end(), ...outcome };
};

const failuresMax = 2;

/** Plays all runs. The peers take turns in each repetition, so that a slow phase of the machine affects all. */
const playAll = async (
  options: PeersOptions,
  peerNames: readonly PeerName[],
  dataFolder: string,
): Promise<readonly Run[]> => {
  const runs: Run[] = [];
  const seeds: Seeds = new Set();
  for (const task of options.taskNames) {
    for (let rep = 1; rep <= options.reps; rep += 1) {
      for (const peer of peerNames) {
        const errors = runs.filter((run) => run.task === task && run.peer === peer && run.error !== undefined);
        if (errors.length >= failuresMax) continue;
        const run = await playOnce(task, peer, options, dataFolder, seeds);
        runs.push(run);
        process.stderr.write(
          `${task} ${peer} ${rep}/${options.reps}: ${run.error === undefined ? 'done' : `failed: ${run.error}`}\n`,
        );
      }
    }
  }
  return runs;
};

const groupRuns = (
  all: readonly Run[],
  names: readonly TaskName[],
  peerNames: readonly PeerName[],
): readonly TaskRuns[] =>
  names.flatMap((task) =>
    peerNames.map((peer) => {
      const own = all.filter((run) => run.task === task && run.peer === peer);
      return {
        task,
        peer,
        succeeded: own.flatMap((run) => (run.figures === undefined ? [] : [run.figures])),
        errors: own.flatMap((run) => run.error ?? []),
      };
    }),
  );

const printResults = (
  options: PeersOptions,
  runs: readonly Run[],
  grouped: readonly TaskRuns[],
  peerNames: readonly PeerName[],
): void => {
  const foreign = Math.max(...runs.map(({ foreignPercent }) => foreignPercent));
  console.log(`${machineText()}; other programs used up to ${foreign} % of the processors; medians of ${options.reps}`);
  console.log(options.isSmall ? 'Much less work than the rows say, therefore no targets.\n' : '');
  const rows = options.isSmall ? figures.map((figure) => ({ ...figure, targets: {} })) : figures;
  console.log(`${formatPeersTable(grouped, rows, peerNames)}\n`);
  console.log(`${formatPeersTable(grouped, furtherFigures, peerNames)}\n`);
};

/**
 * Runs the benchmark. Returns the exit code: 1 for a failed run, a missed target or no installed peer, 2 for invalid
 * arguments.
 */
export const benchPeers = async (args: readonly string[]): Promise<number> => {
  let options: PeersOptions;
  try {
    options = readPeersOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  const [peerNames, reasons] = await findInstalled(options.peerNames);
  for (const reason of reasons) console.error(reason);
  if (peerNames.length === 0) return 1;
  const dataFolder = join(toolsFolder, `peers-data-${process.pid}`);
  mkdirSync(dataFolder, { recursive: true });
  process.on('exit', () => rmSync(dataFolder, { recursive: true, force: true, maxRetries: 10 }));

  const runs = await playAll(options, peerNames, dataFolder);
  writeFileSync(resultsFile, `${JSON.stringify({ machine: machineText(), ...options, runs }, null, 1)}\n`);
  const grouped = groupRuns(runs, options.taskNames, peerNames);
  printResults(options, runs, grouped, peerNames);
  const failures = failureLinesOf(grouped);
  const { missed, total } = options.isSmall ? { missed: 0, total: 0 } : countTargets(grouped, figures);
  for (const line of failures) console.error(line);
  if (total > 0) console.log(`${missed} of ${total} targets are missed.`);
  return failures.length + missed > 0 ? 1 : 0;
};
