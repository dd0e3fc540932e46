import {
  columnsOf,
  drawGap,
  drawGroup,
  splitColumns,
  type MarbleColumn,
  type MarbleRow,
} from '../../model/marble-drawing.js';
import { formatSpan } from './recording-format.js';

/** A stream of a recording. `at` is in milliseconds from the beginning of the recording. */
export interface Track extends MarbleRow {
  /** Letters that mean the same text in all sections. `null`: each section has its own letters. */
  readonly letters: ReadonlyMap<string, string> | null;
}

/** The size of a section. */
interface SectionSize {
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

const isEnd = (text: string): boolean => text === '|' || text === '#';

const longestCellOf = ({ cells }: MarbleColumn): number => Math.max(...[...cells.values()].map(({ length }) => length));
const columnWidth = (column: MarbleColumn): number => {
  const values = longestCellOf(column);
  return values > 1 ? values + 2 : 1;
};

/** Splits a moment whose values do not fit into one group into several columns. */
const splitColumn = (column: MarbleColumn): readonly MarbleColumn[] =>
  Array.from({ length: Math.ceil(longestCellOf(column) / groupMax) }, (_, depth) => ({
    at: column.at,
    cells: new Map(
      [...column.cells]
        .map(([name, cell]) => [name, cell.slice(depth * groupMax, (depth + 1) * groupMax)] as const)
        .filter(([, cell]) => cell.length > 0),
    ),
  }));

/** Returns the text between two columns. Each moment takes one frame, so the gap is the rest. */
const gapTextOf = (before: MarbleColumn, { at }: MarbleColumn): string =>
  drawGap(at - before.at - 1, dashesMax, formatSpan);

const addColumn = (
  column: MarbleColumn,
  last: readonly [size: SectionSize, before: MarbleColumn] | null,
): SectionSize | null => {
  const size = { width: columnWidth(column), values: longestCellOf(column) };
  if (!last) return size;
  const [{ width, values }, before] = last;
  const grown = { width: width + gapTextOf(before, column).length + size.width, values: values + size.values };
  // Two columns of the same moment are drawn in separate sections.
  return before.at !== column.at && grown.width <= widthMax && grown.values <= alphabet.length ? grown : null;
};

const lettersOf = (columns: readonly MarbleColumn[], { name, letters }: Track): ReadonlyMap<string, string> => {
  if (letters) return letters;
  const texts = new Set(columns.flatMap(({ cells }) => cells.get(name) ?? []));
  return new Map([...texts].filter((each) => !isEnd(each)).map((each, index) => [each, alphabet.charAt(index)]));
};

/** Removes the empty frames after the last value. */
const trimRest = (line: string): string => line.replace(/(?: |-|(?<= )[0-9.]+(?:ms|s|m)(?= |$))+$/, '');

const lineOf = (columns: readonly MarbleColumn[], { name }: Track, letters: ReadonlyMap<string, string>): string => {
  const drawing = columns.map((column, index) => {
    const before = columns[index - 1];
    const cell = column.cells.get(name)?.map((text) => (isEnd(text) ? text : (letters.get(text) ?? '?')));
    const text = (cell ? drawGroup(cell) : '-').padEnd(columnWidth(column));
    return before ? gapTextOf(before, column) + text : text;
  });
  return trimRest(drawing.join(''));
};

const sectionTextOf = (columns: readonly MarbleColumn[], tracks: readonly Track[]): string => {
  const shown = tracks.filter(({ name }) => columns.some(({ cells }) => cells.has(name)));
  const nameWidth = Math.max(...shown.map(({ name }) => name.length));
  const parts = shown.map((track) => ({ track, letters: lettersOf(columns, track) }));
  return [
    `at ${formatSpan(columns[0]?.at ?? 0)}`,
    ...parts.map(({ track, letters }) => `${track.name.padEnd(nameWidth)}  ${lineOf(columns, track, letters)}`),
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
  splitColumns(columnsOf(tracks).flatMap(splitColumn), addColumn).map((columns) => sectionTextOf(columns, tracks));
