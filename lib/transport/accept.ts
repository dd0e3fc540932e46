import { catchError, concat, defer, EMPTY, ignoreElements, type Observable, Subject, tap, throwError } from 'rxjs';
import { limits } from '../model/limits.js';
import { keptQuiet, lineCodes, lineOf, type WebSocketLike } from './socket.js';
import { hangUp, LineError, type Wire } from './wire.js';

export interface AcceptOptions {
  /** Unsent bytes with which a socket ends (4429): its reader is too slow. */
  readonly backlogBytesMax?: number;
  /** Told of what a wire errors with, when that is no `LineError`: a failure of ours, for the log. */
  readonly failed: (thrown: unknown) => void;
}

/**
 * Runs a server's wire on a socket that is open. Cold: has to be subscribed in the turn of the event loop in which the
 * socket was accepted; letting go closes the socket with 1000. Never emits or errors; completes when either end has hung up:
 *
 * - the socket closed: the wire is let go of;
 * - the wire completed: the socket is closed with 1000;
 * - the wire errored with a `LineError` `closed`: with its code and text;
 * - the wire errored with anything else: with 4500, and `failed` is told.
 *
 * What comes in is handed on frame by frame, in the turn in which it came: the wire has to bound what it keeps.
 */
export const accept = (
  socket: WebSocketLike,
  wire: Wire<Uint8Array, Uint8Array>,
  { backlogBytesMax = limits.socketBacklogBytesMax, failed }: AcceptOptions,
): Observable<never> =>
  defer(() => {
    keptQuiet(socket).binaryType = 'arraybuffer';
    const heard = new Subject<Uint8Array>();
    const answers = defer(() => wire(heard)).pipe(
      catchError((thrown: unknown) => {
        if (thrown instanceof LineError && thrown.failure.kind === 'closed') throw thrown;
        failed(thrown);
        throw hangUp(lineCodes.failed, 'the server failed');
      }),
    );
    const hungUp = throwError(() => hangUp(lineCodes.normal, ''));
    return lineOf(
      socket,
      backlogBytesMax,
    )(concat(answers, hungUp)).pipe(
      tap({ next: (frame) => heard.next(frame) }),
      ignoreElements(),
      catchError((thrown: unknown) => (thrown instanceof LineError ? EMPTY : throwError(() => thrown))),
    );
  });
