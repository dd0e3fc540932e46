import { Subject, take } from 'rxjs';
import { WebSocket } from 'ws';
import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { encodeValue } from '../../../lib/model/msgpack.js';
import { createSyncServer, type ServerOptions, type SyncServer, type User } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createHandshakeLimit } from '../../../lib/server/connections/handshake-limit.js';
import { connectRawClient } from '../raw-client.js';
import { createBind, createUpload } from '../test-kit.js';

const servers: SyncServer[] = [];
const sockets: WebSocket[] = [];
afterEach(async () => {
  sockets.splice(0).forEach((socket) => socket.terminate());
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const serving = async (options: Partial<ServerOptions> = {}): Promise<number> => {
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
    ...options,
  });
  servers.push(server);
  return (await server.listen({ port: 0, host: '127.0.0.1' })).port;
};

const socketTo = async (port: number): Promise<WebSocket> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('open', resolve));
  return socket;
};
const closing = (socket: WebSocket): Promise<string> =>
  new Promise((resolve) => socket.once('close', (code, reason) => resolve(`${code} ${reason.toString()}`)));

const ping = (sentAt: number) => ({ type: 'ping', sentAt }) as const;

describe('a connection whose token was not checked yet', () => {
  it('field report E-1: may send frames of 64 KiB, and is closed at the head of a larger one', async () => {
    const port = await serving();
    const client = await connectRawClient(port);
    client.send(encodeValue([8, 1, new Uint8Array(serverLimits.unboundFrameBytesMax - 10)]));
    await client.until(({ type }) => type === 'pong');
    client.send(encodeValue([8, 1, new Uint8Array(serverLimits.unboundFrameBytesMax)]));
    expect(await client.closed).toBe(1009);

    const half = await socketTo(port);
    const closed = closing(half);
    // The head of a frame of eight megabytes, without its content.
    (half as unknown as { _socket: { write: (bytes: Uint8Array) => void } })._socket.write(
      Uint8Array.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x7a, 0x12, 0, 0, 0, 0, 0]),
    );
    expect(await closed).toBe('1009 The message has 8000000 bytes; the limit is 65536.');
  });

  it('field report E-1: may send frames of any legal size once it was', async () => {
    const client = await connectRawClient(await serving());
    client.sendMessage(createBind({ token: 'ann' }));
    await client.until(({ type }) => type === 'bound');
    client.send(encodeValue([8, 1, new Uint8Array(5_000_000)]));
    await client.until(({ type }) => type === 'pong');
  });

  it('field report E-1: may send few values in a frame, however small', async () => {
    const port = await serving();
    const stranger = await connectRawClient(port);
    stranger.send(encodeValue([8, 1, Array.from({ length: serverLimits.unboundFrameValuesMax }, () => ({}))]));
    expect(await stranger.closed).toBe(4400);
    const client = await connectRawClient(port);
    client.sendMessage(createBind({ token: 'ann' }));
    await client.until(({ type }) => type === 'bound');
    client.send(encodeValue([8, 1, Array.from({ length: serverLimits.unboundFrameValuesMax }, () => ({}))]));
    await client.until(({ type }) => type === 'pong');
    client.send(encodeValue([8, 1, Array.from({ length: limits.frameValuesMax }, () => 1)]));
    expect(await client.closed).toBe(4400);
  });

  it('field report E-6: is closed after more than a few messages that are no binds, or pings of the WebSocket', async () => {
    const port = await serving();
    const client = await connectRawClient(port);
    for (let sent = 1; sent <= serverLimits.unboundMessagesMax + 1; sent += 1) client.sendMessage(ping(sent));
    expect(await client.closed).toBe(4429);
    expect(client.received).toHaveLength(serverLimits.unboundMessagesMax);

    for (const [opcode, length] of [
      [0x89, 0],
      [0x8a, 0],
      [0x89, 100],
    ] as const) {
      const socket = await socketTo(port);
      const closed = closing(socket);
      const frame = Uint8Array.from([opcode, 0x80 | length, 0, 0, 0, 0, ...new Array<number>(length).fill(0)]);
      const many = Buffer.concat(new Array<Uint8Array>(serverLimits.unboundMessagesMax + 1).fill(frame));
      (socket as unknown as { _socket: { write: (bytes: Uint8Array) => void } })._socket.write(many);
      expect(await closed).toMatch(/^4429 /);
    }
  });

  it('field report E-6: processes sixteen binds, and the others wait in their order', async () => {
    const answer = new Subject<User>();
    let asked = 0;
    let reportAsked: () => void = () => undefined;
    const question = new Promise<void>((resolve) => (reportAsked = resolve));
    const authorized: string[] = [];
    const port = await serving({
      authenticate: () => {
        asked += 1;
        reportAsked();
        return answer.pipe(take(1));
      },
      authorize: (_, realm) => {
        authorized.push(realm);
        return 'write';
      },
    });
    const client = await connectRawClient(port);
    for (let session = 1; session <= 400; session += 1)
      client.sendMessage(
        createBind({
          session,
          realm: `team-${session % 7}`,
          replica: `r${session}`,
          token: session === 1 ? 'ann' : null,
        }),
      );
    client.sendMessage({ type: 'unbind', session: 400 });
    await question;
    expect([asked, authorized]).toEqual([1, []]);
    answer.next({ id: 'ann' });
    await client.until((message) => message.type === 'unbound' && message.session === 400);
    const bound = client.received.flatMap((message) => (message.type === 'bound' ? [message.session] : []));
    expect(bound).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
  });

  it('field report E-6: is closed when too much waits, on it or on all such connections', () => {
    const { unboundBindsMax, unboundWaitingPerConnectionMax: most } = serverLimits;
    const waiting = { count: 0 };
    const one = createHandshakeLimit(waiting);
    const takes = Array.from({ length: unboundBindsMax + most }, (_, at) =>
      one.takeOrQueue(createBind({ session: at + 1 })),
    );
    expect(takes.filter((isNow) => isNow)).toHaveLength(unboundBindsMax);
    expect([one.takeOrQueue(ping(1)), one.takeOrQueue({ type: 'token', token: 'a' })]).toEqual([true, true]);
    expect(() => one.takeOrQueue(createUpload(1))).toThrow('4429');
    waiting.count = serverLimits.unboundWaitingMax;
    const other = createHandshakeLimit(waiting);
    for (let session = 1; session <= unboundBindsMax; session += 1)
      expect(other.takeOrQueue(createBind({ session }))).toBe(true);
    expect(() => other.takeOrQueue(createBind({ session: 99 }))).toThrow('4429');
    waiting.count = most;
    expect(one.end().map((message) => (message.type === 'bind' ? message.session : 0))).toEqual(
      Array.from({ length: most }, (_, at) => unboundBindsMax + at + 1),
    );
    expect(waiting.count).toBe(0);
  });

  it('field report E-6: counts for its address until it was', async () => {
    const port = await serving({ limits: { unboundPerAddressMax: 2 } });
    const [one] = [await connectRawClient(port), await connectRawClient(port)];
    await expect(connectRawClient(port)).rejects.toThrow('429');
    one.sendMessage(createBind({ token: 'ann' }));
    await one.until(({ type }) => type === 'bound');
    const third = await connectRawClient(port);
    await expect(connectRawClient(port)).rejects.toThrow('429');
    third.disconnect();
    await third.closed;
    one.sendMessage(createUpload(1));
    await one.until(({ type }) => type === 'accepted');
    const fourth = await connectRawClient(port);
    expect(fourth.received).toEqual([]);
  });
});

describe('a client that sends very much at once', () => {
  it.each([
    ['pings', encodeValue([8, 1]), 20_000],
    ['marks', encodeValue([4, 1, 7]), 3_000],
  ])(
    'field report E-6: has one message read at a time, and others are read in between: %s',
    async (_, frame, times) => {
      const port = await serving({ limits: { framesPerUserPerSecondMax: 1_000_000 } });
      const [flooder, other] = [await connectRawClient(port), await connectRawClient(port)];
      for (const [client, token] of [
        [flooder, 'mallory'],
        [other, 'ann'],
      ] as const) {
        client.sendMessage(createBind({ token, replica: token }));
        await client.until(({ type }) => type === 'bound');
      }
      const before = flooder.received.length;
      for (let sent = 0; sent < times; sent += 1) flooder.send(frame);
      for (let round = 1; round <= 5; round += 1) {
        other.sendMessage(ping(round));
        await other.until((message) => message.type === 'pong' && message.sentAt === round);
      }
      expect(flooder.received.length - before).toBeLessThan(times / 2);
    },
  );

  it('field report E-6: waits when all connections of its user exceed their limit, and other users do not wait', async () => {
    const port = await serving({ limits: { framesPerUserPerSecondMax: 50 } });
    const clients = [await connectRawClient(port), await connectRawClient(port), await connectRawClient(port)];
    for (const [at, client] of clients.entries()) {
      client.sendMessage(createBind({ token: at < 2 ? 'mallory' : 'ann', replica: `r${at}` }));
      await client.until(({ type }) => type === 'bound');
    }
    const [one, two, ann] = clients as [(typeof clients)[0], (typeof clients)[0], (typeof clients)[0]];
    for (let sent = 0; sent < 150; sent += 1) one.sendMessage(ping(sent));
    await one.until((message) => message.type === 'pong' && message.sentAt === 0);
    two.sendMessage(ping(-2));
    await two.until((message) => message.type === 'pong' && message.sentAt === -2);
    two.sendMessage(ping(-1)); // The last message paused the connection.
    for (let round = 0; round < 20; round += 1) {
      ann.sendMessage(ping(round));
      await ann.until((message) => message.type === 'pong' && message.sentAt === round);
    }
    expect(two.received.some((message) => message.type === 'pong' && message.sentAt === -1)).toBe(false);
    await two.until((message) => message.type === 'pong' && message.sentAt === -1); // The message is late but not lost.
  });
});
