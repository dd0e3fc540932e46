import { formatSpan } from './recording-format.js';

/** One value of a stream, or its end. Milliseconds from the beginning of the recording. */
export interface Note {
  readonly at: number;
  readonly text: string;
}

/** A stream of a recording, in order. */
export interface Track {
  readonly name: string;
  /** Letters that stand for the same words everywhere; without, each part of the text has its own. */
  readonly letters: ReadonlyMap<string, string> | null;
  readonly notes: readonly Note[];
}

/** The words of an end, and how diagrams have it. */
const ends: ReadonlyMap<string, string> = new Map([
  ['|', '|'],
  ['#', '#'],
]);

/** What happened at one moment, by the name of its stream. */
interface Column {
  readonly at: number;
  readonly cells: ReadonlyMap<string, readonly string[]>;
}

/** Columns that stand on one line. */
interface DiagramSection {
  readonly at: number;
  readonly columns: readonly Column[];
  readonly width: number;
  /** Values in the longest cell of each column, all together: no stream has more here. */
  readonly values: number;
}

/** Characters of a line's diagram: with the names before it, what most windows show. */
const widthMax = 100;
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** Values of one stream at one moment that stand in one group: more go into a line of their own. */
const groupMax = 12;
/** Frames that are drawn, not counted. */
const dashesMax = 4;

const groupsOf = (notes: readonly Note[]): ReadonlyMap<number, readonly string[][]> => {
  const groups = new Map<number, string[][]>();
  for (const { at, text } of notes) {
    const here = groups.get(at) ?? [];
    const last = here.at(-1);
    if (last && last.length < groupMax) last.push(text);
    else here.push([text]);
    groups.set(at, here);
  }
  return groups;
};

/** All streams side by side: a column for each moment, several for one that does not fit. */
const columnsOf = (tracks: readonly Track[]): readonly Column[] => {
  const groups = tracks.map(({ name, notes }) => ({ name, at: groupsOf(notes) }));
  const times = [...new Set(groups.flatMap(({ at }) => [...at.keys()]))].sort((a, b) => a - b);
  return times.flatMap((time) => {
    const here = groups.map(({ name, at }) => ({ name, cells: at.get(time) ?? [] }));
    const deepest = Math.max(...here.map(({ cells }) => cells.length));
    return Array.from({ length: deepest }, (_, depth): Column => ({
      at: time,
      cells: new Map(here.flatMap(({ name, cells }) => (cells[depth] ? [[name, cells[depth]] as const] : []))),
    }));
  });
};

const cellWidth = (cell: readonly string[]): number => (cell.length > 1 ? cell.length + 2 : 1);
const longestCellOf = ({ cells }: Column, of: (cell: readonly string[]) => number): number =>
  Math.max(...[...cells.values()].map(of));
const columnWidth = (column: Column): number => longestCellOf(column, cellWidth);

/** What stands between two moments: each takes one frame, the rest is nothing. */
const gapTextOf = (from: number, to: number): string => {
  const empty = to - from - 1;
  return empty <= dashesMax ? '-'.repeat(empty) : ` ${formatSpan(empty)} `;
};

const sectionsOf = (columns: readonly Column[]): readonly DiagramSection[] => {
  const all: DiagramSection[] = [];
  for (const column of columns) {
    const last = all.at(-1);
    const before = last?.columns.at(-1);
    const width = columnWidth(column);
    const values = longestCellOf(column, ({ length }) => length);
    const fits =
      last &&
      before &&
      before.at !== column.at && // Two columns of one moment are told apart by standing in two parts.
      last.width + gapTextOf(before.at, column.at).length + width <= widthMax &&
      last.values + values <= alphabet.length;
    if (fits)
      all[all.length - 1] = {
        ...last,
        columns: [...last.columns, column],
        width: last.width + gapTextOf(before.at, column.at).length + width,
        values: last.values + values,
      };
    else all.push({ at: column.at, columns: [column], width, values });
  }
  return all;
};

const lettersOf = ({ columns }: DiagramSection, { name, letters }: Track): ReadonlyMap<string, string> => {
  if (letters) return letters;
  const words = new Set(columns.flatMap(({ cells }) => cells.get(name) ?? []));
  return new Map([...words].filter((each) => !ends.has(each)).map((each, index) => [each, alphabet.charAt(index)]));
};

const drawCell = (cell: readonly string[], letters: ReadonlyMap<string, string>): string => {
  const text = cell.map((words) => ends.get(words) ?? letters.get(words) ?? '?').join('');
  return cell.length > 1 ? `(${text})` : text;
};

/** Frames behind the last thing that happens say nothing. */
const trimRest = (line: string): string => line.replace(/(?: |-|(?<= )[0-9.]+(?:ms|s|m)(?= |$))+$/, '');

const lineOf = ({ columns }: DiagramSection, { name }: Track, letters: ReadonlyMap<string, string>): string => {
  const drawing = columns.map((column, index) => {
    const before = columns[index - 1];
    const cell = column.cells.get(name);
    const text = (cell ? drawCell(cell, letters) : '-').padEnd(columnWidth(column));
    return before ? gapTextOf(before.at, column.at) + text : text;
  });
  return trimRest(drawing.join(''));
};

const sectionTextOf = (staff: DiagramSection, tracks: readonly Track[]): string => {
  const heard = tracks.filter(({ name }) => staff.columns.some(({ cells }) => cells.has(name)));
  const nameWidth = Math.max(...heard.map(({ name }) => name.length));
  const parts = heard.map((track) => ({ track, letters: lettersOf(staff, track) }));
  return [
    `at ${formatSpan(staff.at)}`,
    ...parts.map(({ track, letters }) => `${track.name.padEnd(nameWidth)}  ${lineOf(staff, track, letters)}`),
    ...parts.flatMap(({ track, letters }) =>
      track.letters ? [] : [...letters].map(([words, letter]) => `${track.name} ${letter}: ${words}`),
    ),
  ].join('\n');
};

/**
 * Streams as marble diagrams under each other, part by part as on sheets of music. One column is one moment and takes
 * one frame of a millisecond, a group as well; a stream in which nothing happens is not in a part. Behind each part it
 * says what its letters mean.
 */
export const drawSections = (tracks: readonly Track[]): readonly string[] =>
  sectionsOf(columnsOf(tracks)).map((staff) => sectionTextOf(staff, tracks));
