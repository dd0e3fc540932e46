import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { BehaviorSubject, defer, EMPTY, filter, finalize, ignoreElements, map, merge } from 'rxjs';
import { Observable, Subject, take, tap, timer } from 'rxjs';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../clock.js';
import { closeText, keptQuiet, type WebSocketLike } from './socket.js';

/** Where to listen: on a port of its own (0: any free one), or on a server that somebody else has and closes. */
export type Place = { readonly port: number; readonly host?: string } | { readonly server: Server };

export interface ListenOptions {
  readonly place: Place;
  /** The path of the upgrade; every path unless given. */
  readonly path?: string;
  /** The subprotocols that are spoken here, the best first; who offers none of them is refused with 400. */
  readonly protocols: readonly string[];
  /** Bytes of a frame; a larger one ends its socket with 1009. */
  readonly frameBytesMax: number;
  readonly clock: Pick<Clock, 'scheduler'>;
}

/** A socket that has been accepted. Whoever gets it has to listen to it in the same turn of the event loop (`accept.ts`). */
export interface Connection {
  readonly socket: WebSocketLike;
  /** The address of the other end, or of the proxy before it. */
  readonly address: string;
  /** The headers of the upgrade, names in lower case. */
  readonly headers: IncomingMessage['headers'];
}

/** An open port. */
export interface Listening {
  readonly port: number;
  readonly host: string;
  /** Each socket as it is accepted. Hot; completes when nothing more is accepted. */
  readonly connections$: Observable<Connection>;
  /**
   * Stops listening, closes every socket with a code and a text, and completes when all are closed and the port is free;
   * sockets that have not answered after `graceMs` milliseconds are dropped. Cold; works once.
   */
  readonly close: (code: number, text: string, graceMs: number) => Observable<never>;
}

/** Milliseconds that a socket has to answer a close before it is dropped. */
const closeTimeout = 2_000;

const refusals = { 400: 'Bad Request', 404: 'Not Found', 503: 'Service Unavailable' } as const;

const refuse = (socket: Duplex, status: keyof typeof refusals, text: string): void => {
  const head = [
    `HTTP/1.1 ${status} ${refusals[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
  ];
  // HTTP leaves the other half open: who never closes theirs would hold the socket, and with it the closing of the port.
  socket.once('finish', () => socket.destroy());
  socket.end([...head, `Content-Length: ${Buffer.byteLength(text)}`, '', text].join('\r\n'));
};

const offered = ({ headers }: IncomingMessage): readonly string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());

const pathOf = ({ url = '/' }: IncomingMessage): string => url.split('?', 1)[0] ?? '/';

/** The sockets of a port, and what makes them of upgrades. */
const createGate = ({ place, path, protocols, frameBytesMax }: ListenOptions) => {
  const connections = new Subject<Connection>();
  const sockets = new Set<WebSocket>();
  const count = new BehaviorSubject(0);
  const host = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false, // It costs ten times the message.
    maxPayload: frameBytesMax,
    clientTracking: false,
    handleProtocols: (names) => protocols.find((name) => names.has(name)) ?? false,
    ...{ closeTimeout },
  });
  let isOpen = true;

  const accepted = (socket: WebSocket, request: IncomingMessage): void => {
    sockets.add(socket);
    count.next(sockets.size);
    socket.once('close', () => {
      sockets.delete(socket);
      count.next(sockets.size);
    });
    const address = request.socket.remoteAddress ?? '';
    connections.next({ socket: keptQuiet(socket as unknown as WebSocketLike), address, headers: request.headers });
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const isElsewhere = path !== undefined && pathOf(request) !== path;
    const isShared = 'server' in place && place.server.listenerCount('upgrade') > 1;
    if (isElsewhere && isShared) return; // Somebody else's path.
    socket.on('error', () => undefined); // It may break while it is refused.
    if (!isOpen) refuse(socket, 503, 'closing');
    else if (isElsewhere) refuse(socket, 404, `nothing here; the path is ${path}`);
    else if (!protocols.some((name) => offered(request).includes(name))) {
      refuse(socket, 400, `offer one of these subprotocols: ${protocols.join(', ')}`);
    } else host.handleUpgrade(request, socket, head, accepted);
  };

  const shut = (): void => {
    isOpen = false;
    connections.complete();
  };
  return { connections$: connections.asObservable(), sockets, count$: count.asObservable(), upgrade, shut };
};

type Gate = ReturnType<typeof createGate>;

/** Closes every socket and completes when none is left; those that do not answer in time are dropped. */
const emptied = (
  { sockets, count$ }: Gate,
  code: number,
  text: string,
  grace$: Observable<unknown>,
): Observable<never> =>
  defer(() => {
    for (const socket of sockets) socket.close(code, closeText(text));
    const dropped$ = grace$.pipe(tap(() => sockets.forEach((socket) => socket.terminate())));
    const gone$ = count$.pipe(filter((count) => count === 0));
    return merge(dropped$.pipe(ignoreElements()), gone$).pipe(take(1), ignoreElements());
  });

/** For whoever comes without an upgrade: a browser, a health check. */
const plain = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(426, { Upgrade: 'websocket', Connection: 'close', 'Content-Type': 'text/plain; charset=utf-8' });
  response.end('This is a sync server: connect with a WebSocket.');
};

const stopped = (server: Server): Observable<never> =>
  new Observable((subscriber) => {
    server.close(() => subscriber.complete());
    server.closeAllConnections();
  });

/** Emits when the port is open, and errors when it cannot be had or breaks. Frees it when let go of. */
const bound = (server: Server, isOwn: boolean, { place }: ListenOptions): Observable<void> =>
  new Observable((subscriber) => {
    const onError = (thrown: Error): void => subscriber.error(thrown);
    const onListening = (): void => subscriber.next();
    server.on('error', onError);
    server.on('listening', onListening);
    if ('port' in place) server.listen(place.port, place.host);
    else if (server.listening) subscriber.next();
    return () => {
      server.off('error', onError);
      server.off('listening', onListening);
      if (!isOwn) return;
      server.close();
      server.closeAllConnections();
    };
  });

const addressOf = (server: Server): Pick<Listening, 'port' | 'host'> => {
  const address = server.address();
  // A server of somebody else's may listen on a pipe.
  return typeof address === 'object' && address !== null
    ? { port: address.port, host: address.address }
    : { port: 0, host: address ?? '' };
};

/**
 * Opens a port for WebSockets. Cold; emits once when it is open and stays silent after that; errors with Node's error when
 * it cannot be had. Letting go of it drops every socket and frees the port at once: `close` is the polite way.
 */
export const listen = (options: ListenOptions): Observable<Listening> =>
  defer(() => {
    const { place, clock } = options;
    const isOwn = !('server' in place);
    const server = isOwn ? createServer(plain) : place.server;
    const gate = createGate(options);
    server.on('upgrade', gate.upgrade);
    const left = (): void => {
      gate.shut();
      server.off('upgrade', gate.upgrade);
    };
    const close: Listening['close'] = (code, text, graceMs) =>
      defer(() => {
        gate.shut();
        const emptying = emptied(gate, code, text, timer(graceMs, clock.scheduler));
        const closing = merge(isOwn ? stopped(server) : EMPTY, emptying);
        return closing.pipe(finalize(left));
      });
    return bound(server, isOwn, options).pipe(
      map(() => ({ ...addressOf(server), connections$: gate.connections$, close })),
      finalize(() => {
        left();
        gate.sockets.forEach((socket) => socket.terminate());
      }),
    );
  });
