import { catchError, endWith, isObservable, map, merge, type Observable, of, scan } from 'rxjs';
import { type Clock, systemClock } from '../../clock.js';
import { type AnySyncError, InvalidArgumentError } from '../../model/errors.js';
import { checkNumber, checkOptions, limits } from '../../model/limits.js';
import type { Progress, ProgressDirection } from '../api/progress.js';
import { drawSections, type Note, type Track } from './marble-staves.js';
import type { SyncStatus } from '../state/status.js';
import type { SyncSession } from '../api/sync-session.js';
import { formatError, formatProgress, formatSpan, formatStatus } from './recording-format.js';

/** What a recording is made of: all streams of a session that do not ask anything. */
export type Recordable = Pick<SyncSession, 'connectionState$' | 'syncState$' | 'status$' | 'progress$' | 'errors$'>;

export interface RecordOptions {
  /** The clock of the client whose session it is; the machine's own unless given. */
  readonly clock?: Pick<Clock, 'now'>;
  /**
   * Values of each stream that are kept, the latest ones, from 1 to 100 000; 500 unless given. So much progress does
   * not push a drop out.
   */
  readonly eventsMax?: number;
}

export interface Recording {
  /**
   * What happened so far, as text: see docs/testing.md. States, numbers, codes and times only: no data, no names, no
   * tokens, no texts of servers, so that it can go into a report. It is made when it is asked for.
   */
  readonly text: () => string;
  /** Records no more; what was recorded stays, and `until` is this moment. Nothing the second time. */
  readonly stop: () => void;
}

/** What is kept of a value: the record itself where it can be put into words later. */
type RecordedValue =
  | { readonly kind: 'words'; readonly text: string }
  | { readonly kind: 'status'; readonly status: SyncStatus }
  | { readonly kind: 'progress'; readonly progress: Progress };

const createTextValue = (words: string): RecordedValue => ({ kind: 'words', text: words });

const streamNames = ['connection', 'sync', 'status', 'upload', 'download', 'errors'] as const;
type StreamName = (typeof streamNames)[number];

interface RecordedEvent {
  readonly name: StreamName;
  readonly entry: RecordedValue;
}

/** A value and those before it: taking one more in costs the same however many there are. */
interface Link {
  readonly at: number;
  readonly entry: RecordedValue;
  readonly before: Link | null;
}

/** The latest values of one stream: at least so many as are asked for, at most twice that. */
interface KeptValues {
  readonly older: Link | null;
  readonly newer: Link | null;
  readonly newerCount: number;
  readonly total: number;
}

interface RecordingState {
  /** Milliseconds from the beginning to the last value. Does not go back when the clock does. */
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

/** The kept values in order, the latest ones. */
const latestOf = ({ older, newer }: KeptValues, eventsMax: number): readonly Link[] => {
  const links: Link[] = [];
  for (const first of [newer, older])
    for (let link = first; link !== null && links.length < eventsMax; link = link.before) links.push(link);
  return links.reverse();
};

/** One stream of the session, and how it ends. */
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
    // In words at once: an error may hold on to what a refused write was about.
    recordStream('errors', errors$, (error: AnySyncError) => createTextValue(formatError(error, now()))),
  );
};

const connectionLetters = new Map([
  ['disconnected', 'd'],
  ['connecting', 'c'],
  ['connected', 'C'],
]);
const syncLetters = new Map([
  ['active', 'a'],
  ['paused', 'p'],
  ['inactive', 'i'],
  ['dying', 'y'],
  ['waitingForAccessToken', 't'],
]);
const fixedLetters: Readonly<Partial<Record<StreamName, ReadonlyMap<string, string>>>> = {
  connection: connectionLetters,
  sync: syncLetters,
};

const notesOf = (links: readonly Link[], began: number): readonly Note[] => {
  let before: SyncStatus | null = null; // Of this walk alone.
  return links.map(({ at, entry }) => {
    if (entry.kind === 'words') return { at, text: entry.text };
    if (entry.kind === 'progress') return { at, text: formatProgress(entry.progress) };
    const text = formatStatus(before, entry.status, began + at);
    before = entry.status;
    return { at, text };
  });
};

const textOf = ({ kept }: RecordingState, began: number, until: number, eventsMax: number): string => {
  const tracks = streamNames.map((name): Track => {
    const notes = notesOf(latestOf(kept[name] ?? noValues, eventsMax), began);
    return { name, letters: fixedLetters[name] ?? null, notes };
  });
  const leftOut = streamNames.flatMap((name) => {
    const { total } = kept[name] ?? noValues;
    return total > eventsMax ? [`${name} ${total - eventsMax}`] : [];
  });
  const legend = [...connectionLetters, ...syncLetters].map(([state, letter]) => `${letter} ${state}`);
  const head = [
    'tidemark recording 1',
    `began ${new Date(began).toISOString()}`,
    `until ${formatSpan(until)}`,
    ...(leftOut.length > 0 ? [`left out ${leftOut.join(', ')}`] : []),
    `letters ${legend.join(', ')}`,
  ].join('\n');
  return `${[head, ...drawSections(tracks)].join('\n\n')}\n`;
};

/** What a stream throws is recorded; this is something else, and must not go unheard. */
const rethrow = (thrown: unknown): void => {
  throw thrown;
};

/**
 * Records what a session does, from now on: every value of its state streams, of its progress in both directions and of
 * its errors, and when it came. It subscribes at once and lets go when the session is over, or with `stop`; a value
 * costs one small record, and no more are kept than `eventsMax` of each stream. `play` of `tidemark/testing` makes
 * streams of the text again. Throws an `InvalidArgumentError` for options that make no sense.
 */
export const record = (session: Recordable, options: RecordOptions = {}): Recording => {
  const { clock = systemClock, eventsMax = limits.recordedEventsMax } = checkOptions('options', options, [
    'clock',
    'eventsMax',
  ]);
  checkNumber('options.eventsMax', eventsMax, 1, 100_000);
  const { connectionState$ } = Object(session) as Partial<Recordable>;
  if (!isObservable(connectionState$)) throw new InvalidArgumentError('session', 'a session', session);
  const began = Math.round(clock.now());
  const now = (): number => Math.round(clock.now());
  const noted = ({ at: last, kept }: RecordingState, { name, entry }: RecordedEvent): RecordingState => {
    const at = Math.max(last, now() - began);
    return { at, kept: { ...kept, [name]: addValue(kept[name] ?? noValues, { at, entry }, eventsMax) } };
  };
  // The last value of the scan below, for those who ask instead of listening.
  let tape: RecordingState = { at: 0, kept: {} };
  const running = recordedEventsOf(session, now)
    .pipe(scan(noted, tape))
    .subscribe({ next: (next) => (tape = next), error: rethrow });
  const present = (): number => Math.max(tape.at, now() - began);
  let stoppedAt: number | null = null; // From then on it knows nothing.
  return {
    text: () => textOf(tape, began, stoppedAt ?? present(), eventsMax),
    stop: () => {
      stoppedAt ??= present();
      running.unsubscribe();
    },
  };
};
