import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  map,
  NEVER,
  of,
  pairwise,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { systemClock, type Clock } from '../clock.js';
import { toBatch, checkProgressOptions, outstandingProgressOf } from '../session/api/progress.js';
import type { SyncStatus } from '../session/state/status.js';
import type { SyncSession } from '../session/api/sync-session.js';
import { connectionOf, errorOf, progressOf, statusOf, syncOf } from './recorded-values.js';
import { readRecording, type RecordedNote } from './read-recording.js';
import { networkOf, type PlayedNetwork } from './recorded-network.js';

/**
 * The streams of a recorded session. Cold: each subscription starts at the beginning of the recording. Each stream
 * emits its values at their recorded times. It completes or errors where the recorded stream did, and else never. The
 * values are those of `SyncSession`, without texts.
 *
 * @example
 * ```ts
 * const session = fakeSession(play(report, clock).streams);
 * ```
 */
export type PlayedStreams = Pick<
  SyncSession,
  'connectionState$' | 'connectionChanges$' | 'syncState$' | 'status$' | 'progress$' | 'errors$'
>;

/**
 * A recording that can be played.
 *
 * @example
 * ```ts
 * const { streams, network: recorded } = play(text, clock);
 * const session = fakeSession(streams);
 * const { dial } = network(recorded.diagram, { codes: recorded.codes });
 * ```
 */
export interface Played {
  /** The streams, for `fakeSession(streams)`. */
  readonly streams: PlayedStreams;
  /** The behaviour of the network, as far as the session shows it, for `network(diagram, { codes })`. */
  readonly network: PlayedNetwork;
  /** The start of the recording in milliseconds since the epoch, by the clock of the device. */
  readonly began: number;
  /** The length of the recording in milliseconds. */
  readonly until: number;
}

/** Parses the values of a stream in order. Times in them count from `began`, in milliseconds since the epoch. */
type ParseNotes<T> = (notes: readonly RecordedNote[], began: number) => readonly T[];

const parseEach =
  <T>(parse: (note: RecordedNote, now: number) => T): ParseNotes<T> =>
  (notes, began) =>
    notes.map((note) => parse(note, began + note.at));

/** Each status says only its changes since the one before. */
const parseStatuses: ParseNotes<SyncStatus> = (notes, began) => {
  const all: SyncStatus[] = [];
  for (const note of notes) all.push(statusOf(note, all.at(-1) ?? null, began + note.at));
  return all;
};

const isEnd = ({ text }: RecordedNote): boolean => text === '|' || text === '#';
const recordedError$ = throwError(() => new Error('The recorded stream errored here.'));

/** Plays one stream. Parses all of it first, so that an invalid recording throws before anything is played. */
const playStream = <T>(
  notes: readonly RecordedNote[],
  parse: ParseNotes<T>,
  { scheduler, now }: Clock,
): Observable<T> => {
  const values = notes.filter((note) => !isEnd(note));
  parse(values, 0);
  const end = notes.find(isEnd);
  const end$ = end === undefined ? NEVER : end.text === '|' ? EMPTY : recordedError$;
  // One timer at a time, however long the recording is.
  const wait = (ms: number): Observable<unknown> => (ms <= 0 ? of(0) : timer(ms, scheduler));
  const since = (index: number): number => values[index - 1]?.at ?? 0;
  return defer(() => {
    const all = parse(values, now());
    const values$ = from(all).pipe(
      concatMap((value, index) => wait((values[index]?.at ?? 0) - since(index)).pipe(map(() => value))),
    );
    return concat(values$, wait((end?.at ?? 0) - since(values.length)).pipe(concatMap(() => end$)));
  });
};

/**
 * Makes streams of a recording that `record` wrote, so that a report from the field becomes a test. Each value is
 * played at its time. Texts, which a recording does not contain, are empty.
 *
 * @param text - The recording.
 * @param clock - The time in which the recording is played: `systemClock` by default, the clock of `marbles` in a test.
 * @returns The streams of the session and the behaviour of its network.
 * @throws RecordingError for an invalid recording: the line, and the expected text.
 *
 * @example
 * ```ts
 * it('shows the banner', marbles(({ clock, expectObservable }) => {
 *   const session = fakeSession(play(report, clock).streams);
 *   expectObservable(bannerOf(session)).toBe('a 12s b', { a: 'Offline', b: '' });
 * }));
 * ```
 */
export const play = (text: string, clock: Clock = systemClock): Played => {
  const { began, until, tracks } = readRecording(text);
  const connectionState$ = playStream(tracks.connection, parseEach(connectionOf), clock);
  const progress$ = {
    upload: playStream(tracks.upload, parseEach(progressOf), clock),
    download: playStream(tracks.download, parseEach(progressOf), clock),
  };
  const statusNotes = tracks.status.filter((note) => !isEnd(note));
  return {
    streams: {
      connectionState$,
      connectionChanges$: connectionState$.pipe(
        pairwise(),
        map(([previous, current]) => ({ previous, current })),
      ),
      syncState$: playStream(tracks.sync, parseEach(syncOf), clock),
      status$: playStream(tracks.status, parseStatuses, clock),
      progress$: (options) => {
        const { direction, mode } = checkProgressOptions(options);
        const all$ = progress$[direction];
        return mode === 'reportIndefinitely' ? all$ : outstandingProgressOf(all$.pipe(map(toBatch)));
      },
      errors$: playStream(tracks.errors, parseEach(errorOf), clock),
    },
    network: networkOf(
      parseStatuses(statusNotes, 0).map((status, index) => ({ status, at: statusNotes[index]?.at ?? 0 })),
    ),
    began,
    until,
  };
};
