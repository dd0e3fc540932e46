import { Observable, type Subscriber } from 'rxjs';
import type { Channel } from '../connection/mux.js';

/** Counts of received and processed messages of one session. A plain record, because every idle session has one. */
export interface ReceiveProgress {
  channel: Pick<Channel, 'received'> | null;
  processed: number;
  waiters: readonly (readonly [subscriber: Subscriber<never>, goal: number])[];
}

const noWaiters: ReceiveProgress['waiters'] = [];

export const createReceiveProgress = (): ReceiveProgress => ({ channel: null, processed: 0, waiters: noWaiters });

const completeUpTo = (receiveProgress: ReceiveProgress, done: number): void => {
  const { waiters } = receiveProgress;
  receiveProgress.processed = done;
  if (waiters.length === 0) return;
  receiveProgress.waiters = waiters.filter(([, goal]) => goal > done);
  for (const [subscriber, goal] of waiters) if (goal <= done) subscriber.complete();
};

/** The session continues on another channel. Unprocessed messages of the previous one are sent again by the server. */
export const resetReceiveProgress = (receiveProgress: ReceiveProgress, channel: Pick<Channel, 'received'>): void => {
  abandonMessages(receiveProgress);
  receiveProgress.channel = channel;
  receiveProgress.processed = 0;
};

/** Some more messages were processed. */
export const recordProcessed = (receiveProgress: ReceiveProgress, count: number): void => {
  completeUpTo(receiveProgress, receiveProgress.processed + count);
};

/** The remaining messages will not be processed, because their connection has ended. */
export const abandonMessages = (receiveProgress: ReceiveProgress): void => {
  completeUpTo(receiveProgress, Infinity);
};

/**
 * Completes when every message received before the subscription is processed, or is given up with its connection. Cold.
 */
export const waitUntilProcessed = (receiveProgress: ReceiveProgress): Observable<never> =>
  new Observable((subscriber) => {
    const goal = receiveProgress.channel?.received ?? 0;
    if (goal > receiveProgress.processed) receiveProgress.waiters = [...receiveProgress.waiters, [subscriber, goal]];
    else subscriber.complete();
  });
