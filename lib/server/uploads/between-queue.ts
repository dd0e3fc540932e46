import { catchError, EMPTY, Observable, Subject, takeUntil, tap } from 'rxjs';

/** Work that waits until no batch of uploads is being written. Each session has at most one waiting piece. */
export interface BetweenQueue {
  /**
   * Queues work. `isStoppable`: unsubscribing ends the work even after it has begun. Other work comes first, because
   * the next batch depends on it.
   */
  readonly run: <A>(work$: Observable<A>, isStoppable: boolean) => Observable<A>;
  readonly isEmpty: () => boolean;
  /**
   * Takes the next piece of work off the queue. It never errors. `null`: a batch comes first, because none was written
   * since the last piece, or nothing waits.
   */
  readonly takeNext: (hasUploads: boolean) => Observable<unknown> | null;
}

/** Creates the queue. `added` is called when work was added. */
export const createBetweenQueue = (added: () => void): BetweenQueue => {
  const writes = new Set<Observable<unknown>>();
  const reads = new Set<Observable<unknown>>();
  let isBatchNext = false;
  const takeFrom = (jobs: Set<Observable<unknown>>): Observable<unknown> | null => {
    const [job$ = null] = jobs;
    if (job$ !== null) jobs.delete(job$);
    return job$;
  };
  return {
    run: (work$, isStoppable) =>
      new Observable((subscriber) => {
        const jobs = isStoppable ? reads : writes;
        const stops = new Subject<void>();
        const job$ = work$.pipe(
          tap(subscriber),
          catchError(() => EMPTY), // The subscriber got the error already.
          takeUntil(stops),
        );
        jobs.add(job$);
        added();
        return () => {
          jobs.delete(job$);
          if (isStoppable) stops.next();
        };
      }),
    isEmpty: () => writes.size === 0 && reads.size === 0,
    takeNext: (hasUploads) => {
      const job$ = takeFrom(writes) ?? (isBatchNext && hasUploads ? null : takeFrom(reads));
      isBatchNext = job$ !== null;
      return job$;
    },
  };
};
