import { defer, finalize, type Observable, Subject, Subscription } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Storage } from './storage.js';

/** Whether a storage owes an answer. */
export interface SlowCallWatch {
  /** The storage, watched. */
  readonly watch: (storage: Pick<Storage, 'range' | 'batch'>) => Pick<Storage, 'range' | 'batch'>;
  /**
   * Emits when a call has been unanswered for longer than the bound (true), and when none is any more (false). Hot;
   * never completes.
   */
  readonly overdue$: Observable<boolean>;
}

/**
 * What is not answered at once is watched, by one timer for all calls that are under way. A call is never given up: it
 * may yet happen.
 */
export const createSlowCallWatch = (ms: number, { scheduler }: Pick<Clock, 'scheduler'>): SlowCallWatch => {
  const overdue = new Subject<boolean>();
  let isOverdue = false;
  const calls = new Map<object, number>(); // When each began, the oldest first.
  let waiting = Subscription.EMPTY;

  const look = (): void => {
    const [oldest] = calls.values();
    const left = oldest === undefined ? 0 : oldest + ms - scheduler.now();
    const isLate = oldest !== undefined && left <= 0;
    if (isLate !== isOverdue) overdue.next((isOverdue = isLate));
    if (left > 0) waiting = scheduler.schedule(look, left);
  };
  const watch = <A>(work: Observable<A>): Observable<A> =>
    defer(() => {
      const call = {};
      calls.set(call, scheduler.now());
      if (calls.size === 1) waiting = scheduler.schedule(look, ms);
      return work.pipe(
        finalize(() => {
          calls.delete(call);
          if (calls.size > 0 && !isOverdue) return;
          waiting.unsubscribe();
          look();
        }),
      );
    });
  return {
    watch: (storage) =>
      Number.isFinite(ms)
        ? {
            range: (range) => watch(storage.range(range)),
            batch: (changes, options) => watch(storage.batch(changes, options)),
          }
        : storage,
    overdue$: overdue,
  };
};
