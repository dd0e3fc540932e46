import { parseArgs } from 'node:util';
import { isTaskName, type TaskName, taskNames } from './figures.js';
import { defaultPeers, isPeerName, type PeerName, peers } from './peer.js';

export interface PeersOptions {
  readonly taskNames: readonly TaskName[];
  readonly peerNames: readonly PeerName[];
  readonly reps: number;
  readonly isSmall: boolean;
  /** The longest wait before each run until other programs leave the machine idle. */
  readonly quietMs: number;
}

const readNumber = (name: string, given: string, least: number): number => {
  const value = Number(given);
  if (given !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`--${name} must be a whole number from ${least}, received "${given}".`);
};

/**
 * Reads the arguments: names of tasks and peers in any order, and options.
 *
 * @throws Error for an unknown name, an unknown option or an invalid value.
 */
export const readPeersOptions = (args: readonly string[]): PeersOptions => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      reps: { type: 'string' },
      small: { type: 'boolean', default: false },
      quiet: { type: 'string' },
    },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !isTaskName(name) && !isPeerName(name));
  if (unknown.length > 0) {
    const known = [...taskNames, ...Object.keys(peers)].join(', ');
    throw new RangeError(`A task or a peer must be one of ${known}, received "${unknown.join('", "')}".`);
  }
  const [wantedTasks, wantedPeers] = [positionals.filter(isTaskName), positionals.filter(isPeerName)];
  return {
    taskNames: wantedTasks.length === 0 ? taskNames : wantedTasks,
    peerNames: wantedPeers.length === 0 ? defaultPeers : wantedPeers,
    reps: readNumber('reps', values.reps ?? (values.small ? '1' : '3'), 1),
    isSmall: values.small,
    quietMs: readNumber('quiet', values.quiet ?? (values.small ? '0' : '15'), 0) * 1_000,
  };
};
