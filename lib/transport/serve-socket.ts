import type { Observer } from 'rxjs';
import { limits } from '../model/limits.js';
import {
  bufferType,
  socketCloseCodes,
  openSocketConnection,
  type SocketConnection,
  type WebSocketLike,
} from './socket.js';
import { createCloseError, ConnectionError, type Receiver, type Acceptor } from './wire.js';

/** Settings and callbacks of one served socket. The object stays as long as its socket. */
export interface ServeSocketOptions {
  /** Unsent bytes with which a socket is closed (4429), because the other end reads too slowly. */
  readonly backlogBytesMax?: number;
  /** Called with an error of the acceptor that is not a `ConnectionError`, for the log of the server. */
  onFailure(thrown: unknown): void;
  /** Called with the text with which this end closes the socket. */
  onEnd?(text: string): void;
  /** Called once, when either end has closed. Not called after `stop`. */
  onClosed?(): void;
  /** Sends a frame like `send` of the socket, which is the default. */
  sendFrame?(frame: Uint8Array): void;
  /** Called with the bytes of each frame. */
  onFrame?(way: 'in' | 'out', bytes: number): void;
}

/** The server's end of a connection on a socket. */
export interface SocketServer {
  /** Closes the socket with 1000. May be called again. */
  stop(): void;
}

const noReceiver: Receiver<unknown> = { receive: () => undefined, close: () => undefined };

/**
 * The sink of the acceptor. A class instead of a stream, because a server has ten thousand sockets and each operator
 * that stays subscribed would take half a kilobyte.
 */
class ServingSocket implements SocketServer, Observer<Uint8Array> {
  private receiver: Receiver<Uint8Array> = noReceiver;
  /** `null` until the socket is listened to. */
  private connection: SocketConnection | null = null;
  private isOver = false;

  constructor(
    socket: WebSocketLike,
    acceptor: Acceptor<Uint8Array, Uint8Array>,
    private readonly options: ServeSocketOptions,
  ) {
    const { backlogBytesMax = limits.socketBacklogBytesMax } = options;
    socket.binaryType = bufferType;
    this.connection = openSocketConnection(socket, backlogBytesMax, new SocketEvents(this), options);
    if (!this.isOver) this.receiver = this.accept(acceptor);
  }

  next(frame: Uint8Array): void {
    if (this.isOver) return;
    this.options.onFrame?.('out', frame.byteLength);
    this.connection?.send(frame);
  }

  error(thrown: unknown): void {
    if (this.isOver) return;
    const { options, connection } = this;
    if (thrown instanceof ConnectionError && thrown.failure.kind === 'closed') {
      options.onEnd?.(thrown.failure.text);
      connection?.end(thrown);
      return;
    }
    options.onFailure(thrown);
    options.onEnd?.('The server failed.');
    connection?.end(createCloseError(socketCloseCodes.failed, 'The server failed.'));
  }

  complete(): void {
    this.connection?.end(createCloseError(socketCloseCodes.normal, ''));
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection?.close();
    this.receiver.close();
  }

  receive(frame: Uint8Array): void {
    this.options.onFrame?.('in', frame.byteLength);
    this.receiver.receive(frame);
  }

  private accept(acceptor: Acceptor<Uint8Array, Uint8Array>): Receiver<Uint8Array> {
    try {
      const receiver = acceptor(this);
      if (this.isOver) receiver.close();
      return receiver;
    } catch (thrown) {
      this.error(thrown);
      return noReceiver;
    }
  }

  /** The socket has closed. */
  finish(): void {
    if (this.isOver) return;
    this.stop();
    this.options.onClosed?.();
  }
}

/** Passes the events of a socket on. */
class SocketEvents implements Observer<Uint8Array> {
  constructor(private readonly server: ServingSocket) {}

  next(frame: Uint8Array): void {
    this.server.receive(frame);
  }

  error(): void {
    this.server.finish();
  }

  complete(): void {
    this.server.finish();
  }
}

/**
 * Runs the server's end of a connection on an open socket, until either end closes it. Must be called in the event-loop
 * turn in which the socket was accepted. The socket needs a listener for errors of its own, for those after its end.
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
  options: ServeSocketOptions,
): SocketServer => new ServingSocket(socket, acceptor, options);
