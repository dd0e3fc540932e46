import { finalize, map, type Observable, queueScheduler, ReplaySubject, type Subscription, tap } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import { createSharedPage, type SharedPage } from './shared-page.js';

/** A session that follows the history of its realm. */
export interface HistoryFollower {
  /**
   * Called when the history may have grown. Sends at most one page, so that all followers read the same pages together.
   * Returns whether another one may follow. Must not throw.
   */
  readonly wake: () => boolean;
  /** Called once, when the history is closed. */
  readonly closed: () => void;
  /** Called once, when `head$` of the history has failed. */
  readonly failed: (thrown: unknown) => void;
}

/** Pages that are kept: sessions that catch up read the same ones shortly after each other. */
const pagesMax = 8;

const noPages: readonly SharedPage[] = [];

/**
 * The sessions that follow the history of one realm, and the pages that they share. A change wakes all of them in one
 * loop, and each finds its page ready. A class, because a server has ten thousand open realms.
 *
 * Subscribes to the head of the history while it has followers, and to each page that it reads.
 */
export class HistoryFollowers {
  /** Whether a follower passes pages on to sessions that read them again. */
  isShared = false;
  private readonly followers = new Set<HistoryFollower>();
  /** The latest pages. All were read while the history ended at `readAt`: a page may be longer later. */
  private pages = noPages;
  private readAt: Version = -1;
  private head: Subscription | null = null;
  /** Pages that are being read, by the versions before them. */
  private pending: Map<Version, Observable<SharedPage>> | null = null;

  constructor(private readonly log: History['log']) {}

  /** Adds a follower until `remove`. */
  add(follower: HistoryFollower): void {
    this.followers.add(follower);
    if (this.followers.size > 1) return;
    this.head = this.log.head$.subscribe({
      next: () => queueScheduler.schedule(() => this.wakeAll()), // After synchronous answers to the upload.
      error: (thrown: unknown) => this.endAll((each) => each.failed(thrown)),
      complete: () => this.endAll((each) => each.closed()),
    });
  }

  remove(follower: HistoryFollower): void {
    if (!this.followers.delete(follower) || this.followers.size > 0) return;
    this.head?.unsubscribe();
    this.pages = noPages;
  }

  /**
   * Returns the page after a version: itself if it is in memory, otherwise a stream that emits it once and completes.
   * Followers at the same version share a page. A read runs to its end, whether or not its followers wait.
   */
  readPage(after: Version): SharedPage | Observable<SharedPage> {
    if (this.log.head !== this.readAt) this.pages = noPages;
    this.readAt = this.log.head;
    for (const page of this.pages) if (page.after === after) return page;
    return this.pending?.get(after) ?? this.read(after);
  }

  private read(after: Version): SharedPage | Observable<SharedPage> {
    const page$ = new ReplaySubject<SharedPage>(1);
    const found: SharedPage[] = [];
    const pending = (this.pending ??= new Map<Version, Observable<SharedPage>>());
    pending.set(after, page$);
    const page = this.log.page(after).pipe(
      map((read) => createSharedPage(after, read)),
      tap((read) => {
        this.keep(read);
        found.push(read);
      }),
      finalize(() => pending.delete(after)),
    );
    void page.subscribe(page$);
    return found[0] ?? page$;
  }

  private keep(page: SharedPage): void {
    if (this.log.head !== this.readAt || (this.followers.size < 2 && !this.isShared)) return;
    this.pages = [...this.pages.slice(this.pages.length < pagesMax ? 0 : 1), page];
  }

  private wakeAll(): void {
    let awake = [...this.followers];
    while (awake.length > 0) awake = awake.filter((each) => each.wake());
  }

  private endAll(end: (follower: HistoryFollower) => void): void {
    const all = [...this.followers];
    this.followers.clear();
    all.forEach(end);
  }
}
