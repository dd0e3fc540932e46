import { Observable, of, switchMap } from 'rxjs';
import { limits } from '../model/limits.js';
import {
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
  /** `ws:` or `wss:`. Never with a token in it: addresses end in logs. */
  readonly url: string;
  /** The subprotocols to offer. */
  readonly protocols: readonly string[];
  /** What to open sockets with. Otherwise `ws` in Node where it is installed, else the platform's own. */
  readonly WebSocket?: WebSocketConstructor;
  /** Bytes of a frame that is still taken; only `ws` can refuse larger ones by itself, with 1009. */
  readonly frameBytesMax: number;
  /** Unsent bytes with which a line ends. */
  readonly backlogBytesMax?: number;
}

/**
 * Calls over a WebSocket. Cold: subscribing opens one; it emits the wire when the socket is open and stays silent after
 * that; unsubscribing closes it with 1000, at any stage. Errors with a `ConnectionError` `unreachable` when it cannot
 * be had; what ends it later is heard on the wire, which has to be subscribed as soon as it is given.
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
  new Observable((caller) => {
    let socket: WebSocketLike;
    try {
      socket = ignoreErrors(new WebSocket(url, [...protocols]));
    } catch (thrown) {
      caller.error(createUnreachableError(thrown instanceof Error ? thrown.message : String(thrown), thrown));
      return undefined;
    }
    socket.binaryType = 'arraybuffer';
    let detail = '';
    const onOpen = (): void => {
      socket.removeEventListener('close', onClose);
      caller.next(socketWireOf(socket, backlogBytesMax));
    };
    const onError = (event: { readonly message?: unknown; readonly error?: unknown }): void => {
      detail ||= detailOf(event);
    };
    // Not told apart by `error`: a browser says why in neither, and `close` always comes.
    const onClose = ({ code, reason }: { readonly code: number; readonly reason: string }): void =>
      caller.error(createUnreachableError(detail || reason || `closed with ${code} before it was open`));
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
