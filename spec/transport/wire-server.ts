import { request } from 'node:http';
import { firstValueFrom, mergeMap, Observable, ReplaySubject, switchMap, tap } from 'rxjs';
import { WebSocket } from 'ws';
import { systemClock } from '../../lib/clock.js';
import { serveSocket, type ServeSocketOptions } from '../../lib/transport/serve-socket.js';
import { listen, type WebSocketListener, type ListenerOptions } from '../../lib/transport/websocket-listener.js';
import { acceptorOf, type Wire } from '../../lib/transport/wire.js';

export type FrameWire = Wire<Uint8Array, Uint8Array>;
export const echoWire: FrameWire = (sent) => sent;

export interface WireServer {
  readonly listening: WebSocketListener;
  readonly url: string;
  /** Emits each time the server has finished with a socket. */
  readonly done$: Observable<unknown>;
  readonly stop: () => void;
}

const runningServers = new Set<() => void>();

/** Stops the servers that a test has left running. */
export const stopAll = (): void => {
  runningServers.forEach((stop) => stop());
  runningServers.clear();
};

/** Serves a wire on a port of its own, to which clients of plain `ws` connect. */
export const startWireServer = async (
  wire: FrameWire,
  options: Partial<ListenerOptions & ServeSocketOptions> = {},
): Promise<WireServer> => {
  const { target = { port: 0, host: '127.0.0.1' }, onFailure = () => undefined, ...rest } = options;
  const done$ = new ReplaySubject<unknown>(Infinity);
  const opened = new ReplaySubject<WebSocketListener>(1);
  const running = listen({ target, protocols: ['test.1'], frameBytesMax: 1_000, clock: systemClock, ...rest })
    .pipe(
      tap((listening) => opened.next(listening)),
      switchMap(({ connections$ }) => connections$),
      mergeMap(({ socket, bytes }) =>
        new Observable<never>((subscriber) => {
          const sendFrame = (frame: Uint8Array): void => bytes.sendFrame(frame);
          const onClosed = (): void => subscriber.complete();
          const served = serveSocket(socket, acceptorOf(wire), { onFailure, sendFrame, onClosed, ...rest });
          return () => served.stop();
        }).pipe(tap({ complete: () => done$.next(1) })),
      ),
    )
    .subscribe({ error: (thrown: unknown) => opened.error(thrown) });
  const stop = (): void => running.unsubscribe();
  runningServers.add(stop);
  const listening = await firstValueFrom(opened);
  return { listening, url: `ws://127.0.0.1:${listening.port}`, done$, stop };
};

export const openWebSocket = (url: string, names = ['test.1']) => {
  const socket = new WebSocket(url, names);
  const received: Buffer[] = [];
  socket.on('message', (data: Buffer) => received.push(data));
  socket.on('error', () => undefined);
  const closed = new Promise<readonly [number, string]>((resolve) =>
    socket.once('close', (code, text) => resolve([code, text.toString()])),
  );
  const open = new Promise((resolve) => socket.once('open', resolve));
  return { socket, chunks: received, closed, open };
};

/** Sends a request and returns the answer as an HTTP client receives it. */
export const requestHttp = (
  url: string,
  headers: Record<string, string> = {},
): Promise<readonly [number | undefined, string]> =>
  new Promise((resolve, reject) => {
    const asked = request(url.replace('ws:', 'http:'), { headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve([response.statusCode, text]));
    });
    asked.on('error', reject);
    asked.end();
  });

/** The headers that ask for a WebSocket. */
export const upgradeHeaders = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
