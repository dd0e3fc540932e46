import { isObservable, type Observable, type Subscription } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import type { HistoryFollower, HistoryFollowers } from './history-followers.js';
import type { SharedPage } from './shared-page.js';

export interface HistoryReaderOptions {
  readonly log: Pick<History['log'], 'head'>;
  readonly followers: HistoryFollowers;
  /** Whether the session takes another page. */
  readonly hasRoom: () => boolean;
  readonly receive: (page: SharedPage) => void;
  /** Called once, when the history is closed. Calls `stop`. */
  readonly closed: () => void;
  /** Called once, with a `StorageError` or an error of `receive`. */
  readonly failed: (thrown: unknown) => void;
  /** Unsubscribed with the session. */
  readonly teardown: Subscription;
}

/**
 * Reads the history of a realm for one session, page by page as it grows, one page at a time: calls during a read are
 * ignored, because its end causes another check. Pages that are in memory are received synchronously, in a loop: the
 * client may acknowledge one synchronously, which calls `resume`. A class, because a server has ten thousand sessions.
 *
 * Subscribes to pages that are not in memory.
 */
export class HistoryReader implements HistoryFollower {
  private position: Version = 0;
  private isReading = false;
  private isOver = true;

  constructor(private readonly options: HistoryReaderOptions) {}

  /** Starts after a version. The session may receive the first pages before this call returns. */
  start(after: Version): void {
    this.position = after;
    this.isOver = false;
    this.options.followers.add(this);
    this.resume();
  }

  /** Called when the session may have room for another page. */
  resume(): void {
    while (this.wake());
  }

  /** Stops reading. The session receives nothing more. May be called again. */
  stop(): void {
    this.isOver = true;
    this.options.followers.remove(this);
  }

  wake(): boolean {
    if (!this.mayRead()) return false;
    this.isReading = true;
    const page = this.options.followers.readPage(this.position);
    if (isObservable(page)) {
      this.receiveLater(page);
      return false;
    }
    this.receive(page);
    this.isReading = false;
    return this.mayRead();
  }

  closed(): void {
    this.options.closed();
  }

  failed(thrown: unknown): void {
    if (this.isOver) return;
    this.stop();
    this.options.failed(thrown);
  }

  private mayRead(): boolean {
    const { log, hasRoom } = this.options;
    return !this.isReading && !this.isOver && this.position < log.head && hasRoom();
  }

  private receive(page: SharedPage): void {
    if (this.isOver) return;
    this.position = page.upTo;
    try {
      this.options.receive(page);
    } catch (thrown) {
      this.failed(thrown); // The error ends this session only: others are woken in the same loop.
    }
  }

  private receiveLater(page$: Observable<SharedPage>): void {
    const reading = page$.subscribe({
      next: (page) => this.receive(page),
      error: (thrown: unknown) => this.failed(thrown),
      complete: () => {
        this.isReading = false;
        this.resume();
      },
    });
    this.options.teardown.add(reading);
  }
}
