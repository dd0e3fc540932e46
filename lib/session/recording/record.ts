import { catchError, endWith, isObservable, map, merge, type Observable, of, scan } from 'rxjs';
import { type Clock, systemClock } from '../../clock.js';
import { type AnySyncError, InvalidArgumentError } from '../../model/errors.js';
import { checkNumber, checkOptions, limits } from '../../model/limits.js';
import { connectionLetters, syncLetters, type MarbleMark } from '../../model/marble-drawing.js';
import type { Progress, ProgressDirection } from '../api/progress.js';
import { drawSections, type Track } from './recording-diagram.js';
import type { SyncStatus } from '../state/status.js';
import type { SyncSession } from '../api/sync-session.js';
import { formatError, formatProgress, formatSpan, formatStatus } from './recording-format.js';

/**
 * The streams of a session that `record` subscribes to. Subscribing to them sends nothing to the server.
 *
 * @see {@link SyncSession}
 */
export type Recordable = Pick<SyncSession, 'connectionState$' | 'syncState$' | 'status$' | 'progress$' | 'errors$'>;

/**
 * Options of `record`.
 *
 * @example
 * ```ts
 * const recording = record(realm.session, { eventsMax: 5_000 });
 * ```
 */
export interface RecordOptions {
  /**
   * The clock of the client that owns the session.
   *
   * @defaultValue `systemClock`
   */
  readonly clock?: Pick<Clock, 'now'>;
  /**
   * Values kept of each stream, the latest ones: 1 to 100 000. Each stream has its own limit, so that progress never
   * displaces a disconnect.
   *
   * @defaultValue `500`
   */
  readonly eventsMax?: number;
}

/**
 * A running recording of a session, made by `record`.
 *
 * @example
 * ```ts
 * const recording = record(realm.session);
 * reportButton.onclick = () => send(recording.text());
 * ```
 */
export interface Recording {
  /**
   * Returns the recording so far, as text. docs/testing.md explains its format.
   *
   * The text contains states, numbers, codes and times only: no data, names, tokens or texts of servers. So it can be
   * part of a bug report. Each call makes a new text.
   *
   * @returns The text, for `play` of `tidemark/testing`.
   *
   * @example
   * ```ts
   * console.log(recording.text());
   * ```
   */
  readonly text: () => string;
  /**
   * Stops recording. The recorded values stay, and `until` in the text is this moment. Later calls do nothing.
   *
   * @example
   * ```ts
   * recording.stop();
   * ```
   */
  readonly stop: () => void;
}

/** A kept value: as text, or as the record itself where text can be made later. */
type RecordedValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'status'; readonly status: SyncStatus }
  | { readonly kind: 'progress'; readonly progress: Progress };

const createTextValue = (text: string): RecordedValue => ({ kind: 'text', text });

const streamNames = ['connection', 'sync', 'status', 'upload', 'download', 'errors'] as const;
type StreamName = (typeof streamNames)[number];

interface RecordedEvent {
  readonly name: StreamName;
  readonly entry: RecordedValue;
}

/** A value and the values before it. The cost of one more value does not depend on their number. */
interface Link {
  readonly at: number;
  readonly entry: RecordedValue;
  readonly before: Link | null;
}

/** The latest values of one stream: at least `eventsMax` of them, and at most twice that number. */
interface KeptValues {
  readonly older: Link | null;
  readonly newer: Link | null;
  readonly newerCount: number;
  readonly total: number;
}

interface RecordingState {
  /** Milliseconds from the beginning to the last value. Never decreases, even if the clock does. */
  readonly at: number;
  readonly kept: Readonly<Partial<Record<StreamName, KeptValues>>>;
}

const noValues: KeptValues = { older: null, newer: null, newerCount: 0, total: 0 };

const addValue = (
  { older, newer, newerCount, total }: KeptValues,
  link: Omit<Link, 'before'>,
  eventsMax: number,
): KeptValues =>
  newerCount < eventsMax
    ? { older, newer: { ...link, before: newer }, newerCount: newerCount + 1, total: total + 1 }
    : { older: newer, newer: { ...link, before: null }, newerCount: 1, total: total + 1 };

/** Returns the latest values that are to be kept, in order. */
const latestOf = ({ older, newer }: KeptValues, eventsMax: number): readonly Link[] => {
  const links: Link[] = [];
  for (const first of [newer, older])
    for (let link = first; link !== null && links.length < eventsMax; link = link.before) links.push(link);
  return links.reverse();
};

/** Emits the values of one stream, and its end. */
const recordStream = <T>(
  name: StreamName,
  stream$: Observable<T>,
  entryOf: (value: T) => RecordedValue,
): Observable<RecordedEvent> =>
  stream$.pipe(
    map(entryOf),
    endWith(createTextValue('|')),
    catchError(() => of(createTextValue('#'))),
    map((entry) => ({ name, entry })),
  );

const recordedEventsOf = (session: Recordable, now: () => number): Observable<RecordedEvent> => {
  const { connectionState$, syncState$, status$, progress$, errors$ } = session;
  const progress = (name: ProgressDirection): Observable<RecordedEvent> =>
    recordStream(name, progress$({ direction: name, mode: 'reportIndefinitely' }), (value) => ({
      kind: 'progress',
      progress: value,
    }));
  return merge(
    recordStream('connection', connectionState$, createTextValue),
    recordStream('sync', syncState$, createTextValue),
    recordStream('status', status$, (status) => ({ kind: 'status', status })),
    progress('upload'),
    progress('download'),
    // As text at once, because an error may refer to the data of a rejected write.
    recordStream('errors', errors$, (error: AnySyncError) => createTextValue(formatError(error, now()))),
  );
};

const byState = (letters: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(letters).map(([letter, state]) => [state, letter]));
const fixedLetters: Readonly<Partial<Record<StreamName, ReadonlyMap<string, string>>>> = {
  connection: byState(connectionLetters),
  sync: byState(syncLetters),
};

const marksOf = (links: readonly Link[], startedAt: number): readonly MarbleMark[] => {
  let before: SyncStatus | null = null; // Of this pass only.
  return links.map(({ at, entry }) => {
    if (entry.kind === 'text') return { at, text: entry.text };
    if (entry.kind === 'progress') return { at, text: formatProgress(entry.progress) };
    const text = formatStatus(before, entry.status, startedAt + at);
    before = entry.status;
    return { at, text };
  });
};

const textOf = ({ kept }: RecordingState, startedAt: number, until: number, eventsMax: number): string => {
  const tracks = streamNames.map((name): Track => {
    const marks = marksOf(latestOf(kept[name] ?? noValues, eventsMax), startedAt);
    return { name, letters: fixedLetters[name] ?? null, marks };
  });
  const leftOut = streamNames.flatMap((name) => {
    const { total } = kept[name] ?? noValues;
    return total > eventsMax ? [`${name} ${total - eventsMax}`] : [];
  });
  const legend = Object.entries({ ...connectionLetters, ...syncLetters }).map((pair) => pair.join(' '));
  const head = [
    'tidemark recording 1',
    `began ${new Date(startedAt).toISOString()}`,
    `until ${formatSpan(until)}`,
    ...(leftOut.length > 0 ? [`left out ${leftOut.join(', ')}`] : []),
    `letters ${legend.join(', ')}`,
  ].join('\n');
  return `${[head, ...drawSections(tracks)].join('\n\n')}\n`;
};

/** Errors of the recorded streams are values. Any other error is a defect and is thrown. */
const rethrow = (thrown: unknown): void => {
  throw thrown;
};

/**
 * Records the activity of a session from now on: state, progress in both directions, and errors, each with its time.
 *
 * Subscribes at once, and unsubscribes when the session ends or at `stop`. A value costs one small record, and at most
 * `eventsMax` values of each stream are kept.
 *
 * @param session - The session, or an object with the same streams.
 * @param options - The clock, and the number of values to keep.
 * @returns The running recording.
 * @throws InvalidArgumentError for an invalid session or option.
 *
 * @example
 * ```ts
 * const recording = record(realm.session);
 * reportButton.onclick = () => console.log(recording.text());
 * ```
 * @see `play` of `tidemark/testing`
 */
export const record = (session: Recordable, options: RecordOptions = {}): Recording => {
  const { clock = systemClock, eventsMax = limits.recordedEventsMax } = checkOptions('options of record', options, [
    'clock',
    'eventsMax',
  ]);
  checkNumber('options.eventsMax', eventsMax, 1, 100_000);
  const { connectionState$ } = Object(session) as Partial<Recordable>;
  if (!isObservable(connectionState$)) throw new InvalidArgumentError('session', 'a session', session);
  const startedAt = Math.round(clock.now());
  const now = (): number => Math.round(clock.now());
  const addEvent = ({ at: last, kept }: RecordingState, { name, entry }: RecordedEvent): RecordingState => {
    const at = Math.max(last, now() - startedAt);
    return { at, kept: { ...kept, [name]: addValue(kept[name] ?? noValues, { at, entry }, eventsMax) } };
  };
  // The last value of `scan`, for calls of `text` between two events.
  let recorded: RecordingState = { at: 0, kept: {} };
  const running = recordedEventsOf(session, now)
    .pipe(scan(addEvent, recorded))
    .subscribe({ next: (next) => (recorded = next), error: rethrow });
  const elapsedMs = (): number => Math.max(recorded.at, now() - startedAt);
  let stoppedAt: number | null = null; // Nothing is recorded after this.
  return {
    text: () => textOf(recorded, startedAt, stoppedAt ?? elapsedMs(), eventsMax),
    stop: () => {
      stoppedAt ??= elapsedMs();
      running.unsubscribe();
    },
  };
};
