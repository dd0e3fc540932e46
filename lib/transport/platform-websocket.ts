import { catchError, defer, from, map, of, type Observable } from 'rxjs';
import { importAtRunTime } from '../model/run-time-import.js';
import type { WebSocketConstructor } from './socket.js';
import { ConnectionError } from './wire.js';

/**
 * Milliseconds that `ws` waits for the other end's close frame before it drops the socket: nobody waits for it any
 * more.
 */
const closeTimeout = 1_000;

/** Bundlers put a `process` into browsers that has little or nothing in it. */
const isNode = (): boolean => {
  const { process } = globalThis as { process?: { readonly versions?: { readonly node?: unknown } } };
  return typeof process?.versions?.node === 'string';
};

const getPlatformWebSocket = (): WebSocketConstructor => {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket) return WebSocket;
  throw new ConnectionError({
    kind: 'unreachable',
    detail: 'no WebSocket here: install "ws", or give one as an option',
  });
};

/**
 * With what a browser cannot be told: compression off, because it costs ten times the message, and a bound for frames.
 */
const configureWebSocket = (Socket: typeof import('ws').WebSocket, frameBytesMax: number): WebSocketConstructor =>
  class extends Socket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { perMessageDeflate: false, maxPayload: frameBytesMax, closeTimeout } as object);
    }
  } as unknown as WebSocketConstructor;

/**
 * The WebSocket of this platform: `ws` in Node where it is installed, else the global one. Emits once and completes;
 * errors with a `ConnectionError` when there is none. The edge at which `ws` is loaded: it is an optional peer.
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
