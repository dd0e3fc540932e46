import { medianOf } from '../peers/statistics.js';
import { createProcessGroup, type ProcessGroup } from '../processes.js';

const weight = { bytes: 0, perPage: 0 };
/** The longest duration of one command of a process. */
const commandMsMax = 300_000;

export const groupDigits = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

export const startProcesses = (): ProcessGroup =>
  createProcessGroup('ours', weight, new Map(), { actionMsMax: commandMsMax, flags: process.execArgv });

/** Runs a measurement with processes of its own, and ends them. */
export const runWithProcesses = async <A>(measure: (processes: ProcessGroup) => Promise<A>): Promise<A> => {
  const processes = startProcesses();
  try {
    const measured = await measure(processes);
    await processes.end(); // A profile is written at the end.
    return measured;
  } finally {
    processes.close();
  }
};

/**
 * Runs rounds of several sides, which take turns, so that a machine that becomes slower affects all. Returns the
 * median of each figure of each side.
 */
export const runRounds = async (
  sides: readonly (() => Promise<readonly number[]>)[],
  rounds: number,
  warmUps: number,
): Promise<readonly (readonly number[])[]> => {
  const figures = sides.map((): (readonly number[])[] => []);
  for (let round = -warmUps; round < rounds; round += 1)
    for (const [at, side] of sides.entries()) {
      const found = await side();
      if (round >= 0) figures[at]?.push(found);
    }
  return figures.map((all) => (all[0] ?? []).map((_, at) => medianOf(all.map((each) => each[at] ?? NaN))));
};
