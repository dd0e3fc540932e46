import { merge, type Observable, take, takeUntil, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Backoff } from './backoff.js';

export interface IdleTriggerPorts {
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly trigger$: Observable<unknown>;
  /** Emits when a session needs the connection again, or the client is closed. */
  readonly end$: Observable<unknown>;
  /** Milliseconds after which it stops, at the latest. */
  readonly longestMs: number;
}

/**
 * Listens to reconnect triggers while no session needs the connection.
 *
 * After a trigger the next session does not wait for the remaining backoff. Ends with that backoff. An edge: no session
 * is there to subscribe.
 */
export const listenWhileIdle = ({
  backoff,
  clock: { scheduler },
  trigger$,
  end$,
  longestMs,
}: IdleTriggerPorts): void => {
  const left = Math.min(backoff.notBefore - scheduler.now(), longestMs);
  if (left <= 0) return;
  trigger$.pipe(take(1), takeUntil(merge(timer(left, scheduler), end$))).subscribe({
    next: backoff.reset,
    error: (thrown: unknown) => {
      throw thrown;
    },
  });
};
