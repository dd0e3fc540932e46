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
  /** Records a disconnect and returns the values to emit during the wait. Called once for each disconnect. */
  readonly announce: (disconnect: Disconnect) => readonly T[];
  /** Emits when the next attempt may begin. Cold. Called after the announced values were emitted. */
  readonly wait: (disconnect: Disconnect) => Observable<unknown>;
}

/**
 * Subscribes again after every disconnect that is not fatal, and emits the announced values before the wait.
 *
 * Errors with a fatal `Disconnect` only. It does not count attempts: `retry` would take any value for a success, the
 * announced ones included, so the `Backoff` counts. The notifier must emit: one that completes without a value would
 * complete the result.
 */
export const reconnect =
  <T>({ announce, wait }: ReconnectPorts<T>): MonoTypeOperatorFunction<T> =>
  (attempt$) =>
    attempt$.pipe(
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
        delay: (disconnect: Disconnect) => (disconnect.fatal ? throwError(() => disconnect) : wait(disconnect)),
        resetOnSuccess: false,
      }),
    );
