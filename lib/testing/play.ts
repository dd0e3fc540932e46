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
 * The streams of a session as it was recorded. Cold: each begins anew with each subscription, its first value at once.
 */
export type PlayedStreams = Pick<
  SyncSession,
  'connectionState$' | 'connectionChanges$' | 'syncState$' | 'status$' | 'progress$' | 'errors$'
>;

export interface Played {
  /** For `fakeSession(streams)`. */
  readonly streams: PlayedStreams;
  /** For `network(diagram, { codes })`: what the network did, as far as the session shows it. */
  readonly network: PlayedNetwork;
  /** When the recording began, milliseconds since the epoch by the clock of the device. */
  readonly began: number;
  /** How long it is, in milliseconds. */
  readonly until: number;
}

/** Values of a stream in order. Times in them count from `began`, milliseconds since the epoch. */
type ParseNotes<T> = (said: readonly RecordedNote[], began: number) => readonly T[];

const parseEach =
  <T>(meaning: (said: RecordedNote, now: number) => T): ParseNotes<T> =>
  (said, began) =>
    said.map((one) => meaning(one, began + one.at));

/** Statuses say what has changed: each stands on the one before it. */
const parseStatuses: ParseNotes<SyncStatus> = (said, began) => {
  const all: SyncStatus[] = [];
  for (const one of said) all.push(statusOf(one, all.at(-1) ?? null, began + one.at));
  return all;
};

const isEnd = ({ text }: RecordedNote): boolean => text === '|' || text === '#';
const recordedError$ = throwError(() => new Error('the stream that was recorded errored here'));

/** One stream. Reads all of it at once, so that what cannot be read throws before anything is played. */
const playStream = <T>(
  said: readonly RecordedNote[],
  meaning: ParseNotes<T>,
  { scheduler, now }: Clock,
): Observable<T> => {
  const values = said.filter((one) => !isEnd(one));
  meaning(values, 0);
  const end = said.find(isEnd);
  const end$ = end === undefined ? NEVER : end.text === '|' ? EMPTY : recordedError$;
  // From value to value, so that a long recording is one timer at a time.
  const waited = (ms: number): Observable<unknown> => (ms <= 0 ? of(0) : timer(ms, scheduler));
  const since = (index: number): number => values[index - 1]?.at ?? 0;
  return defer(() => {
    const all = meaning(values, now());
    const values$ = from(all).pipe(
      concatMap((value, index) => waited((values[index]?.at ?? 0) - since(index)).pipe(map(() => value))),
    );
    return concat(values$, waited((end?.at ?? 0) - since(values.length)).pipe(concatMap(() => end$)));
  });
};

/**
 * Makes streams again of what `record` has written, value by value at its time: a report from the field becomes a test.
 * Texts, which a recording does not have, are empty. Plays in the time of `clock`, the machine's own unless given: that
 * of `marbles` in a test. Throws a `RecordingError` that names the line and what should be there.
 */
export const play = (text: string, clock: Clock = systemClock): Played => {
  const { began, until, tracks } = readRecording(text);
  const connectionState$ = playStream(tracks.connection, parseEach(connectionOf), clock);
  const progress$ = {
    upload: playStream(tracks.upload, parseEach(progressOf), clock),
    download: playStream(tracks.download, parseEach(progressOf), clock),
  };
  const said = tracks.status.filter((one) => !isEnd(one));
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
    network: networkOf(parseStatuses(said, 0).map((status, index) => ({ status, at: said[index]?.at ?? 0 }))),
    began,
    until,
  };
};
