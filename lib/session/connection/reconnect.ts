import {
  catchError,
  concat,
  from,
  defer,
  type MonoTypeOperatorFunction,
  type Observable,
  retry,
  throwError,
} from 'rxjs';
import { toDisconnect, Disconnect } from './disconnect.js';

export interface ReconnectPorts<T> {
  /** Takes note of a drop and says what is to be shown of it during the wait. Called once a drop. */
  readonly announce: (disconnect: Disconnect) => readonly T[];
  /** Emits when it is time to call again. Cold; asked after the announcement has been shown. */
  readonly wait: (disconnect: Disconnect) => Observable<unknown>;
}

/**
 * Calls again after every drop that is not fatal, saying so first. Errors with the drop that is fatal, and with no
 * other.
 *
 * It does not count: `retry`'s own counting would take any value, our announcements included, for success, so the count
 * belongs to the `Backoff`. The notifier must emit: one that only completes would complete the whole, in silence.
 */
export const reconnect =
  <T>({ announce, wait }: ReconnectPorts<T>): MonoTypeOperatorFunction<T> =>
  (call) =>
    call.pipe(
      catchError((thrown: unknown) => {
        const disconnect = toDisconnect(thrown);
        const end = throwError(() => disconnect);
        return disconnect.fatal
          ? end
          : concat(
              defer(() => from(announce(disconnect))),
              end,
            );
      }),
      retry({
        delay: (drop: Disconnect) => (drop.fatal ? throwError(() => drop) : wait(drop)),
        resetOnSuccess: false,
      }),
    );
