import { columnsOf, drawGroup, splitColumns, type MarbleRow } from '../lib/model/marble-drawing.js';
import { stateLetters } from '../lib/testing/marble-letters.js';
import { formatList, widthMax } from './wrap-lines.js';
import { chooseEvents, type RecordedEvent } from './recorded-events.js';

/*
 * Draws the recorded events as marble diagrams, one row for each stream and connection. Time runs to the right. All
 * rows have the same columns, one for each moment that is shown. Columns that do not fit into one line continue below.
 * The row below each part gives the times of its columns.
 */

/**
 * States have the same letters as in marble tests. Common events have a letter of their own that is easy to remember.
 */
const letters = new Map<string, string>([
  ...Object.entries(stateLetters).map(([letter, state]) => [state, letter] as const),
  ['dial', '?'],
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
/** Code of the first character that is used when all letters of the alphabet are taken. */
const extraLettersFrom = 0xc0;

/**
 * Assigns a letter to each value, all different: its own letter, or the first free one of its text or of the alphabet.
 */
const lettersOf = (values: readonly string[]): ReadonlyMap<string, string> => {
  const all = [...new Set(values)];
  const given = new Map(all.flatMap((value) => (letters.has(value) ? [[value, letters.get(value)!] as const] : [])));
  const taken = new Set(given.values());
  for (const value of all) {
    if (given.has(value)) continue;
    const inIt = Array.from(value).filter((letter) => alphabet.includes(letter));
    const letter =
      [...inIt, ...alphabet].find((each) => !taken.has(each)) ?? String.fromCharCode(extraLettersFrom + taken.size);
    given.set(value, letter);
    taken.add(letter);
  }
  return new Map(all.map((value) => [value, given.get(value)!]));
};

/** Letters that are drawn in one cell. The others are counted. */
const cellMax = 40;
/** Values in the legend: a burst of writes would make it longer than the diagram. */
const legendMax = 60;
/** Characters of a row's name that are drawn. */
const nameMax = 24;
/** Characters of a value in the legend. */
const valueMax = 90;

const shorten = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

const timeOf = (ms: number): string =>
  ms >= 60_000 ? `${(ms / 60_000).toFixed(1)}m` : ms >= 1_000 ? `${(ms / 1_000).toFixed(1)}s` : `${Math.round(ms)}ms`;

/** A column as it is drawn. */
interface Column {
  readonly at: number;
  /** Milliseconds since the column before; `null` in the first column. */
  readonly gap: number | null;
  /** Text of each row that has an event at this moment. */
  readonly cells: ReadonlyMap<string, string>;
  readonly width: number;
}

const cellOf = (letters: readonly string[]): string => {
  const more = letters.length - cellMax;
  return drawGroup(more > 0 ? [...letters.slice(0, cellMax), `+${more}`] : letters);
};

const drawnColumnsOf = (rows: readonly MarbleRow[]): readonly Column[] => {
  const moments = columnsOf(rows);
  return moments.map(({ at, cells }, index) => {
    const drawn = new Map([...cells].map(([row, letters]) => [row, cellOf(letters)]));
    const before = moments[index - 1];
    const width = Math.max(...[...drawn.values()].map(({ length }) => length)) + 1;
    return { at, gap: before ? at - before.at : null, cells: drawn, width };
  });
};

/** Splits columns into parts that fit beside the names. */
const partsOf = (columns: readonly Column[], widthLeft: number): readonly (readonly Column[])[] =>
  splitColumns<Column, number>(columns, ({ width }, last) => {
    const sum = (last?.[0] ?? 0) + width;
    return last === null || sum <= widthLeft ? sum : null;
  });

const drawPart = (part: readonly Column[], names: readonly string[], nameWidth: number): readonly string[] => {
  const shown = names.filter((row) => part.some(({ cells }) => cells.has(row)));
  const lines = shown.map((row) => {
    const drawn = part.map(({ cells, width }) => (cells.get(row) ?? '').padEnd(width, '-')).join('');
    return `${shorten(row, nameMax).padEnd(nameWidth)} ${drawn}`;
  });
  const [first] = part;
  const times = part.slice(1).map(({ gap }) => timeOf(gap ?? 0)); // The first column shows its own time.
  return [
    ...lines,
    '',
    ...formatList('columns: ', [`from ${((first?.at ?? 0) / 1_000).toFixed(3)} s`, ...times], ' later'),
  ];
};

/** Draws the chosen moments with their times and a legend. `about` names the objects concerned. */
export const diagramsOf = (all: readonly RecordedEvent[], about: readonly string[] = []): string => {
  const recorded = chooseEvents(all, about);
  if (recorded.length === 0) return 'no events were recorded';
  const legend = lettersOf(recorded.map(({ value }) => value));
  const names = [...new Set(recorded.map(({ row }) => row))].sort();
  const rows = names.map((name) => ({
    name,
    marks: recorded.filter(({ row }) => row === name).map(({ at, value }) => ({ at, text: legend.get(value)! })),
  }));
  const nameWidth = Math.max(8, ...names.map(({ length }) => Math.min(nameMax, length)));
  const parts = partsOf(drawnColumnsOf(rows), widthMax - nameWidth - 1);
  const meaning = [...legend].map(([value, letter]) => `${letter} ${shorten(value, valueMax)}`);
  const more = meaning.length > legendMax ? [`and ${meaning.length - legendMax} more`] : [];
  const drawn = parts.flatMap((part) => [...drawPart(part, names, nameWidth), '']).slice(0, -1);
  return [...drawn, ...formatList('letters: ', [...meaning.slice(0, legendMax), ...more])].join('\n');
};
