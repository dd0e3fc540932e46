import type { Socket } from 'node:net';
import { bufferCount, EMPTY, firstValueFrom, ignoreElements, NEVER, Subject, tap, throwError } from 'rxjs';
import type { WebSocket } from 'ws';
import { closeCodes } from '../../lib/protocol/messages.js';
import { toCloseText, socketCloseCodes } from '../../lib/transport/socket.js';
import { createCloseError, ConnectionError } from '../../lib/transport/wire.js';
import { openWebSocket, echoWire, type FrameWire, startWireServer, stopAll, upgradeHeaders } from './wire-server.js';

afterEach(stopAll);

describe('accepting a socket', () => {
  it('passes frames from the socket to the wire, and from the wire to the socket', async () => {
    const { url } = await startWireServer(echoWire);
    const { socket, chunks: received, open } = openWebSocket(url);
    await open;
    socket.send(Uint8Array.of(1, 2));
    socket.send(Uint8Array.of(3));
    await new Promise((resolve) => socket.on('message', () => received.length === 2 && resolve(1)));
    expect(received.map((frame) => [...frame])).toEqual([[1, 2], [3]]);
  });

  it('sends frames of every size in their order, and nothing after the close', async () => {
    const sizes = [0, 1, 125, 126, 16_384, 16_385, 5, 70_000, 2];
    const sent = new Subject<Uint8Array>();
    const { url } = await startWireServer(() => sent);
    const { chunks: received, open, closed } = openWebSocket(url);
    await open;
    for (const size of sizes) sent.next(Uint8Array.from({ length: size }, (_, at) => size + at));
    sent.complete();
    expect(await closed).toEqual([1000, '']);
    expect(received.map(({ byteLength }) => byteLength)).toEqual(sizes);
    received.forEach((frame, at) =>
      expect(frame[0]).toBe(frame.byteLength === 0 ? undefined : (sizes[at] ?? 0) & 0xff),
    );
  });

  it('keeps no more than twice the memory of the frames that arrive together', async () => {
    const received = new Subject<Uint8Array>();
    const all = firstValueFrom(received.pipe(bufferCount(50)));
    const { url } = await startWireServer((sent$) => sent$.pipe(tap(received), ignoreElements()));
    const { socket, open } = openWebSocket(url);
    await open;
    const { _socket: stream } = socket as unknown as { readonly _socket: Socket };
    stream.cork();
    for (let at = 0; at < 50; at += 1) socket.send(new Uint8Array(20).fill(at));
    stream.uncork();
    const frames = await all;
    expect(frames.map(([first]) => first)).toEqual(Array.from({ length: 50 }, (_, at) => at));
    for (const { byteLength, buffer } of frames) expect(buffer.byteLength).toBeLessThanOrEqual(2 * byteLength);
  });

  it('receives a frame that arrives in the same packet as the handshake', async () => {
    const { listening } = await startWireServer(echoWire);
    const { connect } = await import('node:net');
    const socket = connect(listening.port, '127.0.0.1');
    const head = Object.entries({ ...upgradeHeaders, 'Sec-WebSocket-Protocol': 'test.1', Host: 'x' })
      .map(([name, value]) => `${name}: ${value}`)
      .join('\r\n');
    const frame = Buffer.from([0x82, 0x81, 0, 0, 0, 0, 42]);
    const answer = new Promise<Buffer>((resolve) => {
      let all = Buffer.alloc(0);
      socket.on('data', (data: Buffer) => {
        all = Buffer.concat([all, data]);
        if (all.at(-1) === 42) resolve(all);
      });
    });
    socket.write(Buffer.concat([Buffer.from(`GET / HTTP/1.1\r\n${head}\r\n\r\n`), frame]));
    expect([...(await answer).subarray(-3)]).toEqual([0x82, 1, 42]);
    socket.destroy();
  });

  it.each([
    ['completes', EMPTY, [1000, '']],
    ['errors with a code', throwError(() => createCloseError(4408, 'too late')), [4408, 'too late']],
    ['errors with a long text', throwError(() => createCloseError(4400, 'ü'.repeat(100))), [4400, 'ü'.repeat(61)]],
    ['fails', throwError(() => new Error('a secret')), [4500, 'The server failed.']],
    ['errors as if it were unreachable', throwError(() => new ConnectionError({ kind: 'unreachable', detail: 'x' })), [4500, 'The server failed.']], // prettier-ignore
  ] as const)('closes the socket when the wire %s', async (_, answer, end) => {
    const { url, done$ } = await startWireServer(() => answer);
    expect(await openWebSocket(url).closed).toEqual(end);
    await firstValueFrom(done$);
  });

  it('reports the failure of a wire, but not its end with a close code', async () => {
    const reported: unknown[] = [];
    const failed = (thrown: unknown) => reported.push(thrown);
    const failing = await startWireServer(() => throwError(() => new Error('a secret')), { onFailure: failed });
    await openWebSocket(failing.url).closed;
    const ending = await startWireServer(() => throwError(() => createCloseError(4408, '')), { onFailure: failed });
    await openWebSocket(ending.url).closed;
    expect(reported).toEqual([new Error('a secret')]);
  });

  it.each([
    ['closed', (socket: WebSocket) => socket.close()],
    ['cut', (socket: WebSocket) => socket.terminate()],
  ])('unsubscribes from the wire when the socket is %s', async (_, end) => {
    const held = new Subject<Uint8Array>();
    const { url, done$ } = await startWireServer(() => held);
    const { socket, open } = openWebSocket(url);
    await open;
    expect(held.observed).toBe(true);
    end(socket);
    await firstValueFrom(done$);
    expect(held.observed).toBe(false);
  });

  it.each([
    ['large', 1_000_000, 50],
    ['small', 10_000, 5_000],
  ])('closes the socket of a slow reader of %s frames with 4429, and does not keep those', async (_, size, most) => {
    let sent = 0;
    const flood = new Subject<Uint8Array>();
    const wire: FrameWire = () => flood.pipe(tap(() => (sent += 1)));
    const { url, done$ } = await startWireServer(wire, { backlogBytesMax: 4_000_000 });
    const { socket, closed, open } = openWebSocket(url);
    await open;
    socket.pause();
    while (flood.observed) {
      flood.next(new Uint8Array(size));
      if (sent % 100 === 0 || size > 100_000) await new Promise((resolve) => setImmediate(resolve));
    }
    await firstValueFrom(done$);
    expect(sent).toBeLessThan(most);
    socket.resume();
    expect((await closed)[0]).toBe(4429);
  });

  it.each([
    ['text', 4400, (socket: WebSocket) => socket.send('hello')],
    ['over the limit', 1009, (socket: WebSocket) => socket.send(new Uint8Array(1_001))],
  ])('closes a socket with a frame that is %s', async (_, code, act) => {
    const { url } = await startWireServer(echoWire);
    const { socket, open, closed } = openWebSocket(url);
    await open;
    act(socket);
    expect((await closed)[0]).toBe(code);
  });

  it('E14 survives bytes that are not WebSocket frames', async () => {
    const { url, done$ } = await startWireServer(() => NEVER);
    const { socket, open } = openWebSocket(url);
    await open;
    (socket as unknown as { _socket: { write: (bytes: Buffer) => void } })._socket.write(Buffer.alloc(1_000, 0xff));
    await firstValueFrom(done$);
    expect(await openWebSocket((await startWireServer(() => EMPTY)).url).closed).toEqual([1000, '']);
  });

  it('uses the codes of the protocol', () => {
    expect(closeCodes).toMatchObject({
      normal: socketCloseCodes.normal,
      protocolViolation: socketCloseCodes.notFrames,
      tooMuch: socketCloseCodes.tooMuch,
      internal: socketCloseCodes.failed,
    });
  });

  it('never cuts a close text inside a character', () => {
    for (const text of ['', 'a'.repeat(123), 'a'.repeat(124), 'aü'.repeat(60), '€'.repeat(42), `a${'😀'.repeat(40)}`]) {
      const cut = toCloseText(text);
      expect(text.startsWith(cut)).toBe(true);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(123);
      expect(Buffer.byteLength(cut)).toBeGreaterThan(Math.min(119, Buffer.byteLength(text) - 1));
    }
  });
});
