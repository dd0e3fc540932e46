import { concat, firstValueFrom, ignoreElements, lastValueFrom, map, NEVER, of, range, switchMap, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import { WebSocket, WebSocketServer } from 'ws';
import { dialSuite } from '../../lib/testing/dial-suite.js';
import { createWebSocketDial } from '../../lib/transport/websocket-dial.js';
import type { WebSocketConstructor } from '../../lib/transport/socket.js';
import { ConnectionError, type Wire } from '../../lib/transport/wire.js';
import { frameBytesMax, PlainWebSocket, protocols, createWebSocketCase } from './test-kit.js';

dialSuite('the WebSocket of Node, found by itself', () => createWebSocketCase());
dialSuite('a WebSocket that can only what browsers can', () =>
  createWebSocketCase({ WebSocket: PlainWebSocket as unknown as WebSocketConstructor }),
);

const failureOf = (call$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(call$.pipe(ignoreElements()), { defaultValue: 'completed' }).catch((thrown: unknown) =>
    thrown instanceof ConnectionError ? thrown.failure : thrown,
  );

/** A WebSocket that a spec can access. */
class KeptWebSocket extends WebSocket {
  static last: WebSocket | undefined;
  constructor(url: string, names: string[]) {
    super(url, names);
    KeptWebSocket.last = this;
  }
}

/** Starts a server that calls `act` with each new socket, and returns a dial to it. */
const called = async (
  act: (socket: WebSocket) => void,
  options: Partial<Parameters<typeof createWebSocketDial>[0]> = {},
) => {
  const host = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => protocols[0]! });
  await new Promise((resolve) => host.once('listening', resolve));
  const { port } = host.address() as { port: number };
  const codes: number[] = [];
  const offered: string[] = [];
  const closed = new Promise<number>((resolve) =>
    host.on('connection', (socket, { headers }) => {
      offered.push(headers['sec-websocket-protocol'] ?? '', headers['sec-websocket-extensions'] ?? 'no extensions');
      socket.once('close', (code) => {
        codes.push(code);
        resolve(code);
      });
      socket.on('error', () => undefined);
      act(socket);
    }),
  );
  const dial = createWebSocketDial({ url: `ws://127.0.0.1:${port}`, protocols, frameBytesMax, ...options });
  const close = () => {
    host.clients.forEach((socket) => socket.terminate());
    return new Promise((resolve) => host.close(resolve));
  };
  return { dial, closed, offered, close };
};

describe('a WebSocket dial', () => {
  it('offers its subprotocols, and no compression', async () => {
    const { dial, offered, closed, close } = await called(() => undefined);
    await firstValueFrom(dial);
    expect(offered).toEqual(['test.1', 'no extensions']);
    await closed;
    await close();
  });

  it('treats a text frame as a violation of the protocol', async () => {
    const { dial, closed, close } = await called((socket) => socket.send('hello'));
    const text = 'A text frame was received; every frame must be binary.';
    expect(await failureOf(dial.pipe(switchMap((wire) => wire(NEVER))))).toEqual({ kind: 'closed', code: 4400, text });
    expect(await closed).toBe(4400);
    await close();
  });

  it('ends with 1009 when a frame is over the limit', async () => {
    const { dial, closed, close } = await called((socket) => socket.send(new Uint8Array(1_001)), {
      frameBytesMax: 1_000,
    });
    const text = 'A frame is over the limit.';
    expect(await failureOf(dial.pipe(switchMap((wire) => wire(NEVER))))).toEqual({ kind: 'closed', code: 1009, text });
    expect(await closed).toBe(1009);
    await close();
  });

  it('ends rather than buffer without bound what the server does not read', async () => {
    const { dial, close } = await called((socket) => socket.pause(), { backlogBytesMax: 4_000_000 });
    const sent$ = concat(range(0, 100).pipe(map(() => new Uint8Array(1_000_000))), NEVER);
    let sent = 0;
    const call$ = dial.pipe(switchMap((wire) => wire(sent$.pipe(tap(() => (sent += 1))))));
    expect(await failureOf(call$)).toMatchObject({ kind: 'closed', code: 4429 });
    expect(sent).toBeLessThan(20);
    await close();
  });

  it('is unreachable at a port without TLS, and says which url to use', async () => {
    const { createServer } = await import('node:http');
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    expect(await failureOf(createWebSocketDial({ url: `wss://127.0.0.1:${port}`, protocols, frameBytesMax }))).toEqual({
      kind: 'unreachable',
      detail: 'the port has no TLS: use ws: instead of wss:',
    });
    await new Promise((resolve) => server.close(resolve));
  });

  it.each([
    [
      '401',
      'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      'Unexpected server response: 401',
    ],
    ['nonsense', 'hello\r\n\r\n', 'Parse Error: Expected HTTP/'],
  ])('is unreachable when the handshake is answered with %s, and gives the reason', async (_, answer, detail) => {
    const { createServer } = await import('node:net');
    const server = createServer((socket) => socket.once('data', () => socket.end(answer))).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const failure = await failureOf(createWebSocketDial({ url: `ws://127.0.0.1:${port}`, protocols, frameBytesMax }));
    expect(failure).toMatchObject({ kind: 'unreachable' });
    expect((failure as { detail: string }).detail).toContain(detail);
    await new Promise((resolve) => server.close(resolve));
  });

  it('is unreachable when its URL is invalid', async () => {
    expect(await failureOf(createWebSocketDial({ url: 'http:', protocols, frameBytesMax }))).toMatchObject({
      kind: 'unreachable',
    });
  });

  it('is unreachable with the error of the constructor when the WebSocket cannot be created', async () => {
    const WebSocket = function () {
      throw new Error('no sockets here');
    } as unknown as WebSocketConstructor;
    expect(await failureOf(createWebSocketDial({ url: 'ws://x', protocols, frameBytesMax, WebSocket }))).toEqual({
      kind: 'unreachable',
      detail: 'no sockets here',
    });
  });

  it('does not subscribe to the sent frames of a connection that was closed before its wire was called', async () => {
    const { dial, close } = await called((socket) => socket.terminate(), { WebSocket: KeptWebSocket as never });
    let wire: Wire<Uint8Array, Uint8Array> = () => NEVER;
    const call = dial.subscribe((each) => (wire = each));
    await new Promise((resolve) => KeptWebSocket.last?.once('close', resolve));
    let sent = 0;
    const sent$ = of(new Uint8Array(1)).pipe(tap(() => (sent += 1)));
    expect(await failureOf(wire(sent$))).toMatchObject({ kind: 'closed', code: 1006 });
    expect(sent).toBe(0);
    call.unsubscribe();
    await close();
  });

  it('does not connect before it is subscribed', async () => {
    let calls = 0;
    const { dial, close } = await called(() => (calls += 1));
    await firstValueFrom(of(dial));
    await close();
    expect(calls).toBe(0);
  });
});
