import { defer, Observable, type Subscriber, tap } from 'rxjs';
import type { Channel } from '../connection/mux.js';

/**
 * What has been received for one session, and how much of it is dealt with: a plain record, because it weighs in every
 * idle session.
 */
export interface ReceiveProgress {
  counters: Channel['counters'] | null;
  processed: number;
  waiters: readonly (readonly [subscriber: Subscriber<never>, goal: number])[];
}

export const createReceiveProgress = (): ReceiveProgress => ({ counters: null, processed: 0, waiters: [] });

const completeUpTo = (receiveProgress: ReceiveProgress, done: number): void => {
  const { waiters } = receiveProgress;
  receiveProgress.processed = done;
  if (waiters.length === 0) return;
  receiveProgress.waiters = waiters.filter(([, goal]) => goal > done);
  for (const [subscriber, goal] of waiters) if (goal <= done) subscriber.complete();
};

/** The session goes on with another lane: what the one before has brought and is not stored comes again. */
export const resetReceiveProgress = (
  receiveProgress: ReceiveProgress,
  { counters }: Pick<Channel, 'counters'>,
): void => {
  completeUpTo(receiveProgress, Infinity);
  receiveProgress.counters = counters;
  receiveProgress.processed = 0;
};

/** Deals with one message. */
export const processMessage = <Event>(
  receiveProgress: ReceiveProgress,
  work: () => Observable<Event>,
): Observable<Event> =>
  defer(() => {
    const givenUp = (): void => {
      completeUpTo(receiveProgress, Infinity);
    };
    return work().pipe(
      tap({
        complete: () => {
          completeUpTo(receiveProgress, receiveProgress.processed + 1);
        },
        error: givenUp,
        unsubscribe: givenUp,
      }),
    );
  });

/**
 * Completes when everything that had been received at the subscription is dealt with, or given up with its connection.
 * Cold.
 */
export const waitUntilProcessed = (receiveProgress: ReceiveProgress): Observable<never> =>
  new Observable((subscriber) => {
    const goal = receiveProgress.counters?.received ?? 0;
    if (goal > receiveProgress.processed) receiveProgress.waiters = [...receiveProgress.waiters, [subscriber, goal]];
    else subscriber.complete();
  });
