import { Observable, type Subscription } from 'rxjs';
import type { Version } from '../model/version.js';
import type { Log, LogPage } from './log.js';

export interface FollowOptions {
  /** Begins after this version. */
  readonly after: Version;
  /** Versions up to which the reader is done with what it got. */
  readonly done$: Observable<Version>;
  /** Pages that may be ahead of `done$`. */
  readonly pagesMax: number;
}

/**
 * The pages of a log after a version, each as soon as it exists and its reader has room for it. Cold; completes when the
 * log is closed; errors with a `StorageError`.
 *
 * An edge: a loop over one page at a time, because a chain of operators that come back to themselves grows the stack with
 * the backlog when storage answers at once. A signal that comes while a page is read or handed out is seen by the loop's
 * next look, so none is lost.
 */
export const follow = <Entry>(log: Log<Entry>, { after, done$, pagesMax }: FollowOptions): Observable<LogPage<Entry>> =>
  new Observable((reader) => {
    const inFlight: Version[] = [];
    let sent = after;
    let busy = false;
    let reading: Subscription | null = null;

    const hand = (page: LogPage<Entry>): void => {
      if (page.entries.length === 0) return;
      sent = page.upTo;
      inFlight.push(page.upTo);
      reader.next(page);
    };
    const look = (): void => {
      if (busy) return;
      busy = true;
      while (!reader.closed && inFlight.length < pagesMax && sent < log.head) {
        let answered = false;
        reading = log.page(sent).subscribe({
          next: hand,
          error: (thrown: unknown) => reader.error(thrown),
          complete: () => {
            if (answered) {
              busy = false;
              look();
            }
            answered = true;
          },
        });
        // Not answered yet: the loop goes on when it is.
        if (!answered) {
          answered = true;
          return;
        }
      }
      busy = false;
    };
    const heads = log.head$.subscribe({ next: look, complete: () => reader.complete() });
    const dones = done$.subscribe({
      next: (version) => {
        while (inFlight[0] !== undefined && inFlight[0] <= version) inFlight.shift();
        look();
      },
      error: (thrown: unknown) => reader.error(thrown),
    });
    return () => {
      heads.unsubscribe();
      dones.unsubscribe();
      reading?.unsubscribe();
    };
  });
