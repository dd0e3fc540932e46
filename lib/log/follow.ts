import {
  concatMap,
  defer,
  endWith,
  filter,
  finalize,
  ignoreElements,
  merge,
  observeOn,
  queueScheduler,
  Subject,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import type { Version } from '../model/version.js';
import type { Log, LogPage } from './log.js';

export interface FollowOptions {
  /** The version before the first one wanted. */
  readonly after: Version;
  /** The version up to which the reader is done. May repeat and fall back; only growth counts. */
  readonly done$: Observable<Version>;
  /** Pages that may be ahead of `done$`; asked whenever there might be room. */
  readonly pagesMax: number | (() => number);
}

/** How many pages may go out. */
const roomFor = (pagesMax: FollowOptions['pagesMax']) => {
  const ahead: Version[] = []; // At most `pagesMax` of them.
  return {
    left: () => ahead.length < (typeof pagesMax === 'number' ? pagesMax : pagesMax()),
    take: (upTo: Version) => {
      ahead.push(upTo);
    },
    give: (upTo: Version) => {
      while (ahead[0] !== undefined && ahead[0] <= upTo) ahead.shift();
    },
  };
};

/**
 * The pages of a log after a version, each as soon as it exists and its reader has room: at most `pagesMax` of them are
 * ahead of `done$`.
 *
 * Cold. Completes when the log is closed, and only then; errors with a `StorageError`. What the log holds in memory goes
 * out in the very turn in which it was appended or room was made.
 *
 * Whatever may have made a page possible is a hint to look again: the head grew, the reader is done with something, the
 * last page is read. Hints that come while a page is read get lost, because its end is one more. The queue is what makes a
 * loop of it: on a synchronous storage, each page would otherwise be read on the stack of the one before.
 */
export const follow = <Entry>(
  log: Pick<Log<Entry>, 'head' | 'head$' | 'page'>,
  { after, done$, pagesMax }: FollowOptions,
): Observable<LogPage<Entry>> =>
  defer(() => {
    let position = after; // These belong to one subscription, like the room.
    let reading = false;
    const room = roomFor(pagesMax);
    const read$ = new Subject<void>();

    const next$ = defer(() => log.page(position)).pipe(
      tap(({ upTo }) => {
        position = upTo;
        room.take(upTo);
      }),
      finalize(() => {
        reading = false;
        read$.next();
      }),
    );

    return merge(read$, done$.pipe(tap(room.give)), log.head$).pipe(
      filter(() => !reading && log.head > position && room.left()),
      tap(() => (reading = true)), // Before it is queued: one page at a time is read or about to be.
      observeOn(queueScheduler),
      concatMap(() => next$),
      takeUntil(log.head$.pipe(ignoreElements(), endWith(undefined))),
    );
  });
