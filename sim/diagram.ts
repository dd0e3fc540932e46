import { stateLetters } from '../lib/testing/letters.js';
import type { Seen } from './world.js';

/*
 * What was seen as marble diagrams, a row for every stream and wire. Time runs to the right, and all rows have the same columns: one for each moment in
 * which anything happened at all. The row below them says when.
 */

/** States have the letters that they have in marble tests, and what is common one of its own that is easy to remember. */
const letters = new Map<string, string>([
  ...Object.entries(stateLetters).map(([letter, state]) => [state, letter] as const),
  ['call', '?'],
  ['open', 'o'],
  ['cut', 'x'],
  ['half-open', 'h'],
  ['unreachable', 'u'],
  ['end', '|'],
  ['closed', ']'],
  ['killed', 'k'],
  ['power', 'K'],
  ['done', '!'],
  ['up', '^'],
  ['restarting', 'r'],
  ['ended', 'e'],
  ['backup', 'b'],
  ['restore', 'R'],
]);

const alphabet = Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789');
/** Of more values than there are letters, the next has the next character from here on. */
const strange = 0xc0;

/** A letter for each of the values, and never one for two: its own, or the first that is free of those in it and of all. */
const lettersOf = (values: readonly string[]): ReadonlyMap<string, string> => {
  const all = [...new Set(values)];
  const given = new Map(all.flatMap((value) => (letters.has(value) ? [[value, letters.get(value)!] as const] : [])));
  const taken = new Set(given.values());
  for (const value of all) {
    if (given.has(value)) continue;
    const inIt = Array.from(value).filter((letter) => alphabet.includes(letter));
    const letter = [...inIt, ...alphabet].find((each) => !taken.has(each)) ?? String.fromCharCode(strange + taken.size);
    given.set(value, letter);
    taken.add(letter);
  }
  return new Map(all.map((value) => [value, given.get(value)!]));
};

/** Moments that are drawn: the last ones, which is where something broke. */
const momentsMax = 60;

const timeOf = (ms: number): string =>
  ms >= 60_000 ? `${(ms / 60_000).toFixed(1)}m` : ms >= 1_000 ? `${(ms / 1_000).toFixed(1)}s` : `${Math.round(ms)}ms`;

/** Diagrams of the last moments, when they were, and what their letters mean. */
export const diagramsOf = (seen: readonly Seen[]): string => {
  if (seen.length === 0) return 'nothing was seen';
  const moments = [...new Set(seen.map(({ at }) => at))].slice(-momentsMax);
  const first = moments[0] ?? 0;
  const shown = seen.filter(({ at }) => at >= first);
  const legend = lettersOf(shown.map(({ value }) => value));
  const rows = [...new Set(shown.map(({ row }) => row))].sort();
  const cells = rows.map((row) =>
    moments.map((moment) => {
      const values = shown
        .filter((each) => each.row === row && each.at === moment)
        .map(({ value }) => legend.get(value)!);
      return values.length > 1 ? `(${values.join('')})` : (values[0] ?? '');
    }),
  );
  const widths = moments.map((_, at) => Math.max(1, ...cells.map((row) => row[at]?.length ?? 0)));
  const name = Math.max(8, ...rows.map(({ length }) => length));
  const gaps = moments.map((moment, at) =>
    at === 0 ? `from ${(moment / 1_000).toFixed(3)} s` : timeOf(moment - (moments[at - 1] ?? 0)),
  );
  const lines = rows.map(
    (row, index) =>
      `${row.padEnd(name)} ${(cells[index] ?? []).map((cell, at) => cell.padEnd((widths[at] ?? 1) + 1, '-')).join('')}`,
  );
  const meaning = [...legend].map(([value, letter]) => `${letter} ${value}`).join(', ');
  return [...lines, '', `columns: ${gaps.join(', ')} later`, `letters: ${meaning}`].join('\n');
};
