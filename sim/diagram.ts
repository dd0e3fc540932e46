import type { Seen } from './world.js';

/*
 * What was seen as marble diagrams, a row for every stream and wire. Time runs to the right, and all rows have the same columns: one for each moment in
 * which anything happened at all. The first row says when.
 */

const letters: Readonly<Record<string, string>> = {
  disconnected: 'd',
  connecting: 'c',
  connected: 'C',
  active: 'a',
  inactive: 'i',
  dying: 'y',
  paused: 'p',
  waitingForAccessToken: 'w',
  call: 'c',
  open: 'o',
  cut: 'x',
  'half-open': 'h',
  unreachable: 'u',
  end: '|',
  closed: '|',
  killed: 'k',
  power: 'k',
  done: '!',
  up: 'o',
  restarting: 'r',
  ended: '|',
  backup: 'b',
  restore: 'R',
};

/** Moments that are drawn: the last ones, which is where something broke. */
const momentsMax = 60;

const timeOf = (ms: number): string =>
  ms >= 60_000 ? `${(ms / 60_000).toFixed(1)}m` : ms >= 1_000 ? `${(ms / 1_000).toFixed(1)}s` : `${Math.round(ms)}ms`;

/** Diagrams of the last moments, and what their letters mean. */
export const diagramsOf = (seen: readonly Seen[]): string => {
  const moments = [...new Set(seen.map(({ at }) => at))].slice(-momentsMax);
  const first = moments[0] ?? 0;
  const shown = seen.filter(({ at }) => at >= first);
  const legend = new Map<string, string>();
  const letterOf = (value: string): string => {
    const letter = letters[value] ?? value[0] ?? '?';
    legend.set(letter, legend.has(letter) && legend.get(letter) !== value ? `${legend.get(letter)}/${value}` : value);
    return letter;
  };
  const rows = [...new Set(shown.map(({ row }) => row))].sort();
  const cells = rows.map((row) =>
    moments.map((moment) => {
      const values = shown.filter((each) => each.row === row && each.at === moment).map(({ value }) => letterOf(value));
      return values.length > 1 ? `(${values.join('')})` : (values[0] ?? '');
    }),
  );
  const widths = moments.map((_, at) => Math.max(1, ...cells.map((row) => row[at]?.length ?? 0)));
  const name = Math.max(8, ...rows.map(({ length }) => length));
  const gaps = moments.map((moment, at) =>
    at === 0 ? `from ${timeOf(moment)}` : timeOf(moment - (moments[at - 1] ?? 0)),
  );
  const lines = rows.map(
    (row, index) =>
      `${row.padEnd(name)} ${(cells[index] ?? []).map((cell, at) => cell.padEnd((widths[at] ?? 1) + 1, '-')).join('')}`,
  );
  const meaning = [...legend].map(([letter, value]) => `${letter} ${value}`).join(', ');
  return [...lines, '', `columns: ${gaps.join(', ')} later`, `letters: ${meaning}`].join('\n');
};
