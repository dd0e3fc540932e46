import type { Figure, Target, TaskName } from './figures.js';
import type { PeerName } from './peer.js';
import { medianOf } from './statistics.js';

/** All runs of one task with one peer. */
export interface TaskRuns {
  readonly task: TaskName;
  readonly peer: PeerName;
  /** The figures of each run that succeeded. */
  readonly succeeded: readonly Readonly<Record<string, number>>[];
  /** The error of each run that failed. */
  readonly errors: readonly string[];
}

/** Returns the figure of a peer: undefined when it was not measured, NaN when half of its runs failed. */
export const valueOf = (runs: readonly TaskRuns[], figure: Figure, peer: PeerName): number | undefined => {
  const found = runs.find((each) => each.task === figure.task && each.peer === peer);
  if (found === undefined) return undefined;
  if (found.succeeded.length <= found.errors.length) return NaN;
  const values = found.succeeded.map((figures) => figures[figure.key] ?? NaN).filter((value) => !Number.isNaN(value));
  if (values.length === 0) return undefined;
  return figure.combine === 'max' ? Math.max(...values) : medianOf(values);
};

/** Returns how many times the figure of raw this is; undefined when there is nothing to compare. */
export const ratioOf = (runs: readonly TaskRuns[], figure: Figure, peer: PeerName): number | undefined => {
  const [value, raw] = [valueOf(runs, figure, peer), valueOf(runs, figure, 'raw')];
  return value === undefined || raw === undefined || !(raw > 0) || peer === 'raw' ? undefined : value / raw;
};

/** Returns the bounds of a figure for a peer. Only tidemark has some. */
export const targetOf = (figure: Figure, peer: PeerName): Target | undefined =>
  peer === 'tidemark' ? figure.targets.disk : peer === 'tidemark-memory' ? figure.targets.memory : undefined;

/** Whether a figure exceeds its bounds. A bound without the figure that it compares with is not missed. */
export const isMissed = (runs: readonly TaskRuns[], figure: Figure, peer: PeerName): boolean => {
  const { ratioMax = Infinity, valueMax = Infinity, isBelowYjs = false } = targetOf(figure, peer) ?? {};
  const value = valueOf(runs, figure, peer) ?? -Infinity;
  const yjs = isBelowYjs ? (valueOf(runs, figure, 'yjs') ?? Infinity) : Infinity;
  return (ratioOf(runs, figure, peer) ?? 0) > ratioMax || value > valueMax || value >= yjs;
};
