import { catchError, defer, from, map, of, type Observable } from 'rxjs';
import { importAtRunTime } from '../model/run-time-import.js';
import type { WebSocketConstructor } from './socket.js';
import { ConnectionError } from './wire.js';

/** Milliseconds that `ws` waits for the close frame of the other end before it drops the socket. */
const closeTimeout = 1_000;

/** Whether this is Node. Checks the version, because bundlers define an almost empty `process` in browsers. */
const isNode = (): boolean => {
  const { process } = globalThis as { process?: { readonly versions?: { readonly node?: unknown } } };
  return typeof process?.versions?.node === 'string';
};

const getPlatformWebSocket = (): WebSocketConstructor => {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket) return WebSocket;
  throw new ConnectionError({
    kind: 'unreachable',
    detail: 'this platform has no WebSocket: install "ws", or use the option WebSocket',
  });
};

/**
 * Sets options that only `ws` has: no compression, because it costs ten times as much as the message, and a limit for
 * frames.
 */
const configureWebSocket = (Socket: typeof import('ws').WebSocket, frameBytesMax: number): WebSocketConstructor =>
  class extends Socket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { perMessageDeflate: false, maxPayload: frameBytesMax, closeTimeout } as object);
    }
  } as unknown as WebSocketConstructor;

/**
 * Loads the WebSocket of this platform: `ws` in Node if it is installed, otherwise the global one. Emits once and
 * completes; errors with a `ConnectionError` when the platform has no WebSocket. Loads `ws` dynamically, because it is
 * an optional peer dependency.
 */
export const loadWebSocket = (frameBytesMax: number): Observable<WebSocketConstructor> =>
  defer(() =>
    isNode()
      ? from(importAtRunTime<typeof import('ws')>('ws')).pipe(
          map(({ WebSocket }) => configureWebSocket(WebSocket, frameBytesMax)),
          catchError(() => defer(() => of(getPlatformWebSocket()))),
        )
      : of(getPlatformWebSocket()),
  );
