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
import { batchShown, checkedProgress, outstandingIn } from '../session/progress.js';
import type { SyncStatus } from '../session/status.js';
import type { SyncSession } from '../session/syncsession.js';
import { connectionOf, errorOf, progressOf, statusOf, syncOf } from './meaning.js';
import { read, type Said } from './reading.js';
import { networkOf, type PlayedNetwork } from './weather.js';

/** The streams of a session as it was recorded. Cold: each begins anew with each subscription, its first value at once. */
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
type Meaning<T> = (said: readonly Said[], began: number) => readonly T[];

const each =
  <T>(meaning: (said: Said, now: number) => T): Meaning<T> =>
  (said, began) =>
    said.map((one) => meaning(one, began + one.at));

/** Statuses say what has changed: each stands on the one before it. */
const statuses: Meaning<SyncStatus> = (said, began) => {
  const all: SyncStatus[] = [];
  for (const one of said) all.push(statusOf(one, all.at(-1) ?? null, began + one.at));
  return all;
};

const isEnd = ({ words }: Said): boolean => words === '|' || words === '#';
const broken = throwError(() => new Error('the stream that was recorded errored here'));

/** One stream. Reads all of it at once, so that what cannot be read throws before anything is played. */
const stream = <T>(said: readonly Said[], meaning: Meaning<T>, { scheduler, now }: Clock): Observable<T> => {
  const values = said.filter((one) => !isEnd(one));
  meaning(values, 0);
  const end = said.find(isEnd);
  const end$ = end === undefined ? NEVER : end.words === '|' ? EMPTY : broken;
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
 * Makes streams again of what `record` has written, value by value at its time: a report from the field becomes a test. Texts, which a
 * recording does not have, are empty. Plays in the time of `clock`, the machine's own unless given: that of `marbles` in a test. Throws a
 * `RecordingError` that names the line and what should be there.
 */
export const play = (text: string, clock: Clock = systemClock): Played => {
  const { began, until, tracks } = read(text);
  const connectionState$ = stream(tracks.connection, each(connectionOf), clock);
  const progress$ = {
    upload: stream(tracks.upload, each(progressOf), clock),
    download: stream(tracks.download, each(progressOf), clock),
  };
  const said = tracks.status.filter((one) => !isEnd(one));
  return {
    streams: {
      connectionState$,
      connectionChanges$: connectionState$.pipe(
        pairwise(),
        map(([previous, current]) => ({ previous, current })),
      ),
      syncState$: stream(tracks.sync, each(syncOf), clock),
      status$: stream(tracks.status, statuses, clock),
      progress$: (options) => {
        const { direction, mode } = checkedProgress(options);
        const all$ = progress$[direction];
        return mode === 'reportIndefinitely' ? all$ : outstandingIn(all$.pipe(map(batchShown)));
      },
      errors$: stream(tracks.errors, each(errorOf), clock),
    },
    network: networkOf(statuses(said, 0).map((status, index) => ({ status, at: said[index]?.at ?? 0 }))),
    began,
    until,
  };
};
