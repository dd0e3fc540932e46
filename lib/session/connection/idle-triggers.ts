import { merge, type Observable, take, takeUntil, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Backoff } from './backoff.js';

export interface IdleTriggerPorts {
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly trigger$: Observable<unknown>;
  /** Emits when nobody has to listen any more. */
  readonly end$: Observable<unknown>;
  /** The longest that it listens, in milliseconds. */
  readonly longestMs: number;
}

/**
 * Listens to triggers while no session wants the line: one of them counts for the next session, which then does not
 * wait out the backoff of those before. Ends when the wait is over. An edge: there is nobody else to subscribe.
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
