/** One thing that happens, and the letter that it is drawn with. */
export interface Mark {
  readonly frame: number;
  readonly letter: string;
}

export interface Row {
  readonly label: string;
  readonly marks: readonly Mark[];
}

/** Where rows first differ: the moment, and how many marks of that moment are the same. */
export interface Place {
  readonly frame: number;
  readonly after: number;
}

/** Longest time that is drawn as dashes; a longer one is written down. */
const dashesMax = 15;
/** Moments that are drawn around the place in question: more do not fit into a terminal. */
const momentsMax = 40;

const widthOf = (text: string): number => Array.from(text).length;
const padded = (text: string, width: number): string => text + ' '.repeat(width - widthOf(text));

/** A time as `TestScheduler` reads it: `250ms`, `1.5s`, `2m`. */
export const spanOf = (ms: number): string => {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1_000 && ms % 100 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
};

const gapOf = (ms: number): string => {
  if (ms <= 0) return '';
  return Number.isInteger(ms) && ms <= dashesMax ? '-'.repeat(ms) : ` ${spanOf(ms)} `;
};

const marksAt = (row: Row, frame: number): string =>
  row.marks
    .filter((mark) => mark.frame === frame)
    .map(({ letter }) => letter)
    .join('');

/** Nothing is drawn after the last mark of a row. */
const isOver = ({ marks }: Row, frame: number): boolean => marks.every((mark) => mark.frame < frame);

const cellOf = (row: Row, frame: number): string => {
  const letters = marksAt(row, frame);
  if (letters === '') return isOver(row, frame) ? '' : '-';
  return widthOf(letters) === 1 ? letters : `(${letters})`;
};

/** The moments at which anything happens, those around the place if they are many. */
const momentsOf = (rows: readonly Row[], place: Place | null): readonly number[] => {
  const all = [...new Set(rows.flatMap(({ marks }) => marks.map(({ frame }) => frame)))].sort((a, b) => a - b);
  if (all.length <= momentsMax) return all;
  const middle = place ? all.indexOf(place.frame) : 0;
  const from = Math.max(0, Math.min(middle - momentsMax / 2, all.length - momentsMax));
  return all.slice(from, from + momentsMax);
};

interface Drawing {
  readonly lines: readonly string[];
  /** Up to which moment each line is drawn: a group takes the time of its letters. */
  readonly clocks: readonly number[];
  readonly caret: string | null;
}

const caretAt = (rows: readonly Row[], { frame, after }: Place, column: number): string => {
  const isGroup = rows.some((row) => widthOf(marksAt(row, frame)) > 1);
  return `${' '.repeat(column + (isGroup ? after + 1 : 0))}^`;
};

/**
 * Rows under each other, a column a moment, in the syntax of `TestScheduler.run`: what is drawn can be copied into a spec. With a place,
 * a line more has a caret under it. Of more than forty moments, those around the place are drawn.
 */
export const diagram = (rows: readonly Row[], place: Place | null): readonly string[] => {
  const labels = Math.max(...rows.map(({ label }) => widthOf(label))) + 2;
  const moments = momentsOf(rows, place);
  const all = momentsOf(
    rows.map((row) => ({ ...row, marks: row.marks.slice(0, 1) })),
    null,
  );
  const begin = moments[0] !== undefined && moments[0] > (all[0] ?? 0) ? moments[0] : 0;
  const start: Drawing = {
    lines: rows.map(({ label }) => padded(label, labels)),
    clocks: rows.map(() => begin),
    caret: null,
  };
  const { lines, caret } = moments.reduce<Drawing>((drawing, frame) => {
    const gapped = drawing.lines.map((line, at) => {
      const row = rows[at];
      return row && isOver(row, frame) ? line : line + gapOf(frame - (drawing.clocks[at] ?? 0));
    });
    const column = Math.max(...gapped.map(widthOf));
    const cells = rows.map((row) => cellOf(row, frame));
    return {
      lines: gapped.map((line, row) => padded(line, column) + (cells[row] ?? '')),
      clocks: cells.map((cell, row) => Math.max(frame, drawing.clocks[row] ?? 0) + widthOf(cell)),
      caret: place?.frame === frame ? caretAt(rows, place, column) : drawing.caret,
    };
  }, start);
  const from = begin > 0 ? [`(from ${spanOf(begin)} on)`] : [];
  return [...from, ...lines.map((line) => line.trimEnd()), ...(caret === null ? [] : [caret])];
};
