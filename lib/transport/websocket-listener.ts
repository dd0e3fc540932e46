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
import { toCloseText, ignoreErrors, type WebSocketLike } from './socket.js';

/** Where to listen: on a port of its own (0: any free one), or on a server that somebody else has and closes. */
export type ListenTarget = { readonly port: number; readonly host?: string } | { readonly server: HttpServer };

export interface ListenerOptions {
  readonly target: ListenTarget;
  /** The path of the upgrade; every path unless given. */
  readonly path?: string;
  /** The subprotocols that are spoken here, the best first; who offers none of them is refused with 400. */
  readonly protocols: readonly string[];
  /** Bytes of a frame; a larger one ends its socket with 1009. */
  readonly frameBytesMax: number;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Whether a proxy stands in front that says who calls (`client-address.ts`). */
  readonly trustProxy?: boolean;
  /** Why a call is not answered; `null`: it is. */
  readonly admit?: (call: UpgradeRequest) => UpgradeRejection | null;
  /** Told of every call that was not answered. */
  readonly onRejected?: (call: UpgradeRequest, refused: UpgradeRejection) => void;
  /** Answers requests of HTTP on a port of its own, before they are answered with 426. */
  readonly respond?: Respond;
}

/** Somebody who asks for a socket. */
export interface UpgradeRequest {
  /** The address of the other end, or what the proxy says it is. */
  readonly address: string;
  /** Path and query. */
  readonly url: string;
  /** The headers of the upgrade, names in lower case. */
  readonly headers: RequestHeaders;
}

/** A no, as HTTP says it. */
export interface UpgradeRejection {
  readonly status: keyof typeof statusTexts;
  readonly text: string;
}

/**
 * A socket that has been accepted. Whoever gets it has to listen to it in the same turn of the event loop
 * (`serve-socket.ts`).
 */
export interface AcceptedSocket extends UpgradeRequest {
  readonly socket: WebSocketLike;
  /** Has a listener called with the bytes of the socket as they come, before the WebSocket is given them. */
  readonly onBytes: (listener: (chunk: Uint8Array) => void) => void;
}

/** An open port. */
export interface WebSocketListener {
  readonly port: number;
  readonly host: string;
  /** Each socket as it is accepted. Hot; completes when nothing more is accepted. */
  readonly connections$: Observable<AcceptedSocket>;
  /**
   * Answers upgrades with 503, closes every socket with a code and a text, frees the port when all are closed, and
   * completes; sockets that have not answered after `graceMs` milliseconds are dropped. Cold; works once.
   */
  readonly close: (code: number, text: string, graceMs: number) => Observable<never>;
}

/**
 * Frames of one message: eight megabytes in pieces of 16 KiB, smaller than those of any browser or proxy. Without
 * payload they cost all the same.
 */
const fragmentsMax = 512;

/** Milliseconds that a socket has to answer a close before it is dropped. */
const closeTimeout = 2_000;

/** Milliseconds in which a port of its own wants to have heard a whole request: who says nothing holds a socket. */
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
  // HTTP leaves the other half open: who never closes theirs would hold the socket, and with it the closing of the
  // port.
  socket.once('finish', () => socket.destroy());
  socket.end([...head, `Content-Length: ${Buffer.byteLength(text)}`, '', text].join('\r\n'));
};

const offeredProtocolsOf = ({ headers }: IncomingMessage): readonly string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());

/** Why a call is not answered, besides what its owner has against it. */
const rejectionOf = (request: IncomingMessage, { path, protocols }: ListenerOptions): UpgradeRejection | null => {
  if (path !== undefined && pathOf(request) !== path) return { status: 404, text: `nothing here; the path is ${path}` };
  if (protocols.some((name) => offeredProtocolsOf(request).includes(name))) return null;
  return { status: 400, text: `offer one of these subprotocols: ${protocols.join(', ')}` };
};

/** The sockets of a port, and what makes them of upgrades. */
const createUpgradeHandler = (options: ListenerOptions) => {
  const { target, path, protocols, frameBytesMax, trustProxy = false, admit, onRejected } = options;
  const connections = new Subject<AcceptedSocket>();
  const sockets = new Set<WebSocket>();
  const count = new BehaviorSubject(0);
  const host = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false, // It costs ten times the message.
    maxPayload: frameBytesMax,
    clientTracking: false,
    // One message of a socket a turn of the event loop: who sends thousands in one piece does not hold up the others.
    allowSynchronousEvents: false,
    maxFragments: fragmentsMax,
    handleProtocols: (names) => protocols.find((name) => names.has(name)) ?? false,
    ...{ closeTimeout },
  });
  let isOpen = true;

  const accepted = (socket: WebSocket, stream: Duplex, call: UpgradeRequest): void => {
    sockets.add(socket);
    count.next(sockets.size);
    socket.once('close', () => {
      sockets.delete(socket);
      count.next(sockets.size);
    });
    const onBytes: AcceptedSocket['onBytes'] = (listener) => void stream.prependListener('data', listener);
    connections.next({ ...call, socket: ignoreErrors(socket as unknown as WebSocketLike), onBytes });
  };

  const handle = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { headers, url = '/' } = request;
    const call: UpgradeRequest = { address: clientAddressOf(request, trustProxy), url, headers };
    const no = isOpen
      ? (rejectionOf(request, options) ?? admit?.(call) ?? null)
      : ({ status: 503, text: 'closing' } as const);
    if (no === null) {
      host.handleUpgrade(request, socket, head, (accept) => accepted(accept, socket, call));
      return;
    }
    rejectUpgrade(socket, no);
    onRejected?.(call, no);
  };

  const handleInTurn = spreadOverTurns(handle, options.clock);
  const upgrade: typeof handle = (request, socket, head) => {
    const isShared = 'server' in target && target.server.listenerCount('upgrade') > 1;
    if (path !== undefined && pathOf(request) !== path && isShared) return; // Somebody else's path.
    socket.on('error', () => undefined); // It may break while it waits, or while it is refused.
    handleInTurn(request, socket, head);
  };

  const shut = (): void => {
    isOpen = false;
    connections.complete();
  };
  return { connections$: connections.asObservable(), sockets, count$: count.asObservable(), upgrade, shut };
};

type UpgradeHandler = ReturnType<typeof createUpgradeHandler>;

/** Closes every socket and completes when none is left; those that do not answer in time are dropped. */
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

/** For whoever comes without an upgrade: a browser, a health check. */
const answerUpgradeRequired = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(426, { Upgrade: 'websocket', Connection: 'close', 'Content-Type': 'text/plain; charset=utf-8' });
  response.end('This is a sync server: connect with a WebSocket.');
};

const stopServer = (server: Server): Observable<never> =>
  new Observable((subscriber) => {
    server.close(() => subscriber.complete());
    server.closeAllConnections();
  });

/** Emits when the port is open, and errors when it cannot be had or breaks. Frees it when let go of. */
const bindPort = (server: Server, { target }: ListenerOptions): Observable<void> =>
  new Observable((subscriber) => {
    if (!('port' in target)) {
      subscriber.next(); // Whether it listens yet, and what becomes of it, is its owner's.
      return undefined;
    }
    const onError = (thrown: Error): void => subscriber.error(thrown);
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
  // A server of somebody else's may listen on a pipe.
  return typeof address === 'object' && address !== null
    ? { port: address.port, host: address.address }
    : { port: 0, host: address ?? '' };
};

/**
 * Opens a port for WebSockets. Cold; emits once when it is open and stays silent after that; errors with Node's error
 * when it cannot be had. Letting go of it drops every socket and frees the port at once: `close` is the polite way.
 */
export const listen = (options: ListenerOptions): Observable<WebSocketListener> =>
  defer(() => {
    const { target, clock, respond } = options;
    const isOwn = !('server' in target);
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      if (respond?.(request, response) !== true) answerUpgradeRequired(request, response);
    };
    const server = isOwn ? createServer(requestTimeouts, answer) : (target.server as unknown as Server); // Of node:http or node:https: looked at by `checkAttachOptions`.
    const gate = createUpgradeHandler(options);
    server.on('upgrade', gate.upgrade);
    const left = (): void => {
      gate.shut();
      server.off('upgrade', gate.upgrade);
    };
    const close: WebSocketListener['close'] = (code, text, graceMs) =>
      defer(() => {
        gate.shut();
        const emptying = closeSockets(gate, code, text, timer(graceMs, clock.scheduler));
        // Who calls meanwhile is told so, and who asks how it is, too.
        return concat(emptying, isOwn ? stopServer(server) : EMPTY).pipe(finalize(left));
      });
    return bindPort(server, options).pipe(
      map(() => ({ ...addressOf(server), connections$: gate.connections$, close })),
      finalize(() => {
        left();
        gate.sockets.forEach((socket) => socket.terminate());
      }),
    );
  });
