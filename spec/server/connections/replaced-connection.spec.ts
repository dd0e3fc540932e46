import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import { limits as allLimits } from '../../../lib/model/limits.js';
import { encodeClient } from '../../../lib/protocol/codec.js';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { createSyncServer, type ServerEvent, type ServerLimits, type SyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { connectRawClient, type RawClient } from '../raw-client.js';
import { createBind, summaryOf, createUpload } from '../test-kit.js';
import { heapUsed } from '../../heap-used.js';

/** `BINDS=10000 npm test -- spec/server/connections/replaced-connection` runs longer. */
const binds = Number(process.env['BINDS'] ?? 2_000);
const atOnce = 20;

const servers: SyncServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const serving = async (limits: Partial<ServerLimits> = {}) => {
  const events: ServerEvent[] = [];
  const calls = { upgradesPerSecondMax: 100_000, connectionsPerAddressMax: 10_000 };
  const server = createSyncServer({
    storage: memoryStorage(),
    limits: { ...calls, ...limits },
    log: (event) => events.push(event),
  });
  servers.push(server);
  const { port } = await server.listen({ port: 0 });
  /** Reads a gauge from the server's metrics. */
  const gauge = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(new RegExp(`^tidemark_${name} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  };
  /** Waits, with a bound, until a gauge has a value. */
  const settled = async (name: string, value: number): Promise<number> => {
    for (let tries = 0; tries < 200 && (await gauge(name)) !== value; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    return gauge(name);
  };
  /** Waits, with a bound, until a number of connections have ended, and returns their close codes. */
  const closed = async (many: number): Promise<readonly number[]> => {
    const codes = () => events.flatMap((event) => (event.event === 'closed' ? [event.code] : []));
    for (let tries = 0; tries < 200 && codes().length < many; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    if (codes().length < many)
      throw new Error(`waited for ${many} connections to end: ${codes().join() || 'none'} have`);
    return codes();
  };
  return { port, gauge, settled, closed };
};

const bound = async (port: number, message: ClientMessage = createBind()): Promise<RawClient> => {
  const client = await connectRawClient(port);
  client.sendMessage(message);
  await client.until(({ type }) => type === 'bound');
  return client;
};

const handshake = [
  ...['GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: tidemark.1', '', ''],
].join('\r\n');

/** Encodes a short WebSocket frame as a client sends it, with a mask of zeros. */
const framed = (message: ClientMessage): Uint8Array => {
  const payload = encodeClient(message);
  return Uint8Array.from([0x82, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
};

describe('the same replica on one socket after the other', () => {
  it('is bound on the last one only; what the others uploaded is in the history once, and their sockets live on', async () => {
    const { port, settled } = await serving();
    const clients: RawClient[] = [];
    for (let twin = 0; twin < 30; twin += 1) {
      const client = await bound(port);
      clients.push(client);
      client.sendMessage(createUpload(1, twin + 1)); // The same uploads again and one more; not every answer is awaited.
      if (twin % 2 === 0) await client.until(({ type }) => type === 'accepted');
    }
    const last = clients.at(-1)!;
    await last.until((message) => message.type === 'accepted' && message.version === 30);
    for (const client of clients.slice(0, -1)) {
      await client.until((message) => message.type === 'error' && message.code === 'replaced');
      client.sendMessage({ type: 'ping', sentAt: 1 });
      await client.until(({ type }) => type === 'pong');
    }
    expect(await settled('sessions', 1)).toBe(1);
    const reader = await bound(port, createBind({ replica: 'reader' }));
    const page = await reader.until(({ type }) => type === 'download');
    expect(page.type === 'download' && page.changesets.map(({ version }) => version)).toEqual(
      Array.from({ length: 30 }, (_, index) => index + 1),
    );
    clients.concat(reader).forEach(({ disconnect }) => disconnect());
    expect(await settled('realms_open', 0)).toBe(0);
  });

  it('receives which one is bound, however fast the two take turns', async () => {
    const { port, settled } = await serving();
    const [one, other] = [await connectRawClient(port), await connectRawClient(port)];
    for (let session = 1; session <= 200; session += 1) {
      one.sendMessage(createBind({ session }));
      other.sendMessage(createBind({ session }));
    }
    for (const client of [one, other]) {
      client.sendMessage({ type: 'ping', sentAt: 9 });
      await client.until(({ type }) => type === 'pong');
    }
    expect(await settled('sessions', 1)).toBe(1);
    const codes = [...one.received, ...other.received].filter(({ type }) => type === 'error').map(summaryOf);
    expect(codes.length).toBe(399);
    expect(codes.every((text) => text.includes('replaced'))).toBe(true);
    [one, other].forEach(({ disconnect }) => disconnect());
    expect(await settled('sessions', 0)).toBe(0);
  });
});

describe('a socket without a working client', () => {
  it('is closed when it binds no session, also when the close is not answered', async () => {
    const { port, settled, closed } = await serving({ bindMsMax: 200 });
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined);
      socket.write(handshake);
      socket.pause(); // This client does not answer any message.
      return socket;
    });
    expect(await settled('connections', 20)).toBe(20);
    expect(await settled('connections', 0)).toBe(0);
    expect((await closed(20)).length).toBe(20);
    sockets.forEach((socket) => socket.destroy());
  });

  it('is closed when it sends no message, also when it was bound; a client that pings stays', async () => {
    const { port, settled, closed } = await serving({ silenceMsMax: 400 });
    const alive = await bound(port);
    const silentSocket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    silentSocket.on('error', () => undefined);
    silentSocket.write(handshake);
    silentSocket.write(framed(createBind({ replica: 'gone' })));
    silentSocket.pause();
    expect(await settled('sessions', 2)).toBe(2);
    const pinging = setInterval(() => alive.sendMessage({ type: 'ping', sentAt: 0 }), 50);
    expect(await settled('sessions', 1)).toBe(1);
    clearInterval(pinging);
    silentSocket.destroy();
    expect(await closed(2)).toContain(4408); // The client answers no ping either.
  });

  it('gives its replica to the socket on which it comes back', async () => {
    const { port, settled } = await serving();
    const silentSocket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    silentSocket.on('error', () => undefined);
    silentSocket.write(handshake);
    silentSocket.write(framed(createBind()));
    silentSocket.pause();
    expect(await settled('sessions', 1)).toBe(1);
    const back = await bound(port);
    back.sendMessage(createUpload(1));
    await back.until(({ type }) => type === 'accepted');
    expect(await settled('sessions', 1)).toBe(1);
    silentSocket.destroy();
    back.disconnect();
    expect(await settled('connections', 0)).toBe(0);
  });
});

describe('a client that binds and never reads', () => {
  const bodyBytes = 100_000;
  /** Uploads changesets of one page each. */
  const filled = async (port: number, many: number): Promise<RawClient> => {
    const writer = await bound(port, createBind({ replica: 'writer' }));
    for (let version = 1; version <= many; version += 1) {
      const text = String(version).padEnd(bodyBytes, '.');
      const body = encodeOperations([{ kind: 'create', type: 'Note', key: version, values: { text } }]);
      writer.sendMessage({ type: 'upload', session: 1, changesets: [{ version, time: 0, count: version, body }] });
      await writer.until(({ type }) => type === 'accepted');
    }
    return writer;
  };
  const deaf = async (port: number): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1');
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('open', resolve));
    socket.pause();
    return socket;
  };

  it('is sent a window of bytes and not more, however much is written', async () => {
    const { port, gauge } = await serving();
    const socket = await deaf(port);
    socket.send(encodeClient(createBind({ replica: 'deaf' })));
    const writer = await filled(port, 60);
    writer.sendMessage({ type: 'mark', session: 1, request: 1 });
    await writer.until(({ type }) => type === 'mark');
    const sent = await gauge('download_bytes_total');
    expect(sent).toBeGreaterThan(bodyBytes);
    expect(sent).toBeLessThan(allLimits.downloadBytesInFlightMax + bodyBytes + 100);
    socket.terminate();
    writer.disconnect();
  });

  it('is closed when many of its sessions do so, and other connections are not affected', async () => {
    const { port, closed, settled } = await serving();
    const writer = await filled(port, 10);
    const socket = await deaf(port);
    const code = new Promise<number>((resolve) => socket.once('close', resolve));
    const before = process.memoryUsage().arrayBuffers;
    for (let session = 1; session <= 120; session += 1)
      socket.send(encodeClient(createBind({ session, replica: `deaf-${session}` })));
    expect(await settled('sessions', 1)).toBe(1); // Only the session of the writer.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 1024 * 1024);
    writer.sendMessage(createUpload(11));
    await writer.until(({ type }) => type === 'accepted');
    socket.resume();
    expect(await code).toBe(4429);
    expect((await closed(1)).length).toBe(1);
    writer.disconnect();
  });
});

describe(`${binds} binds and disconnects in a row`, () => {
  it('leave no memory, no file and no realm behind', async () => {
    const { port, settled } = await serving();
    const files = (): number => readdirSync('/proc/self/fd').length;
    const played = async (many: number): Promise<void> => {
      let left = many;
      const worker = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const client = await bound(port, createBind({ realm: `realm-${left % 50}`, replica: `r-${left % 200}` }));
          client.disconnect();
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      expect(await settled('connections', 0)).toBe(0);
      expect(await settled('realms_open', 0)).toBe(0);
    };
    await played(Math.floor(binds / 4)); // Warms up, and creates the realms and replicas.
    const [heap, open] = [await heapUsed(), files()];
    await played(binds);
    expect((await heapUsed()) - heap).toBeLessThan(3 * 1024 * 1024);
    expect(files()).toBeLessThanOrEqual(open + 5);
  }, 300_000);
});
