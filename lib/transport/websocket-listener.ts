import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { BehaviorSubject, concat, defer, EMPTY, filter, finalize, ignoreElements, map, merge } from 'rxjs';
import { Observable, Subject, take, tap, timer } from 'rxjs';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../clock.js';
import { clientAddressOf } from './client-address.js';
import type { HttpServer, RequestHeaders } from './http-types.js';
import { spreadOverTurns } from './event-loop-turns.js';
import { pathOf, type Respond } from './http-handler.js';
import { toListenError } from './listen-error.js';
import { ignoreError, toCloseText, type WebSocketLike } from './socket.js';
import { createFrameEncoder, framedPayloadMax } from './websocket-frame.js';

/** Where to listen: on an own port (0: any free one), or on an HTTP server that the app owns and closes. */
export type ListenTarget = { readonly port: number; readonly host?: string } | { readonly server: HttpServer };

export interface ListenerOptions {
  readonly target: ListenTarget;
  /** The path of the upgrade. Every path by default. */
  readonly path?: string;
  /** The supported subprotocols, the preferred one first. A client that offers none of them is rejected with 400. */
  readonly protocols: readonly string[];
  /** Bytes of a frame. A larger one closes its socket with 1009. */
  readonly frameBytesMax: number;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Whether a proxy reports the address of the client (`client-address.ts`). */
  readonly trustProxy?: boolean;
  /** Returns the reason to reject an upgrade, or `null` to accept it. */
  readonly admit?: (request: UpgradeRequest) => UpgradeRejection | null;
  /** Called for every rejected upgrade. */
  readonly onRejected?: (request: UpgradeRequest, rejection: UpgradeRejection) => void;
  /** Answers other HTTP requests on an own port. Requests that it does not handle are answered with 426. */
  readonly respond?: Respond;
}

/** A client's request for a WebSocket. */
export interface UpgradeRequest {
  /** The address of the client, or the one that the proxy reports. */
  readonly address: string;
  /** Path and query. */
  readonly url: string;
  /** The headers of the upgrade, with names in lower case. */
  readonly headers: RequestHeaders;
}

/** A rejection as an HTTP response. */
export interface UpgradeRejection {
  readonly status: keyof typeof statusTexts;
  readonly text: string;
}

/** An accepted socket. Its listeners must be added in the same event-loop turn (`serve-socket.ts`). */
export interface AcceptedSocket extends UpgradeRequest {
  readonly socket: WebSocketLike;
  readonly bytes: SocketBytes;
}

/** The bytes of an accepted socket. */
export interface SocketBytes {
  /** Calls a listener with the bytes of the socket as they arrive, before the WebSocket receives them. */
  onBytes(listener: (chunk: Uint8Array) => void): void;
  /** Sends a binary frame, like `send` of the socket. Does not copy a payload that it sent to another socket before. */
  sendFrame(payload: Uint8Array): void;
}

/** An open port. */
export interface WebSocketListener {
  readonly port: number;
  readonly host: string;
  /** Emits each accepted socket. Hot; completes when no more sockets are accepted. */
  readonly connections$: Observable<AcceptedSocket>;
  /**
   * Answers upgrades with 503, closes every socket with a code and a text, and frees the port when all are closed.
   * Drops sockets that have not answered after `graceMs` milliseconds. Cold; completes; works once.
   */
  readonly close: (code: number, text: string, graceMs: number) => Observable<never>;
}

/**
 * Frames of one message: eight megabytes in parts of 16 KiB, which is smaller than those of any browser or proxy. Empty
 * frames cost the same.
 */
const fragmentsMax = 512;

/** Milliseconds that a socket has to answer a close before it is dropped. */
const closeTimeout = 2_000;

/** Milliseconds within which a whole request must arrive at an own port: a silent client would hold a socket. */
const requestTimeouts = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 5_000 };

const statusTexts = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
} as const;

const rejectUpgrade = (socket: Duplex, { status, text }: UpgradeRejection): void => {
  const head = [
    `HTTP/1.1 ${status} ${statusTexts[status]}`,
    'Connection: close',
    ...(status === 429 || status === 503 ? ['Retry-After: 1'] : []),
    'Content-Type: text/plain; charset=utf-8',
  ];
  // HTTP leaves the other half open: a client that never closes it would hold the socket, and so the port.
  socket.once('finish', () => socket.destroy());
  socket.end([...head, `Content-Length: ${Buffer.byteLength(text)}`, '', text].join('\r\n'));
};

const offeredProtocolsOf = ({ headers }: IncomingMessage): readonly string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());

/** The reason to reject an upgrade, before `admit` is asked. */
const rejectionOf = (request: IncomingMessage, { path, protocols }: ListenerOptions): UpgradeRejection | null => {
  if (path !== undefined && pathOf(request) !== path)
    return { status: 404, text: `Nothing here. The path is ${path}.` };
  if (protocols.some((name) => offeredProtocolsOf(request).includes(name))) return null;
  return { status: 400, text: `Offer one of these subprotocols: ${protocols.join(', ')}.` };
};

const encodeFrame = createFrameEncoder();

/** The stream under a socket. A class, because a server has one for each socket. */
class StreamBytes implements SocketBytes {
  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
  ) {}

  onBytes(listener: (chunk: Uint8Array) => void): void {
    this.stream.prependListener('data', listener);
  }

  /**
   * Sends a frame with one `write` of the stream. `ws` writes header and payload separately, which took a tenth more
   * processor time for a change that a hundred readers receive. The order of frames stays, because `ws` writes each of
   * its own frames immediately while it compresses nothing and sends no blobs.
   */
  sendFrame(payload: Uint8Array): void {
    const { socket, stream } = this;
    if (socket.readyState === socket.OPEN && payload.byteLength <= framedPayloadMax) stream.write(encodeFrame(payload));
    else socket.send(payload);
  }
}

/** The sockets of a port, and the handler that makes them of upgrades. */
const createUpgradeHandler = (options: ListenerOptions) => {
  const { target, path, protocols, frameBytesMax, trustProxy = false, admit, onRejected } = options;
  const connections = new Subject<AcceptedSocket>();
  const sockets = new Set<WebSocket>();
  const count = new BehaviorSubject(0);
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false, // Compression costs ten times as much as the message.
    maxPayload: frameBytesMax,
    clientTracking: false,
    // One message of a socket per event-loop turn: a client that sends thousands at once does not delay the others.
    allowSynchronousEvents: false,
    maxFragments: fragmentsMax,
    handleProtocols: (names) => protocols.find((name) => names.has(name)) ?? false,
    ...{ closeTimeout },
  });
  let isOpen = true;

  /** One listener for all sockets: an emitter calls its listeners as its methods. */
  const onClosed = function (this: WebSocket): void {
    sockets.delete(this);
    count.next(sockets.size);
  };
  const onAccepted = (socket: WebSocket, stream: Duplex, upgradeRequest: UpgradeRequest): void => {
    sockets.add(socket);
    count.next(sockets.size);
    socket.on('close', onClosed);
    socket.on('error', ignoreError);
    const bytes = new StreamBytes(socket, stream);
    connections.next({ ...upgradeRequest, socket: socket as unknown as WebSocketLike, bytes });
  };

  const handle = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { headers, url = '/' } = request;
    const upgradeRequest: UpgradeRequest = { address: clientAddressOf(request, trustProxy), url, headers };
    const rejection = isOpen
      ? (rejectionOf(request, options) ?? admit?.(upgradeRequest) ?? null)
      : ({ status: 503, text: 'The server is closing.' } as const);
    if (rejection === null) {
      webSockets.handleUpgrade(request, socket, head, (accept) => onAccepted(accept, socket, upgradeRequest));
      return;
    }
    rejectUpgrade(socket, rejection);
    onRejected?.(upgradeRequest, rejection);
  };

  const handleInTurn = spreadOverTurns(handle, options.clock);
  const upgrade: typeof handle = (request, socket, head) => {
    const isShared = 'server' in target && target.server.listenerCount('upgrade') > 1;
    if (path !== undefined && pathOf(request) !== path && isShared) return; // The path belongs to another listener of the app's server.
    socket.on('error', ignoreError); // The socket may break while it waits or is rejected.
    handleInTurn(request, socket, head);
  };

  const shut = (): void => {
    isOpen = false;
    connections.complete();
  };
  return { connections$: connections.asObservable(), sockets, count$: count.asObservable(), upgrade, shut };
};

type UpgradeHandler = ReturnType<typeof createUpgradeHandler>;

/** Closes every socket and completes when none is left. Sockets that do not answer in time are dropped. */
const closeSockets = (
  { sockets, count$ }: UpgradeHandler,
  code: number,
  text: string,
  grace$: Observable<unknown>,
): Observable<never> =>
  defer(() => {
    for (const socket of sockets) socket.close(code, toCloseText(text));
    const dropped$ = grace$.pipe(tap(() => sockets.forEach((socket) => socket.terminate())));
    const gone$ = count$.pipe(filter((count) => count === 0));
    return merge(dropped$.pipe(ignoreElements()), gone$).pipe(take(1), ignoreElements());
  });

/** Answers requests without an upgrade, for example of browsers and health checks. */
const answerUpgradeRequired = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(426, { Upgrade: 'websocket', Connection: 'close', 'Content-Type': 'text/plain; charset=utf-8' });
  response.end('This is a sync server: connect with a WebSocket.');
};

const stopServer = (server: Server): Observable<never> =>
  new Observable((subscriber) => {
    server.close(() => subscriber.complete());
    server.closeAllConnections();
  });

/** Emits when the port is open. Errors when the port cannot be opened or breaks. Unsubscribing frees the port. */
const bindPort = (server: Server, { target }: ListenerOptions): Observable<void> =>
  new Observable((subscriber) => {
    if (!('port' in target)) {
      subscriber.next(); // The app opens and closes its own server.
      return undefined;
    }
    const onError = (thrown: Error): void => subscriber.error(toListenError(thrown, target));
    const onListening = (): void => subscriber.next();
    server.on('error', onError);
    server.on('listening', onListening);
    server.listen(target.port, target.host);
    return () => {
      server.off('error', onError);
      server.off('listening', onListening);
      server.close();
      server.closeAllConnections();
    };
  });

const addressOf = (server: Server): Pick<WebSocketListener, 'port' | 'host'> => {
  const address = server.address();
  // The server of an app may listen on a pipe.
  return typeof address === 'object' && address !== null
    ? { port: address.port, host: address.address }
    : { port: 0, host: address ?? '' };
};

/**
 * Opens a port for WebSockets. Cold; emits once when the port is open, then stays silent; errors with a `toListenError`
 * when it cannot be opened. Unsubscribing drops every socket and frees the port immediately; `close` closes them first.
 */
export const listen = (options: ListenerOptions): Observable<WebSocketListener> =>
  defer(() => {
    const { target, clock, respond } = options;
    const isOwn = !('server' in target);
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      if (respond?.(request, response) !== true) answerUpgradeRequired(request, response);
    };
    const server = isOwn ? createServer(requestTimeouts, answer) : (target.server as unknown as Server); // Of `node:http` or `node:https`: checked by `checkAttachOptions`.
    const handler = createUpgradeHandler(options);
    server.on('upgrade', handler.upgrade);
    const detach = (): void => {
      handler.shut();
      server.off('upgrade', handler.upgrade);
    };
    const close: WebSocketListener['close'] = (code, text, graceMs) =>
      defer(() => {
        handler.shut();
        const closing$ = closeSockets(handler, code, text, timer(graceMs, clock.scheduler));
        // New connections are rejected meanwhile, and health checks are still answered.
        return concat(closing$, isOwn ? stopServer(server) : EMPTY).pipe(finalize(detach));
      });
    return bindPort(server, options).pipe(
      map(() => ({ ...addressOf(server), connections$: handler.connections$, close })),
      finalize(() => {
        detach();
        handler.sockets.forEach((socket) => socket.terminate());
      }),
    );
  });
