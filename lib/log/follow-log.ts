import { Observable, queueScheduler, Subscription, type Observer } from 'rxjs';
import type { Version } from '../model/version.js';
import type { Log, LogPage } from './log.js';

export interface FollowerOptions {
  /** The version before the first one wanted. */
  readonly after: Version;
  /** Pages that may be ahead of what the reader is done with; asked whenever there might be room. */
  readonly pagesMax: number | (() => number);
}

export interface FollowOptions extends FollowerOptions {
  /** The version up to which the reader is done. May repeat and fall back; only growth counts. */
  readonly done$: Observable<Version>;
}

/** Somebody who follows a log. */
export interface Follower {
  /** Begins: the first page may be told before this returns. */
  readonly start: () => void;
  /** The reader is done up to a version. */
  readonly acknowledge: (upTo: Version) => void;
  /** Reads no more, and says no more. */
  readonly stop: () => void;
}

/** How many pages may go out. */
const createPageWindow = (pagesMax: FollowerOptions['pagesMax']) => {
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
 * Tells the pages of a log after a version, each as soon as it exists and its reader has room: at most `pagesMax` of
 * them are ahead of what that is done with.
 *
 * Completes when the log is closed, and only then; errors with a `StorageError`. What the log holds in memory goes out
 * in the very turn in which it was appended or room was made.
 *
 * Whatever may have made a page possible is a hint to look again: the head grew, the reader is done with something, the
 * last page is read. Hints that come while a page is read get lost, because its end is one more. The queue is what
 * makes a loop of it: on a synchronous storage, each page would otherwise be read on the stack of the one before.
 *
 * An edge, because a server has one for each of ten thousand sessions: nothing but the log itself stays subscribed.
 */
export const createFollower = <Entry>(
  log: Pick<Log<Entry>, 'head' | 'head$' | 'page'>,
  { after, pagesMax }: FollowerOptions,
  reader: Observer<LogPage<Entry>>,
): Follower => {
  let position = after;
  let isReading = false; // One page at a time is read or about to be.
  let isOver = false;
  const room = createPageWindow(pagesMax);
  const subscribed = new Subscription();

  /** Whether it was not over yet. */
  const end = (): boolean => {
    const ends = !isOver;
    isOver = true;
    subscribed.unsubscribe();
    return ends;
  };
  const look = (): void => {
    if (isOver || isReading || log.head <= position || !room.left()) return;
    isReading = true;
    queueScheduler.schedule(read);
  };
  const failed = (thrown: unknown): void => {
    if (end()) reader.error(thrown);
  };
  const came = (page: LogPage<Entry>): void => {
    if (isOver) return;
    position = page.upTo;
    room.take(page.upTo);
    try {
      reader.next(page);
    } catch (thrown) {
      failed(thrown); // A reader may throw, as an operator's function may.
    }
  };
  const wasRead = (): void => {
    isReading = false;
    look();
  };
  const read = (): void => {
    if (!isOver) subscribed.add(log.page(position).subscribe({ next: came, error: failed, complete: wasRead }));
  };
  const closed = (): void => {
    if (end()) reader.complete();
  };

  return {
    start: () => {
      subscribed.add(log.head$.subscribe({ next: look, error: failed, complete: closed }));
    },
    acknowledge: (upTo) => {
      room.give(upTo);
      look();
    },
    stop: () => void end(),
  };
};

/** The pages that a follower tells, as a stream. Cold. */
export const follow = <Entry>(
  log: Pick<Log<Entry>, 'head' | 'head$' | 'page'>,
  { done$, ...options }: FollowOptions,
): Observable<LogPage<Entry>> =>
  new Observable((reader) => {
    const follower = createFollower(log, options, reader);
    reader.add(follower.stop);
    reader.add(done$.subscribe({ next: follower.acknowledge, error: (thrown: unknown) => reader.error(thrown) }));
    follower.start();
  });
