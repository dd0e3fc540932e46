import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { BehaviorSubject, firstValueFrom, ReplaySubject, Subject } from 'rxjs';
import { WebSocket, WebSocketServer } from 'ws';
import type { DialCase, DialEnd } from '../../lib/testing/dial-suite.js';
import { type WebSocketDialOptions, createWebSocketDial } from '../../lib/transport/websocket-dial.js';

export const frameBytesMax = 8 * 1024 * 1024;
export const protocols = ['test.1'];

const waitForListening = (server: Server | WebSocketServer): Promise<number> =>
  new Promise((resolve) => server.once('listening', () => resolve((server.address() as AddressInfo).port)));

const closeServer = (server: Server | WebSocketServer): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));

/** Starts a server that accepts TCP connections and never answers. */
export const startMuteServer = async () => {
  const sockets = new Set<Socket>();
  const held$ = new BehaviorSubject(0);
  const server = createServer((socket) => {
    held$.next(sockets.add(socket).size);
    socket.on('error', () => undefined);
    socket.resume();
    socket.once('close', () => {
      sockets.delete(socket);
      held$.next(sockets.size);
    });
  }).listen(0, '127.0.0.1');
  const port = await waitForListening(server);
  const abort = () => {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  };
  return { url: `ws://127.0.0.1:${port}`, held$, close: () => closeServer(server), abort };
};

/** Returns the URL of a port on which no server listens any more. */
const findDesertedUrl = async (): Promise<string> => {
  const server = createServer().listen(0, '127.0.0.1');
  const port = await waitForListening(server);
  await closeServer(server);
  return `ws://127.0.0.1:${port}`;
};

const endOf = (socket: WebSocket): DialEnd => {
  const receivedFrames$ = new ReplaySubject<Uint8Array>(Infinity);
  const closed$ = new ReplaySubject<number>(1);
  socket.on('message', (data: Buffer) => receivedFrames$.next(data));
  socket.once('close', (code) => closed$.next(code));
  socket.on('error', () => undefined);
  return {
    received$: receivedFrames$,
    closed$,
    send: (frame) => socket.send(frame),
    close: (code, text) => socket.close(code, text),
    kill: () => socket.terminate(),
  };
};

/** Creates a server of plain `ws`, without code of the library, and dials to it. */
export const createWebSocketCase = async (
  options: Partial<WebSocketDialOptions> = {},
): Promise<DialCase & { url: string }> => {
  const host = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: frameBytesMax, perMessageDeflate: false });
  const ends$ = new Subject<DialEnd>();
  const open = new Set<Promise<unknown>>();
  host.on('connection', (socket) => {
    const end = endOf(socket);
    open.add(firstValueFrom(end.closed$));
    ends$.next(end);
  });
  const url = `ws://127.0.0.1:${await waitForListening(host)}`;
  const mute = await startMuteServer();
  const dialTo = (to: string) => createWebSocketDial({ url: to, protocols, frameBytesMax, ...options });
  return {
    url,
    dial: dialTo(url),
    ends$,
    rejected: dialTo(await findDesertedUrl()),
    mute: { dial: dialTo(mute.url), held$: mute.held$ },
    close: async () => {
      await Promise.all(open);
      await closeServer(host);
      await mute.close();
    },
    abort: () => {
      host.close();
      host.clients.forEach((socket) => socket.terminate());
      mute.abort();
    },
  };
};

/**
 * A WebSocket with nothing beyond the standard: no third argument, errors without a message, close codes for apps only,
 * and no sending before it is open. It is based on `ws`, because Node 20 has no WebSocket of its own.
 */
export class PlainWebSocket extends EventTarget {
  binaryType: 'arraybuffer' | 'blob' = 'blob';
  readonly #socket: WebSocket;

  constructor(url: string, names: string[], ...more: unknown[]) {
    super();
    if (more.length > 0) throw new TypeError('a browser takes no options');
    this.#socket = new WebSocket(url, names, { perMessageDeflate: false });
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.on('open', () => this.dispatchEvent(new Event('open')));
    this.#socket.on('error', () => this.dispatchEvent(new Event('error')));
    this.#socket.on('message', (data: ArrayBuffer, isBinary: boolean) => {
      if (this.binaryType === 'blob') throw new TypeError('a blob');
      const text = isBinary ? data : Buffer.from(data).toString();
      this.dispatchEvent(Object.assign(new Event('message'), { data: text }));
    });
    this.#socket.on('close', (code, reason) =>
      this.dispatchEvent(Object.assign(new Event('close'), { code, reason: reason.toString() })),
    );
  }

  get readyState(): number {
    return this.#socket.readyState;
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  send(data: Uint8Array): void {
    if (this.readyState === WebSocket.CONNECTING) throw new DOMException('connecting', 'InvalidStateError');
    this.#socket.send(data);
  }
  close(code?: number, text?: string): void {
    const isAllowed = code === undefined || code === 1000 || (code >= 3000 && code <= 4999);
    if (!isAllowed) throw new DOMException('code', 'InvalidAccessError');
    this.#socket.close(code, text);
  }
}
