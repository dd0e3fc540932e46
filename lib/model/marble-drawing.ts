/*
 * The parts of all marble diagrams: letters of states, times, gaps, groups, and columns of the same moment. A diagram
 * adds the meaning of its time axis and the choice of its letters.
 */

/**
 * The letters of the values of `connectionState$` in diagrams such as `'d-c-C'`.
 *
 * @example
 * ```ts
 * expectObservable(session.connectionState$).toBe('d-c-C', connectionLetters);
 * ```
 */
export const connectionLetters = { d: 'disconnected', c: 'connecting', C: 'connected' } as const;

/**
 * The letters of the values of `syncState$` in diagrams.
 *
 * @example
 * ```ts
 * expectObservable(session.syncState$).toBe('a 5s p', syncLetters);
 * ```
 */
export const syncLetters = { a: 'active', p: 'paused', i: 'inactive', y: 'dying', t: 'waitingForAccessToken' } as const;

/** A value of a stream, or its end. */
export interface MarbleMark {
  readonly at: number;
  readonly text: string;
}

/** A stream, with its marks in the order of time. The names of the rows of a diagram are different. */
export interface MarbleRow {
  readonly name: string;
  readonly marks: readonly MarbleMark[];
}

/** The marks of one moment, by the name of their row. */
export interface MarbleColumn {
  readonly at: number;
  readonly cells: ReadonlyMap<string, readonly string[]>;
}

/** Returns a column for each moment of the rows, in the order of time. */
export const columnsOf = (rows: readonly MarbleRow[]): readonly MarbleColumn[] => {
  const columns = new Map<number, Map<string, string[]>>();
  for (const { name, marks } of rows)
    for (const { at, text } of marks) {
      const cells = columns.get(at) ?? new Map<string, string[]>();
      const cell = cells.get(name);
      if (cell) cell.push(text);
      else columns.set(at, cells.set(name, [text]));
    }
  return [...columns].sort(([a], [b]) => a - b).map(([at, cells]) => ({ at, cells }));
};

/**
 * Splits columns into sections that are drawn under each other.
 *
 * @param columns - The columns in the order of time.
 * @param add - Returns the size of a section with one more column, or `null` if the column does not fit. Gets the size
 *   so far and the column before; `null` at the beginning of a section, where every column fits.
 * @returns The sections. None of them is empty.
 */
export const splitColumns = <Column, Size>(
  columns: readonly Column[],
  add: (column: Column, last: readonly [size: Size, before: Column] | null) => Size | null,
): readonly (readonly Column[])[] => {
  const sections: Column[][] = [];
  let last: readonly [Size, Column] | null = null;
  for (const column of columns) {
    const grown: Size | null = last && add(column, last);
    if (grown === null) sections.push([column]);
    else sections.at(-1)?.push(column);
    const size: Size | null = grown ?? add(column, null);
    last = size === null ? null : [size, column];
  }
  return sections;
};

/** Draws the letters of one moment: several of them as a group. */
export const drawGroup = (letters: readonly string[]): string =>
  letters.length > 1 ? `(${letters.join('')})` : letters.join('');

/** Draws time without marks: as dashes, or as a duration if it is longer than `dashesMax` or has a fraction. */
export const drawGap = (ms: number, dashesMax: number, format: (ms: number) => string): string => {
  if (ms <= 0) return '';
  return Number.isInteger(ms) && ms <= dashesMax ? '-'.repeat(ms) : ` ${format(ms)} `;
};

/**
 * Formats a duration exactly: `250ms`, `1.5s`, `2m`.
 *
 * @param ms - The milliseconds.
 * @param secondsStep - From a second on, multiples of these milliseconds are written in seconds.
 * @param minutesStep - From a minute on, multiples of these milliseconds are written in minutes.
 * @returns The text.
 */
export const formatDuration = (ms: number, secondsStep: number, minutesStep: number): string => {
  if (ms >= 60_000 && ms % minutesStep === 0) return `${ms / 60_000}m`;
  return ms >= 1_000 && ms % secondsStep === 0 ? `${ms / 1_000}s` : `${ms}ms`;
};
