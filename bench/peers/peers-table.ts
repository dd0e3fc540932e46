import type { Figure } from './figures.js';
import type { PeerName } from './peer.js';
import { isMissed, ratioOf, targetOf, type TaskRuns, valueOf } from './peer-results.js';

const formatNumber = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

const boundsText = (figure: Figure, peer: PeerName): string => {
  const { ratioMax, isBelowYjs = false, valueMax } = targetOf(figure, peer) ?? {};
  const bounds = [
    ...(ratioMax === undefined ? [] : [`≤ ${ratioMax}×`]),
    ...(isBelowYjs ? ['< yjs'] : []),
    ...(valueMax === undefined ? [] : [`≤ ${valueMax}`]),
  ];
  return bounds.length === 0 ? '' : ` (${bounds.join(', ')})`;
};

const cellOf = (runs: readonly TaskRuns[], figure: Figure, peer: PeerName): string => {
  const value = valueOf(runs, figure, peer);
  if (value === undefined) return '–';
  if (Number.isNaN(value)) return 'failed';
  const ratio = ratioOf(runs, figure, peer);
  const ratioText = ratio === undefined ? '' : ` = ${formatNumber(ratio)}×`;
  return `${formatNumber(value)}${ratioText}${boundsText(figure, peer)}${isMissed(runs, figure, peer) ? ' MISSED' : ''}`;
};

/** Lays out cells in columns: the first one to the left, the others to the right. */
const alignColumns = (lines: readonly (readonly string[])[]): string => {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const alignColumns = (line: readonly string[]): string =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
  return lines.map(alignColumns).join('\n');
};

/** Returns a table with a row for each measured figure and a column for each peer. `×` is the ratio to raw. */
export const formatPeersTable = (
  runs: readonly TaskRuns[],
  rows: readonly Figure[],
  columns: readonly PeerName[],
): string => {
  const measured = rows.filter(({ task }) => runs.some((each) => each.task === task));
  return alignColumns([
    ['', ...columns],
    ...measured.map((figure) => [figure.label, ...columns.map((peer) => cellOf(runs, figure, peer))]),
  ]);
};

/** Returns a line for each failed run. */
export const failureLinesOf = (runs: readonly TaskRuns[]): readonly string[] =>
  runs.flatMap(({ task, peer, errors }) => errors.map((error) => `${task} with ${peer} failed: ${error}`));

/** Returns how many targets of the measured figures are missed, and how many there are. */
export const countTargets = (
  runs: readonly TaskRuns[],
  rows: readonly Figure[],
): { readonly missed: number; readonly total: number } => {
  const judged = (['tidemark', 'tidemark-memory'] as const).flatMap((peer) =>
    rows
      .filter((figure) => targetOf(figure, peer) !== undefined && valueOf(runs, figure, peer) !== undefined)
      .map((figure) => isMissed(runs, figure, peer)),
  );
  return { missed: judged.filter(Boolean).length, total: judged.length };
};
