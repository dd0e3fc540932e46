import { defer, Observable, type Subscriber, tap } from 'rxjs';
import type { Lane } from './mux.js';

/** What has been received for one session, and how much of it is dealt with: a plain record, because it weighs in every idle session. */
export interface Arrivals {
  counted: Lane['counted'] | null;
  dealt: number;
  waiting: readonly (readonly [subscriber: Subscriber<never>, goal: number])[];
}

export const createArrivals = (): Arrivals => ({ counted: null, dealt: 0, waiting: [] });

const dealtTo = (arrivals: Arrivals, done: number): void => {
  const { waiting } = arrivals;
  arrivals.dealt = done;
  if (waiting.length === 0) return;
  arrivals.waiting = waiting.filter(([, goal]) => goal > done);
  for (const [subscriber, goal] of waiting) if (goal <= done) subscriber.complete();
};

/** The session goes on with another lane: what the one before has brought and is not stored comes again. */
export const beginArrivals = (arrivals: Arrivals, { counted }: Pick<Lane, 'counted'>): void => {
  dealtTo(arrivals, Infinity);
  arrivals.counted = counted;
  arrivals.dealt = 0;
};

/** Deals with one message. */
export const dealing = <Event>(arrivals: Arrivals, work: () => Observable<Event>): Observable<Event> =>
  defer(() => {
    const givenUp = (): void => {
      dealtTo(arrivals, Infinity);
    };
    return work().pipe(
      tap({
        complete: () => {
          dealtTo(arrivals, arrivals.dealt + 1);
        },
        error: givenUp,
        unsubscribe: givenUp,
      }),
    );
  });

/** Completes when everything that had been received at the subscription is dealt with, or given up with its connection. Cold. */
export const caughtUp = (arrivals: Arrivals): Observable<never> =>
  new Observable((subscriber) => {
    const goal = arrivals.counted?.received ?? 0;
    if (goal > arrivals.dealt) arrivals.waiting = [...arrivals.waiting, [subscriber, goal]];
    else subscriber.complete();
  });
