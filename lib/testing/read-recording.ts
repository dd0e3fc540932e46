import { describeValue, TidemarkError } from '../model/errors.js';

/**
 * A recording cannot be read. Nothing was played.
 *
 * @example
 * ```ts
 * if (error instanceof RecordingError) console.error(`Line ${error.line}: expected ${error.expected}.`);
 * ```
 */
export class RecordingError extends TidemarkError {
  override readonly name = 'RecordingError';
  readonly code = 'recording';
  constructor(
    /** The line of the text, from 1. */
    readonly line: number,
    /** The valid text, as the end of a sentence. */
    readonly expected: string,
    received: unknown,
  ) {
    super(`Line ${line} of the recording must be ${expected}, received ${describeValue(received)}.`);
  }
}

/** One value of a stream in the text of the recording, or its end: `|` or `#`. */
export interface RecordedNote {
  /** Milliseconds from the beginning. */
  readonly at: number;
  readonly text: string;
  /** The line of the recording. */
  readonly line: number;
}

export const trackNames = ['connection', 'sync', 'status', 'upload', 'download', 'errors'] as const;
export type TrackName = (typeof trackNames)[number];
export type Tracks = Readonly<Record<TrackName, readonly RecordedNote[]>>;

/** A parsed recording: its head, and the values of each stream. */
export interface ParsedRecording {
  /** Milliseconds since the epoch. */
  readonly began: number;
  /** Milliseconds from the beginning to the end of the recording. */
  readonly until: number;
  readonly tracks: Tracks;
}

interface NumberedLine {
  readonly number: number;
  readonly text: string;
}

const firstLine: NumberedLine = { number: 1, text: '' };

/**
 * The largest recording in characters: more than the longest that `record` makes, so that a wrong file is not read to
 * its end.
 */
const charsMax = 64 * 1024 * 1024;

const units = { ms: 1, s: 1_000, m: 60_000 } as const;
const spanPattern = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m)$/;

/** The milliseconds of a time such as `1.5s`, or `null` for other texts. */
export const parseSpan = (text: string): number | null => {
  const [, count, unit] = spanPattern.exec(text) ?? [];
  return count === undefined ? null : Math.round(Number(count) * units[unit as keyof typeof units]);
};

const readAfter = ({ number, text }: NumberedLine, start: string, expected: string): string => {
  if (text.startsWith(start)) return text.slice(start.length).trim();
  throw new RecordingError(number, expected, text);
};

const readDuration = (line: NumberedLine, start: string): number => {
  const rest = readAfter(line, start, `"${start}" and a time`);
  const ms = parseSpan(rest);
  if (ms === null) throw new RecordingError(line.number, 'a time like 1.5s', rest);
  return ms;
};

/** The state while a diagram is read. */
interface ReaderState {
  readonly at: number;
  readonly isGroup: boolean;
  readonly notes: (readonly [at: number, letter: string])[];
}

const syntax = 'a diagram of letters, -, |, #, groups in brackets, and times like 1.5s';

/** Reads one character of a diagram, or a time. A group takes one frame, as a letter does. */
const readToken =
  ({ number, text }: NumberedLine) =>
  ({ at, isGroup, notes }: ReaderState, token: string): ReaderState => {
    if (token === '(' || token === ')') {
      if ((token === '(') === isGroup) throw new RecordingError(number, 'a diagram whose brackets match', text);
      return { at: isGroup ? at + 1 : at, isGroup: !isGroup, notes };
    }
    if (/^[A-Za-z|#]$/.test(token)) {
      notes.push([at, token]);
      return { at: isGroup ? at : at + 1, isGroup, notes };
    }
    const ms = token === '-' ? 1 : parseSpan(token);
    if (ms === null) throw new RecordingError(number, syntax, token);
    if (isGroup) throw new RecordingError(number, 'a diagram with only letters in its groups', token);
    return { at: at + ms, isGroup, notes };
  };

/** The letters and ends of a diagram with their frames. */
const notesOf = (line: NumberedLine, from: number): ReaderState['notes'] => {
  const tokens = line.text.split(/\s+/).flatMap((word) => (parseSpan(word) === null ? Array.from(word) : [word]));
  const { isGroup, notes } = tokens.reduce<ReaderState>(readToken(line), { at: from, isGroup: false, notes: [] });
  if (isGroup) throw new RecordingError(line.number, 'a diagram whose brackets match', line.text);
  return notes;
};

const isTrackName = (name: string): name is TrackName => (trackNames as readonly string[]).includes(name);

const legendPattern = /^([a-z]+) ([A-Za-z]): (.+)$/;
const rowPattern = /^([a-z]+)\s+(\S.*)$/;

const trackNameOf = ({ number }: NumberedLine, name: string | undefined, text: string): TrackName => {
  if (name !== undefined && isTrackName(name)) return name;
  throw new RecordingError(number, `a line that begins with "at" or one of ${trackNames.join(', ')}`, text);
};

/** A part of the recording, from one `at` line to the next. */
interface RecordingPart {
  readonly at: number;
  readonly rows: readonly { readonly track: TrackName; readonly line: NumberedLine }[];
  readonly legend: ReadonlyMap<string, string>;
}

const partOf = ([first = firstLine, ...lines]: readonly NumberedLine[]): RecordingPart => {
  const rows: { track: TrackName; line: NumberedLine }[] = [];
  const legend = new Map<string, string>();
  for (const line of lines) {
    const [, owner, letter, meaning] = legendPattern.exec(line.text) ?? [];
    if (owner !== undefined && meaning !== undefined)
      legend.set(`${trackNameOf(line, owner, line.text)} ${letter}`, meaning);
    else {
      const [, name, text = ''] = rowPattern.exec(line.text) ?? [];
      rows.push({ track: trackNameOf(line, name, line.text), line: { ...line, text } });
    }
  }
  return { at: readDuration(first, 'at '), rows, legend };
};

const partsOf = (lines: readonly NumberedLine[]): readonly RecordingPart[] => {
  const starts = lines.flatMap(({ text }, index) => (text.startsWith('at ') ? [index] : []));
  const [before] = lines;
  if (before && starts[0] !== 0) throw new RecordingError(before.number, 'a line that begins with "at"', before.text);
  return starts.map((start, index) => partOf(lines.slice(start, starts[index + 1])));
};

const recordedNotesOf = (
  part: RecordingPart,
  track: TrackName,
  fixed: ReadonlyMap<string, string>,
): readonly RecordedNote[] =>
  part.rows
    .filter((row) => row.track === track)
    .flatMap(({ line }) =>
      notesOf(line, part.at).map(([at, letter]): RecordedNote => {
        const value = /[|#]/.test(letter) ? letter : (part.legend.get(`${track} ${letter}`) ?? fixed.get(letter));
        if (value !== undefined) return { at, text: value, line: line.number };
        throw new RecordingError(
          line.number,
          `followed by a line "${track} ${letter}: …" that defines ${letter}`,
          letter,
        );
      }),
    );

/** Checks that a stream has no values after its end and that its times do not decrease. */
const checkOrder = (notes: readonly RecordedNote[]): readonly RecordedNote[] => {
  notes.forEach(({ at, text, line }, index) => {
    const before = notes[index - 1];
    if (before && before.at > at)
      throw new RecordingError(line, `at or after ${before.at}ms, the time in line ${before.line}`, `${at}ms`);
    if (before && /^[|#]$/.test(before.text))
      throw new RecordingError(line, `empty, because line ${before.line} ends the stream`, text);
  });
  return notes;
};

const lettersOf = (line: NumberedLine): ReadonlyMap<string, string> =>
  new Map(
    readAfter(line, 'letters ', 'the letters of states: "letters d disconnected, …"')
      .split(', ')
      .map((pair) => [pair.slice(0, 1), pair.slice(2)] as const),
  );

/** Reads a recording that `record` wrote. Throws a `RecordingError` with the line and the expected text. */
export const readRecording = (text: string): ParsedRecording => {
  if (typeof text !== 'string' || text.length > charsMax)
    throw new RecordingError(1, `a text of at most ${charsMax} characters`, text);
  const lines = text
    .split('\n')
    .map((line, index): NumberedLine => ({ number: index + 1, text: line.trim() }))
    .filter((line) => line.text !== '');
  const end: NumberedLine = { number: text.split('\n').length, text: '' };
  const [title = end, dated = end, ended = end, ...others] = lines;
  if (title.text !== 'tidemark recording 1')
    throw new RecordingError(title.number, '"tidemark recording 1"', title.text);
  const date = readAfter(dated, 'began ', '"began" and a date');
  const began = new Date(date).getTime();
  if (Number.isNaN(began)) throw new RecordingError(dated.number, 'a date like 2026-11-24T02:28:49.123Z', date);
  const until = readDuration(ended, 'until ');
  const [named = end, ...parts] = others.filter(({ text: line }) => !line.startsWith('left out '));
  const letters = lettersOf(named);
  const none = new Map<string, string>();
  const all = partsOf(parts);
  const tracks = Object.fromEntries(
    trackNames.map((track) => {
      const fixed = track === 'connection' || track === 'sync' ? letters : none;
      return [track, checkOrder(all.flatMap((part) => recordedNotesOf(part, track, fixed)))];
    }),
  ) as Record<TrackName, readonly RecordedNote[]>;
  const late = Object.values(tracks).flatMap((notes) => notes.slice(-1).filter(({ at }) => at > until))[0];
  if (late)
    throw new RecordingError(
      late.line,
      `at or before ${ended.text.slice(6)}, where the recording ends`,
      `${late.at}ms`,
    );
  return { began, until, tracks };
};
