import { request } from 'node:http';
import { firstValueFrom, mergeMap, type Observable, ReplaySubject, switchMap, tap } from 'rxjs';
import { WebSocket } from 'ws';
import { systemClock } from '../../lib/clock.js';
import { accept, type AcceptOptions } from '../../lib/transport/accept.js';
import { listen, type Listening, type ListenOptions } from '../../lib/transport/listen.js';
import { hostOf, type Wire } from '../../lib/transport/wire.js';

export type FrameWire = Wire<Uint8Array, Uint8Array>;
export const echo: FrameWire = (said) => said;

export interface Host {
  readonly listening: Listening;
  readonly url: string;
  /** Emits each time a socket is done with. */
  readonly done$: Observable<unknown>;
  readonly stop: () => void;
}

const hosts = new Set<() => void>();

/** Stops what a test has left running. */
export const stopAll = (): void => {
  hosts.forEach((stop) => stop());
  hosts.clear();
};

/** A wire on a port of its own, where clients of plain `ws` call. */
export const hosted = async (wire: FrameWire, options: Partial<ListenOptions & AcceptOptions> = {}): Promise<Host> => {
  const { place = { port: 0, host: '127.0.0.1' }, failed = () => undefined, ...rest } = options;
  const done$ = new ReplaySubject<unknown>(Infinity);
  const opened = new ReplaySubject<Listening>(1);
  const running = listen({ place, protocols: ['test.1'], frameBytesMax: 1_000, clock: systemClock, ...rest })
    .pipe(
      tap((listening) => opened.next(listening)),
      switchMap(({ connections$ }) => connections$),
      mergeMap(({ socket }) =>
        accept(socket, hostOf(wire), { failed, ...rest }).pipe(tap({ complete: () => done$.next(1) })),
      ),
    )
    .subscribe({ error: (thrown: unknown) => opened.error(thrown) });
  const stop = (): void => running.unsubscribe();
  hosts.add(stop);
  const listening = await firstValueFrom(opened);
  return { listening, url: `ws://127.0.0.1:${listening.port}`, done$, stop };
};

export const calling = (url: string, names = ['test.1']) => {
  const socket = new WebSocket(url, names);
  const heard: Buffer[] = [];
  socket.on('message', (data: Buffer) => heard.push(data));
  socket.on('error', () => undefined);
  const closed = new Promise<readonly [number, string]>((resolve) =>
    socket.once('close', (code, text) => resolve([code, text.toString()])),
  );
  const open = new Promise((resolve) => socket.once('open', resolve));
  return { socket, heard, closed, open };
};

/** The answer to a request, as the other end of HTTP sees it. */
export const answerOf = (
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
export const upgrade = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
