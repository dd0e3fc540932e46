import { Observable, queueScheduler, Subscription, type Observer } from 'rxjs';
import type { Version } from '../model/version.js';
import type { Log, LogPage } from './log.js';

export interface FollowerOptions {
  /** The version before the first one to read. */
  readonly after: Version;
  /**
   * Largest number of pages that may be sent before the reader acknowledges them. Read again whenever there might be
   * room.
   */
  readonly pagesMax: number | (() => number);
}

export interface FollowOptions extends FollowerOptions {
  /** The version up to which the reader has processed the log. Values may repeat and decrease; only growth counts. */
  readonly done$: Observable<Version>;
}

/** Reads a log page by page as it grows. */
export interface Follower {
  /** Starts reading. The reader may receive the first page before this call returns. */
  readonly start: () => void;
  /** Records that the reader has processed the log up to a version. */
  readonly acknowledge: (upTo: Version) => void;
  /** Stops reading. The reader receives nothing more. */
  readonly stop: () => void;
}

/** Counts pages that were sent and are not acknowledged. */
const createPageWindow = (pagesMax: FollowerOptions['pagesMax']) => {
  const pending: Version[] = []; // At most `pagesMax` of them.
  return {
    left: () => pending.length < (typeof pagesMax === 'number' ? pagesMax : pagesMax()),
    add: (upTo: Version) => {
      pending.push(upTo);
    },
    acknowledge: (upTo: Version) => {
      while (pending[0] !== undefined && pending[0] <= upTo) pending.shift();
    },
  };
};

/**
 * Sends the pages of a log after a version to a reader, each as soon as it exists. At most `pagesMax` pages are sent
 * before the reader acknowledges them.
 *
 * Completes only when the log is closed; errors with a `StorageError`. Entries that the log holds in memory are sent
 * synchronously when they are appended or when the reader acknowledges earlier ones.
 *
 * A growing head, an acknowledgement and the end of a read all cause another check for a page. Checks during a read are
 * ignored, because its end causes one. The queue scheduler makes a loop of the reads: on a synchronous storage, each
 * page would otherwise be read on the stack of the previous one.
 *
 * This function subscribes itself, because a server has one follower for each of ten thousand sessions: only the log
 * stays subscribed.
 */
export const createFollower = <Entry>(
  log: Pick<Log<Entry>, 'head' | 'head$' | 'page'>,
  { after, pagesMax }: FollowerOptions,
  reader: Observer<LogPage<Entry>>,
): Follower => {
  let position = after;
  let isReading = false; // At most one page is being read or scheduled.
  let isOver = false;
  const pageWindow = createPageWindow(pagesMax);
  const subscribed = new Subscription();

  /** Ends the follower. Returns `false` if it had already ended. */
  const end = (): boolean => {
    const ends = !isOver;
    isOver = true;
    subscribed.unsubscribe();
    return ends;
  };
  const readNext = (): void => {
    if (isOver || isReading || log.head <= position || !pageWindow.left()) return;
    isReading = true;
    queueScheduler.schedule(read);
  };
  const onError = (thrown: unknown): void => {
    if (end()) reader.error(thrown);
  };
  const onPage = (page: LogPage<Entry>): void => {
    if (isOver) return;
    position = page.upTo;
    pageWindow.add(page.upTo);
    try {
      reader.next(page);
    } catch (thrown) {
      onError(thrown); // A reader may throw, as an operator's function may.
    }
  };
  const onRead = (): void => {
    isReading = false;
    readNext();
  };
  const read = (): void => {
    if (!isOver) subscribed.add(log.page(position).subscribe({ next: onPage, error: onError, complete: onRead }));
  };
  const onClose = (): void => {
    if (end()) reader.complete();
  };

  return {
    start: () => {
      subscribed.add(log.head$.subscribe({ next: readNext, error: onError, complete: onClose }));
    },
    acknowledge: (upTo) => {
      pageWindow.acknowledge(upTo);
      readNext();
    },
    stop: () => void end(),
  };
};

/**
 * Emits the pages of a log as `createFollower` reads them. Cold. Completes when the log is closed; errors with a
 * `StorageError` and when `done$` errors.
 */
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
