import {
  columnsOf,
  drawGap,
  drawGroup,
  formatDuration,
  type MarbleColumn,
  type MarbleRow,
} from '../model/marble-drawing.js';

/** The first difference of rows: its frame, and the number of equal marks before it in that frame. */
export interface DiagramPosition {
  readonly frame: number;
  readonly after: number;
}

/** Milliseconds that are drawn as dashes at most; a longer time is written as a number. */
const dashesMax = 15;
/** Frames that are drawn around the position: more do not fit into a terminal. */
const momentsMax = 40;
/** Letters of one frame that are drawn, for the same reason. */
const groupMax = 40;

const widthOf = (text: string): number => Array.from(text).length;
const padText = (text: string, width: number): string => text + ' '.repeat(width - widthOf(text));

/** Writes a time as `TestScheduler` reads it: `250ms`, `1.5s`, `2m`. */
export const spanOf = (ms: number): string => formatDuration(ms, 100, 60_000);

/** Whether a row has ended: nothing is drawn after its last mark. */
const isAfterEnd = ({ marks }: MarbleRow, frame: number): boolean => marks.every(({ at }) => at < frame);

/** The drawing of one frame in a row that is drawn up to `clock`: empty for time that a group before has taken. */
const cellOf = (row: MarbleRow, { at, cells }: MarbleColumn, clock: number): string => {
  const letters = cells.get(row.name);
  if (letters) return drawGroup(letters);
  return isAfterEnd(row, at) || clock > at ? '' : '-';
};

/** The columns of all frames with events; those around the position if there are many. */
const shownColumnsOf = (rows: readonly MarbleRow[], position: DiagramPosition | null): readonly MarbleColumn[] => {
  const all = columnsOf(rows);
  if (all.length <= momentsMax) return all;
  const middle = position ? all.findIndex(({ at }) => at === position.frame) : 0;
  const from = Math.max(0, Math.min(middle - momentsMax / 2, all.length - momentsMax));
  return all.slice(from, from + momentsMax);
};

/** A row with at most `groupMax` letters per frame; around the position, those next to it. */
const shortenRow = (row: MarbleRow, from: DiagramPosition | null): MarbleRow => {
  const counts = new Map<number, number>();
  const marks = row.marks.filter(({ at }) => {
    const index = counts.get(at) ?? 0;
    counts.set(at, index + 1);
    const first = from?.frame === at ? from.after : 0;
    return index >= first && index < first + groupMax;
  });
  return marks.length === row.marks.length ? row : { ...row, marks };
};

interface Drawing {
  readonly lines: readonly string[];
  /** The time up to which each line is drawn: a group takes the time of its characters. */
  readonly clocks: readonly number[];
  readonly caret: string | null;
  /** Whether an event happened in the time that a group before it takes. */
  readonly isLate: boolean;
}

const drawCaret = (cells: MarbleColumn['cells'], { after }: DiagramPosition, column: number): string => {
  const isGroup = [...cells.values()].some(({ length }) => length > 1);
  return `${' '.repeat(column + (isGroup ? after + 1 : 0))}^`;
};

/**
 * Draws rows below each other in the syntax of `TestScheduler.run`, one column per frame, so that they can be copied
 * into a spec. With a position, a further line has a caret under it. Of more than forty frames, or letters of one
 * frame, those around the position are drawn.
 */
export const drawDiagram = (wholes: readonly MarbleRow[], at: DiagramPosition | null): readonly string[] => {
  const skipped = Math.max(0, (at?.after ?? 0) - groupMax / 2);
  const position = at && { frame: at.frame, after: at.after - skipped };
  const rows = wholes.map((row) => shortenRow(row, at && { frame: at.frame, after: skipped }));
  const labels = Math.max(...rows.map(({ name }) => widthOf(name))) + 2;
  const columns = shownColumnsOf(rows, position);
  const first = Math.min(...rows.map(({ marks }) => marks[0]?.at ?? Infinity));
  const begin = columns[0] && columns[0].at > first ? columns[0].at : 0;
  const start: Drawing = {
    lines: rows.map(({ name }) => padText(name, labels)),
    clocks: rows.map(() => begin),
    caret: null,
    isLate: false,
  };
  const { lines, caret, isLate } = columns.reduce<Drawing>((drawing, shown) => {
    const { at: frame } = shown;
    const clockOf = (row: number): number => drawing.clocks[row] ?? 0;
    const gapped = drawing.lines.map((line, index) => {
      const row = rows[index];
      return row && isAfterEnd(row, frame) ? line : line + drawGap(frame - clockOf(index), dashesMax, spanOf);
    });
    const column = Math.max(...gapped.map(widthOf));
    const cells = rows.map((row, index) => cellOf(row, shown, clockOf(index)));
    return {
      lines: gapped.map((line, row) => padText(line, column) + (cells[row] ?? '')),
      clocks: cells.map((cell, row) => Math.max(frame, clockOf(row)) + widthOf(cell)),
      caret: position?.frame === frame ? drawCaret(shown.cells, position, column) : drawing.caret,
      isLate: drawing.isLate || cells.some((cell, row) => cell !== '' && clockOf(row) > frame),
    };
  }, start);
  return [
    ...(begin > 0 ? [`(from ${spanOf(begin)} on)`] : []),
    ...(rows.some((row, index) => row !== wholes[index]) ? [`(at most ${groupMax} letters of one frame)`] : []),
    ...(isLate
      ? ['(an event within the time that a group takes is drawn after the group, because diagrams cannot show it)']
      : []),
    ...lines.map((line) => line.trimEnd()),
    ...(caret === null ? [] : [caret]),
  ];
};
