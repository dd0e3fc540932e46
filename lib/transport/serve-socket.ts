import { Observable, type Observer } from 'rxjs';
import { limits } from '../model/limits.js';
import { bufferType, ignoreErrors, socketCloseCodes, openSocketConnection, type WebSocketLike } from './socket.js';
import { createCloseError, ConnectionError, type Receiver, type Acceptor } from './wire.js';

export interface ServeSocketOptions {
  /** Unsent bytes with which a socket is closed (4429), because the other end reads too slowly. */
  readonly backlogBytesMax?: number;
  /** Called with an error of the acceptor that is not a `ConnectionError`, for the log of the server. */
  readonly onFailure: (thrown: unknown) => void;
  /** Called with the text with which this end closes the socket. */
  readonly onEnd?: (text: string) => void;
  /** Sends a frame like `send` of the socket, which is the default. */
  readonly sendFrame?: ((frame: Uint8Array) => void) | undefined;
  /** Called with the bytes of each frame. */
  readonly onFrame?: (way: 'in' | 'out', bytes: number) => void;
}

const noReceiver: Receiver<unknown> = { receive: () => undefined, close: () => undefined };

/**
 * Runs the server's end of a connection on an open socket. Cold: must be subscribed in the event-loop turn in which the
 * socket was accepted. Unsubscribing closes the socket with 1000. Never emits; never errors; completes when either end
 * has closed:
 *
 * - The socket closed: the receiver is closed.
 * - The sink completed: the socket is closed with 1000.
 * - The sink received a `ConnectionError` `closed`: the socket is closed with its code and text.
 * - The sink received another error, or the acceptor threw: the socket is closed with 4500, and `onFailure` is called.
 *
 * Each received frame is passed on in the event-loop turn in which it arrived: the acceptor must bound its own buffers.
 */
export const serveSocket = (
  socket: WebSocketLike,
  acceptor: Acceptor<Uint8Array, Uint8Array>,
  { backlogBytesMax = limits.socketBacklogBytesMax, onFailure, onFrame, onEnd, sendFrame }: ServeSocketOptions,
): Observable<never> =>
  new Observable((done) => {
    let receiver: Receiver<Uint8Array> = noReceiver;
    const complete = (): void => done.complete();
    const receive = (frame: Uint8Array): void => {
      onFrame?.('in', frame.byteLength);
      receiver.receive(frame);
    };
    ignoreErrors(socket).binaryType = bufferType;
    const observer = { next: receive, error: complete, complete };
    const connection = openSocketConnection(socket, backlogBytesMax, observer, sendFrame);
    done.add(connection.close);
    if (done.closed) return;
    const fail = (thrown: unknown): void => {
      if (thrown instanceof ConnectionError && thrown.failure.kind === 'closed') {
        onEnd?.(thrown.failure.text);
        connection.end(thrown);
        return;
      }
      onFailure(thrown);
      onEnd?.('The server failed.');
      connection.end(createCloseError(socketCloseCodes.failed, 'The server failed.'));
    };
    const sink: Observer<Uint8Array> = {
      next: (frame) => {
        if (done.closed) return;
        onFrame?.('out', frame.byteLength);
        connection.send(frame);
      },
      error: (thrown) => {
        if (!done.closed) fail(thrown);
      },
      complete: () => connection.end(createCloseError(socketCloseCodes.normal, '')),
    };
    try {
      receiver = acceptor(sink);
    } catch (thrown) {
      fail(thrown);
    }
    done.add(() => receiver.close());
  });
