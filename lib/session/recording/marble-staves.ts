import { formatSpan } from './recording-format.js';

/** One value of a stream, or its end. `at`: milliseconds from the beginning of the recording. */
export interface Note {
  readonly at: number;
  readonly text: string;
}

/** A stream of a recording, in order. */
export interface Track {
  readonly name: string;
  /** Letters that mean the same text in all sections. `null`: each section has its own letters. */
  readonly letters: ReadonlyMap<string, string> | null;
  readonly notes: readonly Note[];
}

/** The end of a stream, as text and as a marble. */
const ends: ReadonlyMap<string, string> = new Map([
  ['|', '|'],
  ['#', '#'],
]);

/** The values of one moment, by the name of their stream. */
interface Column {
  readonly at: number;
  readonly cells: ReadonlyMap<string, readonly string[]>;
}

/** Consecutive columns that are drawn under each other, one line per stream. */
interface DiagramSection {
  readonly at: number;
  readonly columns: readonly Column[];
  readonly width: number;
  /** Sum over all columns of the values in their longest cell. No stream has more values in this section. */
  readonly values: number;
}

/** Columns of a diagram's line. With the name of the stream, most windows show them. */
const widthMax = 100;
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** Values of one stream at one moment in one group. More values are drawn in a section of their own. */
const groupMax = 12;
/** Empty frames that are drawn as dashes. Longer gaps are written as a duration. */
const dashesMax = 4;

const groupsOf = (notes: readonly Note[]): ReadonlyMap<number, readonly string[][]> => {
  const groups = new Map<number, string[][]>();
  for (const { at, text } of notes) {
    const valuesNow = groups.get(at) ?? [];
    const last = valuesNow.at(-1);
    if (last && last.length < groupMax) last.push(text);
    else valuesNow.push([text]);
    groups.set(at, valuesNow);
  }
  return groups;
};

/** Returns a column for each moment, and several for a moment whose values do not fit into one group. */
const columnsOf = (tracks: readonly Track[]): readonly Column[] => {
  const groups = tracks.map(({ name, notes }) => ({ name, at: groupsOf(notes) }));
  const times = [...new Set(groups.flatMap(({ at }) => [...at.keys()]))].sort((a, b) => a - b);
  return times.flatMap((time) => {
    const valuesNow = groups.map(({ name, at }) => ({ name, cells: at.get(time) ?? [] }));
    const deepest = Math.max(...valuesNow.map(({ cells }) => cells.length));
    return Array.from({ length: deepest }, (_, depth): Column => ({
      at: time,
      cells: new Map(valuesNow.flatMap(({ name, cells }) => (cells[depth] ? [[name, cells[depth]] as const] : []))),
    }));
  });
};

const cellWidth = (cell: readonly string[]): number => (cell.length > 1 ? cell.length + 2 : 1);
const longestCellOf = ({ cells }: Column, of: (cell: readonly string[]) => number): number =>
  Math.max(...[...cells.values()].map(of));
const columnWidth = (column: Column): number => longestCellOf(column, cellWidth);

/** Returns the text between two moments. Each moment takes one frame, so the gap is the rest. */
const gapTextOf = (from: number, to: number): string => {
  const empty = to - from - 1;
  return empty <= dashesMax ? '-'.repeat(empty) : ` ${formatSpan(empty)} `;
};

const sectionsOf = (columns: readonly Column[]): readonly DiagramSection[] => {
  const sections: DiagramSection[] = [];
  for (const column of columns) {
    const last = sections.at(-1);
    const before = last?.columns.at(-1);
    const width = columnWidth(column);
    const values = longestCellOf(column, ({ length }) => length);
    const fits =
      last &&
      before &&
      before.at !== column.at && // Two columns of the same moment are drawn in separate sections.
      last.width + gapTextOf(before.at, column.at).length + width <= widthMax &&
      last.values + values <= alphabet.length;
    if (fits)
      sections[sections.length - 1] = {
        ...last,
        columns: [...last.columns, column],
        width: last.width + gapTextOf(before.at, column.at).length + width,
        values: last.values + values,
      };
    else sections.push({ at: column.at, columns: [column], width, values });
  }
  return sections;
};

const lettersOf = ({ columns }: DiagramSection, { name, letters }: Track): ReadonlyMap<string, string> => {
  if (letters) return letters;
  const texts = new Set(columns.flatMap(({ cells }) => cells.get(name) ?? []));
  return new Map([...texts].filter((each) => !ends.has(each)).map((each, index) => [each, alphabet.charAt(index)]));
};

const drawCell = (cell: readonly string[], letters: ReadonlyMap<string, string>): string => {
  const text = cell.map((value) => ends.get(value) ?? letters.get(value) ?? '?').join('');
  return cell.length > 1 ? `(${text})` : text;
};

/** Removes the empty frames after the last value. */
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

const sectionTextOf = (section: DiagramSection, tracks: readonly Track[]): string => {
  const shown = tracks.filter(({ name }) => section.columns.some(({ cells }) => cells.has(name)));
  const nameWidth = Math.max(...shown.map(({ name }) => name.length));
  const parts = shown.map((track) => ({ track, letters: lettersOf(section, track) }));
  return [
    `at ${formatSpan(section.at)}`,
    ...parts.map(({ track, letters }) => `${track.name.padEnd(nameWidth)}  ${lineOf(section, track, letters)}`),
    ...parts.flatMap(({ track, letters }) =>
      track.letters ? [] : [...letters].map(([text, letter]) => `${track.name} ${letter}: ${text}`),
    ),
  ].join('\n');
};

/**
 * Draws streams as marble diagrams under each other, section by section.
 *
 * A column is one moment. It takes one frame of a millisecond, a group as well. A section leaves out streams without
 * values in it. After each section follow the meanings of its letters.
 */
export const drawSections = (tracks: readonly Track[]): readonly string[] =>
  sectionsOf(columnsOf(tracks)).map((section) => sectionTextOf(section, tracks));
