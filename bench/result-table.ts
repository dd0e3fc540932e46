import { cpus } from 'node:os';
import type { Peaks, Side } from './processes.js';

/** The figures of all rounds of tidemark and raw, by name. */
export type Measured = Map<string, Readonly<Record<Side, number[]>>>;

export interface Row {
  readonly name: string;
  readonly cells: readonly [ours: string, raw: string];
  readonly ratio: number;
}

export const machineText = (): string =>
  `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}`;

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
};
const formatNumber = (value: number): string => value.toFixed(value < 100 ? 1 : 0);
const rangeTextOf = (values: readonly number[]): string =>
  `${formatNumber(median(values))} (${formatNumber(Math.min(...values))}–${formatNumber(Math.max(...values))})`;

/** Medians, with minimum and maximum. */
export const rowsOf = (measured: Measured): Row[] =>
  [...measured].map(([name, { ours, raw }]) => ({
    name,
    cells: [rangeTextOf(ours), rangeTextOf(raw)],
    ratio: median(ours) / median(raw),
  }));

/** The peak memory of each role over all parts. */
export const memoryRowsOf = (peaks: Peaks): Row[] =>
  ['server', 'writer', 'reader'].map((role) => {
    const [ours, raw] = [peaks.get(`ours ${role}`) ?? NaN, peaks.get(`raw ${role}`) ?? NaN];
    return {
      name: `peak memory of the ${role}, MB`,
      cells: [formatNumber(ours / 1_024), formatNumber(raw / 1_024)],
      ratio: ours / raw,
    };
  });

/** The rows as plain text, in columns. */
export const formatTable = (rows: readonly Row[]): string => {
  const lines = [
    ['', 'ours', 'raw', 'ours : raw'],
    ...rows.map(({ name, cells, ratio }) => [name, ...cells, ratio.toFixed(2)]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const alignColumns = (line: readonly string[]): string =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return lines.map(alignColumns).join('\n');
};
