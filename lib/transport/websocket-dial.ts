import { Observable, of, switchMap } from 'rxjs';
import { messageOf } from '../model/errors.js';
import { limits } from '../model/limits.js';
import {
  bufferType,
  closeSocket,
  detailOf,
  ignoreErrors,
  socketWireOf,
  type WebSocketConstructor,
  type WebSocketLike,
} from './socket.js';
import { loadWebSocket } from './platform-websocket.js';
import { type Dial, ConnectionError, type Wire } from './wire.js';

export interface WebSocketDialOptions {
  /** A `ws:` or `wss:` URL. Never with a token, because URLs are logged. */
  readonly url: string;
  /** The offered subprotocols. */
  readonly protocols: readonly string[];
  /** The WebSocket class. By default `ws` in Node if it is installed, otherwise that of the platform. */
  readonly WebSocket?: WebSocketConstructor;
  /** Bytes of the largest accepted frame. Only `ws` rejects larger ones itself, with 1009. */
  readonly frameBytesMax: number;
  /** Unsent bytes with which a connection is closed. */
  readonly backlogBytesMax?: number;
}

/**
 * Connects over a WebSocket. Cold: each subscription opens a socket. Emits the wire when the socket is open, then stays
 * silent. Unsubscribing closes the socket with 1000 at any stage. Errors with a `ConnectionError` `unreachable` when
 * the socket does not open. Later errors are those of the wire, which must be subscribed when it is emitted.
 */
export const createWebSocketDial = (options: WebSocketDialOptions): Dial<Uint8Array, Uint8Array> =>
  (options.WebSocket ? of(options.WebSocket) : loadWebSocket(options.frameBytesMax)).pipe(
    switchMap((WebSocket) => openSocket(WebSocket, options)),
  );

const createUnreachableError = (detail: string, cause?: unknown): ConnectionError =>
  new ConnectionError({ kind: 'unreachable', detail }, cause === undefined ? {} : { cause });

const openSocket = (
  WebSocket: WebSocketConstructor,
  { url, protocols, backlogBytesMax = limits.socketBacklogBytesMax }: WebSocketDialOptions,
): Observable<Wire<Uint8Array, Uint8Array>> =>
  new Observable((subscriber) => {
    let socket: WebSocketLike;
    try {
      socket = ignoreErrors(new WebSocket(url, [...protocols]));
    } catch (thrown) {
      subscriber.error(createUnreachableError(messageOf(thrown), thrown));
      return undefined;
    }
    if (socket.binaryType !== bufferType) socket.binaryType = 'arraybuffer'; // Of `ws` it is `bufferType`.
    let detail = '';
    const onOpen = (): void => {
      socket.removeEventListener('close', onClose);
      subscriber.next(socketWireOf(socket, backlogBytesMax));
    };
    const onError = (event: { readonly message?: unknown; readonly error?: unknown }): void => {
      detail ||= detailOf(event);
    };
    // The `error` event is not enough: a browser gives no reason in either event, and `close` always follows.
    const onClose = ({ code, reason }: { readonly code: number; readonly reason: string }): void =>
      subscriber.error(
        createUnreachableError(detail || reason || `The socket closed with ${code} before it was open.`),
      );
    socket.addEventListener('open', onOpen);
    socket.addEventListener('error', onError);
    socket.addEventListener('close', onClose);
    return () => {
      socket.removeEventListener('open', onOpen);
      socket.removeEventListener('error', onError);
      socket.removeEventListener('close', onClose);
      closeSocket(socket);
    };
  });
