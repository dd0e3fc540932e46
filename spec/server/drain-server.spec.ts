import { get } from 'node:http';
import { WebSocket } from 'ws';
import { subprotocol } from '../../lib/protocol/messages.js';
import { createSyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { connectRawClient } from './raw-client.js';
import { createBind, createFaultyStorage, createUpload } from './test-kit.js';

const asked = (port: number, path: string): Promise<readonly [number, string]> =>
  new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve([response.statusCode ?? 0, text]));
    }).on('error', reject);
  });

const rejectionOf = (port: number): Promise<readonly [number | undefined, unknown]> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, subprotocol);
    socket.on('error', () => undefined);
    socket.once('unexpected-response', (_, { statusCode, headers }) => resolve([statusCode, headers['retry-after']]));
  });

describe('a server that drains', () => {
  it('rejects connections with 503, and reports that it is not ready, until its last socket is closed', async () => {
    const server = createSyncServer({ storage: memoryStorage() });
    const { port } = await server.listen({ port: 0 });
    const deaf = await connectRawClient(port);
    deaf.sendMessage(createBind());
    await deaf.until(({ type }) => type === 'bound');
    deaf.pause(); // The client does not answer the closing of its socket.
    const closed = server.close();
    expect(await rejectionOf(port)).toEqual([503, '1']);
    expect(await asked(port, '/readyz')).toEqual([503, 'draining\n']);
    expect(await asked(port, '/healthz')).toEqual([200, 'alive\n']);
    deaf.disconnect();
    await closed;
    await expect(asked(port, '/healthz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('waits for what was uploaded to be durable', async () => {
    const storage = createFaultyStorage();
    const server = createSyncServer({ storage });
    const { port } = await server.listen({ port: 0 });
    const client = await connectRawClient(port);
    client.sendMessage(createBind());
    await client.until(({ type }) => type === 'bound');
    storage.hold();
    const before = storage.written();
    client.sendMessage(createUpload(1, 3));
    client.sendMessage({ type: 'ping', sentAt: 1 });
    await client.until(({ type }) => type === 'pong');
    let isClosed = false;
    const closed = server.close().then(() => (isClosed = true));
    expect(await client.closed).toBe(1001);
    await new Promise((resolve) => setImmediate(resolve));
    expect([isClosed, storage.written() - before]).toEqual([false, 0]);
    storage.release();
    await closed;
    expect(storage.written() - before).toBe(1);
  });
});
