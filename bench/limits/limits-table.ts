/** One figure of tidemark with what it is compared with. */
export interface LimitRow {
  readonly label: string;
  readonly value: number;
  /** The raw figure, or another figure that the value is divided by. */
  readonly beside: number | null;
  /** The target: a largest ratio, a largest value, or null for a row that is only for information. */
  readonly target: { readonly ratioMax: number } | { readonly valueMax: number } | null;
}

const ratioOf = ({ value, beside }: LimitRow): number => value / (beside ?? NaN);

/** Whether a row has a target and does not reach it. A figure that is not a number never reaches one. */
export const isLimitMissed = (row: LimitRow): boolean => {
  const { target, value } = row;
  if (target === null) return false;
  return !('ratioMax' in target ? ratioOf(row) <= target.ratioMax : value <= target.valueMax);
};

const formatNumber = (value: number): string =>
  Number.isNaN(value) ? 'failed' : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

const targetTextOf = ({ target }: LimitRow): string => {
  if (target === null) return 'information';
  return 'ratioMax' in target ? `≤ ${target.ratioMax}×` : `≤ ${target.valueMax}`;
};

const cellsOf = (row: LimitRow): readonly string[] => [
  row.label,
  formatNumber(row.value),
  row.beside === null ? '–' : formatNumber(row.beside),
  row.beside === null ? '–' : `${formatNumber(ratioOf(row))}×`,
  `${targetTextOf(row)}${isLimitMissed(row) ? ' MISSED' : ''}`,
];

/** Returns a table with a row for each figure. */
export const formatLimitsTable = (rows: readonly LimitRow[]): string => {
  const lines = [['', 'tidemark', 'beside', 'ratio', 'target'], ...rows.map(cellsOf)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : at < 4 ? cell.padStart(widths[at] ?? 0) : cell))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
