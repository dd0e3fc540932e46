import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { ignoreElements, lastValueFrom, merge, NEVER, of } from 'rxjs';
import { requestHttp, openWebSocket, echoWire, startWireServer, stopAll, upgradeHeaders } from './wire-server.js';

let raw: Socket | undefined;

afterEach(() => {
  raw?.destroy();
  stopAll();
});

describe('listening', () => {
  it('emits the open port, and errors when the port is not available', async () => {
    const { listening } = await startWireServer(echoWire);
    expect(listening).toMatchObject({ host: '127.0.0.1' });
    await expect(
      startWireServer(echoWire, { target: { port: listening.port, host: '127.0.0.1' } }),
    ).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `Port ${listening.port} is in use (EADDRINUSE). Stop the program that listens on the port, or choose another port.`,
    });
    await expect(startWireServer(echoWire, { target: { port: 0, host: '192.0.2.1' } })).rejects.toMatchObject({
      message: '192.0.2.1 is not an address of this machine (EADDRNOTAVAIL). Use 127.0.0.1, or leave host out.',
    });
  });

  it('chooses the subprotocol that both sides support, and rejects clients without one', async () => {
    const { url } = await startWireServer(echoWire);
    const { socket, open } = openWebSocket(url, ['other.1', 'test.1']);
    await open;
    expect(socket.protocol).toBe('test.1');
    const rejection = [400, 'Offer one of these subprotocols: test.1.'];
    expect(await requestHttp(url, { ...upgradeHeaders, 'Sec-WebSocket-Protocol': 'other.1' })).toEqual(rejection);
    expect(await requestHttp(url, upgradeHeaders)).toEqual(rejection);
  });

  it('answers a request that does not ask for a WebSocket with 426', async () => {
    const { url } = await startWireServer(echoWire);
    expect(await requestHttp(url)).toEqual([426, 'This is a sync server: connect with a WebSocket.']);
  });

  it('answers other paths with 404', async () => {
    const { url } = await startWireServer(echoWire, { path: '/sync' });
    await openWebSocket(`${url}/sync?a=b`).open;
    const [status] = await requestHttp(`${url}/other`, { ...upgradeHeaders, 'Sec-WebSocket-Protocol': 'test.1' });
    expect(status).toBe(404);
  });

  it('closes every socket with a code, terminates those that do not answer, and frees the port', async () => {
    const { listening, url } = await startWireServer(() => NEVER);
    const [polite, deaf] = [openWebSocket(url), openWebSocket(url)];
    await Promise.all([polite.open, deaf.open]);
    deaf.socket.pause();
    await lastValueFrom(listening.close(1001, 'going away', 50), { defaultValue: null });
    expect(await polite.closed).toEqual([1001, 'going away']);
    await expect(requestHttp(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    deaf.socket.terminate();
  });

  it.each([
    ['for its subprotocol', '/sync', 'other.1'],
    ['for its path', '/other', 'test.1'],
  ])('E14 is not kept open by a client that was rejected %s and never closes its socket', async (_, path, name) => {
    const { listening } = await startWireServer(echoWire, { path: '/sync' });
    const socket = (raw = connect({ port: listening.port, host: '127.0.0.1', allowHalfOpen: true }));
    const headers = Object.entries({ ...upgradeHeaders, Host: 'x', 'Sec-WebSocket-Protocol': name });
    const lines = headers.map(([header, value]) => `${header}: ${value}`);
    socket.on('data', () => undefined).on('error', () => undefined);
    const socketEnd = new Promise((resolve) => socket.once('end', resolve));
    socket.write([`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    await socketEnd;
    expect(await lastValueFrom(listening.close(1001, '', 50), { defaultValue: 'closed' })).toBe('closed');
  });

  it('terminates all sockets and frees the port when it is unsubscribed', async () => {
    const { url, stop } = await startWireServer(() => NEVER);
    const { open, closed } = openWebSocket(url);
    await open;
    stop();
    expect((await closed)[0]).toBe(1006);
    await expect(requestHttp(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('shares the HTTP server of the app and leaves it running', async () => {
    const server: Server = createServer((_, response) => response.end('mine'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { listening, url } = await startWireServer(echoWire, { target: { server }, path: '/sync' });
    await openWebSocket(`${url}/sync`).open;
    expect(await requestHttp(url)).toEqual([200, 'mine']);
    await lastValueFrom(merge(listening.close(1001, '', 1_000), of(0)));
    expect(await requestHttp(url)).toEqual([200, 'mine']);
    expect(server.listenerCount('upgrade')).toBe(0);
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  });

  it('leaves other paths of a shared server to others', async () => {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const one = await startWireServer(echoWire, { target: { server }, path: '/one' });
    await startWireServer(() => NEVER, { target: { server }, path: '/two' });
    const calls = [openWebSocket(`${one.url}/one`), openWebSocket(`${one.url}/two`)];
    await Promise.all(calls.map(({ open }) => open));
    stopAll();
    await new Promise((resolve) => server.close(resolve));
  });

  it('completes the stream of its connections when there will be no more', async () => {
    const { listening } = await startWireServer(() => NEVER);
    const ended = lastValueFrom(listening.connections$.pipe(ignoreElements()), { defaultValue: 'complete' });
    await lastValueFrom(listening.close(1001, '', 10), { defaultValue: null });
    expect(await ended).toBe('complete');
  });
});
