import { Observable, Subject, Subscription } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Storage } from './storage.js';

/** Watches for calls of a storage that stay unanswered. */
export interface SlowCallWatch {
  /** Returns the storage with its calls watched. */
  readonly watch: (storage: Pick<Storage, 'range' | 'batch'>) => Pick<Storage, 'range' | 'batch'>;
  /**
   * Emits true when a call has been unanswered for longer than the limit, and false when no such call is left. Hot;
   * never completes.
   */
  readonly overdue$: Observable<boolean>;
}

/** Watches all running calls with one timer. A slow call is not cancelled, because it may still take effect. */
export const createSlowCallWatch = (ms: number, { scheduler }: Pick<Clock, 'scheduler'>): SlowCallWatch => {
  const overdue = new Subject<boolean>();
  let isOverdue = false;
  const calls = new Map<object, number>(); // The start of each call, the oldest first.
  let timer = Subscription.EMPTY;

  const check = (): void => {
    const [oldest] = calls.values();
    const left = oldest === undefined ? 0 : oldest + ms - scheduler.now();
    const isLate = oldest !== undefined && left <= 0;
    if (isLate !== isOverdue) overdue.next((isOverdue = isLate));
    if (left > 0) timer = scheduler.schedule(check, left);
  };
  const end = (call: object): void => {
    calls.delete(call);
    if (calls.size > 0 && !isOverdue) return;
    timer.unsubscribe();
    check();
  };
  // A call that ends synchronously needs no timer, which costs more than a small batch in memory.
  const watch = <A>(work: Observable<A>): Observable<A> =>
    new Observable((subscriber) => {
      work.subscribe(subscriber);
      if (subscriber.closed) return;
      const call = {};
      calls.set(call, scheduler.now());
      if (calls.size === 1) timer = scheduler.schedule(check, ms);
      subscriber.add(() => {
        end(call);
      });
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
