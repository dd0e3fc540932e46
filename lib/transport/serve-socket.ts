import { Observable, type Observer } from 'rxjs';
import { limits } from '../model/limits.js';
import { ignoreErrors, socketCloseCodes, openSocketConnection, type WebSocketLike } from './socket.js';
import { createCloseError, ConnectionError, type Receiver, type Acceptor } from './wire.js';

export interface ServeSocketOptions {
  /** Unsent bytes with which a socket ends (4429): its reader is too slow. */
  readonly backlogBytesMax?: number;
  /** Told of what a host errors with, when that is no `ConnectionError`: a failure of ours, for the log. */
  readonly onFailure: (thrown: unknown) => void;
  /** Told of the text with which this end closes the socket. */
  readonly onEnd?: (text: string) => void;
  /** Told of the bytes of each frame. */
  readonly onFrame?: (way: 'in' | 'out', bytes: number) => void;
}

const noReceiver: Receiver<unknown> = { receive: () => undefined, close: () => undefined };

/**
 * Runs a server's end of a line on a socket that is open. Cold: has to be subscribed in the turn of the event loop in
 * which the socket was accepted; letting go closes the socket with 1000. Never emits or errors; completes when either
 * end has hung up:
 *
 * - the socket closed: the host's ear is let go of;
 * - the host completed: the socket is closed with 1000;
 * - the host errored with a `ConnectionError` `closed`: with its code and text;
 * - the host errored with anything else, or threw: with 4500, and `failed` is told.
 *
 * What comes in is handed on frame by frame, in the turn in which it came: the host has to bound what it keeps.
 */
export const serveSocket = (
  socket: WebSocketLike,
  host: Acceptor<Uint8Array, Uint8Array>,
  { backlogBytesMax = limits.socketBacklogBytesMax, onFailure, onFrame, onEnd }: ServeSocketOptions,
): Observable<never> =>
  new Observable((done) => {
    let receiver: Receiver<Uint8Array> = noReceiver;
    const over = (): void => done.complete();
    const hear = (frame: Uint8Array): void => {
      onFrame?.('in', frame.byteLength);
      receiver.receive(frame);
    };
    ignoreErrors(socket).binaryType = 'arraybuffer';
    const line = openSocketConnection(socket, backlogBytesMax, { next: hear, error: over, complete: over });
    done.add(line.close);
    if (done.closed) return;
    const fail = (thrown: unknown): void => {
      if (thrown instanceof ConnectionError && thrown.failure.kind === 'closed') {
        onEnd?.(thrown.failure.text);
        line.end(thrown);
        return;
      }
      onFailure(thrown);
      onEnd?.('the server failed');
      line.end(createCloseError(socketCloseCodes.failed, 'the server failed'));
    };
    const sink: Observer<Uint8Array> = {
      next: (frame) => {
        if (done.closed) return;
        onFrame?.('out', frame.byteLength);
        line.send(frame);
      },
      error: (thrown) => {
        if (!done.closed) fail(thrown);
      },
      complete: () => line.end(createCloseError(socketCloseCodes.normal, '')),
    };
    try {
      receiver = host(sink);
    } catch (thrown) {
      fail(thrown);
    }
    done.add(receiver.close);
  });
