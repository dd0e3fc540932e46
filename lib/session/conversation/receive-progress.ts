import { defer, Observable, type Subscriber, tap } from 'rxjs';
import type { Channel } from '../connection/mux.js';

/** Counts of received and processed messages of one session. A plain record, because every idle session has one. */
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

/** The session continues on another channel. Unprocessed messages of the previous one are sent again by the server. */
export const resetReceiveProgress = (
  receiveProgress: ReceiveProgress,
  { counters }: Pick<Channel, 'counters'>,
): void => {
  completeUpTo(receiveProgress, Infinity);
  receiveProgress.counters = counters;
  receiveProgress.processed = 0;
};

/** Processes one message, and counts it when done. */
export const processMessage = <Event>(
  receiveProgress: ReceiveProgress,
  work: () => Observable<Event>,
): Observable<Event> =>
  defer(() => {
    const giveUp = (): void => {
      completeUpTo(receiveProgress, Infinity);
    };
    return work().pipe(
      tap({
        complete: () => {
          completeUpTo(receiveProgress, receiveProgress.processed + 1);
        },
        error: giveUp,
        unsubscribe: giveUp,
      }),
    );
  });

/**
 * Completes when every message received before the subscription is processed, or is given up with its connection. Cold.
 */
export const waitUntilProcessed = (receiveProgress: ReceiveProgress): Observable<never> =>
  new Observable((subscriber) => {
    const goal = receiveProgress.counters?.received ?? 0;
    if (goal > receiveProgress.processed) receiveProgress.waiters = [...receiveProgress.waiters, [subscriber, goal]];
    else subscriber.complete();
  });
