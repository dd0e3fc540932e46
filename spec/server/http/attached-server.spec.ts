import { createServer, get, type Server } from 'node:http';
import { NEVER, of, VirtualTimeScheduler } from 'rxjs';
import { WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../../lib/clock.js';
import { subprotocol } from '../../../lib/protocol/messages.js';
import { createSyncServer, type SyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { connectRawClient } from '../raw-client.js';
import { createBind, createFaultyStorage, createUpload } from '../test-kit.js';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Creates an app with a route of its own, and records the requests that it passes to the server. */
const app = async (sync: SyncServer): Promise<{ readonly port: number; readonly http: Server }> => {
  const http = createServer((request, response) => {
    if (!sync.respond(request, response)) response.end(`mine: ${request.url}`);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  stops.push(() => sync.close());
  stops.push(
    () =>
      new Promise((resolve) => {
        http.close(resolve);
        http.closeAllConnections();
      }),
  );
  return { http, port: (http.address() as { port: number }).port };
};

const asked = (port: number, path: string, headers = {}): Promise<{ readonly status: number; readonly text: string }> =>
  new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, headers }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    }).on('error', reject);
  });

const opened = (url: string, name: string): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, name);
    socket.once('open', () => resolve(socket)).once('error', reject);
  });

describe('a server that is attached to an app', () => {
  it('takes its path, beside the routes and the sockets of the app', async () => {
    const sync = createSyncServer({ storage: memoryStorage() });
    const { http, port } = await app(sync);
    const chat = new WebSocketServer({ noServer: true });
    http.on('upgrade', (request, socket, head) => {
      if (request.url === '/chat') chat.handleUpgrade(request, socket, head, (own) => own.send('hello'));
    });
    await sync.attach(http, { path: '/sync' });

    const syncSocket = await opened(`ws://127.0.0.1:${port}/sync`, subprotocol);
    expect(syncSocket.protocol).toBe(subprotocol);
    const hello = new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
      socket.once('message', (text: Buffer) => {
        resolve(text.toString());
        socket.close();
      });
    });
    expect(await hello).toBe('hello');
    expect(await asked(port, '/other')).toEqual({ status: 200, text: 'mine: /other' });
    expect(await asked(port, '/healthz')).toEqual({ status: 200, text: 'alive\n' });
    syncSocket.close();
  });

  it('may be attached before the app listens, and leaves it running when it closes', async () => {
    const sync = createSyncServer({ storage: memoryStorage() });
    const http = createServer((_, response) => response.end('mine'));
    await sync.attach(http);
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const { port } = http.address() as { port: number };
    const client = await connectRawClient(port);
    client.sendMessage(createBind());
    await client.until(({ type }) => type === 'bound');
    await sync.close();
    expect(await client.closed).toBe(1001);
    expect(await asked(port, '/')).toEqual({ status: 200, text: 'mine' });
    expect(http.listenerCount('upgrade')).toBe(0);
    await new Promise((resolve) => http.close(resolve));
  });

  it('rejects a value that is not a server, and does not attach when it is closed', async () => {
    const sync = createSyncServer({ storage: memoryStorage() });
    await expect(sync.attach({} as never)).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(sync.attach(createServer(), { path: 'sync' })).rejects.toMatchObject({ code: 'invalid-argument' });
    await sync.close();
    await expect(sync.attach(createServer())).rejects.toMatchObject({ code: 'server-closed' });
  });
});

describe('whether it is ready', () => {
  it('is reported once its storage is open, and no longer when the server closes', async () => {
    const sync = createSyncServer({ storage: of(memoryStorage()) });
    const { http, port } = await app(sync);
    expect(await asked(port, '/readyz')).toEqual({ status: 503, text: 'opening\n' });
    await sync.attach(http);
    expect(await asked(port, '/readyz')).toEqual({ status: 200, text: 'ready\n' });
    await sync.close();
    expect(await asked(port, '/readyz')).toEqual({ status: 503, text: 'draining\n' });
    expect(await asked(port, '/healthz')).toEqual({ status: 200, text: 'alive\n' });
  });

  it('is reported again some time after a failed write, or after a successful one', async () => {
    let now = 50_000;
    const scheduler = new VirtualTimeScheduler();
    const storage = createFaultyStorage();
    const sync = createSyncServer({
      storage,
      clock: { ...systemClock, now: () => now, scheduler },
      log: () => undefined,
    });
    const { http, port } = await app(sync);
    await sync.attach(http);
    const client = await connectRawClient(port);
    const uploaded = async (outcome: 'accepted' | 'error') => {
      client.sendMessage(createBind());
      await client.until(({ type }) => type === 'bound');
      storage.fail(outcome === 'error');
      client.sendMessage(createUpload(1));
      await client.until(({ type }) => type === outcome);
    };
    await uploaded('error');
    expect(await asked(port, '/readyz')).toEqual({ status: 503, text: 'storage\n' });
    [now, scheduler.frame] = [0, 10_000]; // Also when the clock is set back meanwhile.
    expect(await asked(port, '/readyz')).toEqual({ status: 200, text: 'ready\n' });
    await uploaded('error');
    expect(await asked(port, '/readyz')).toEqual({ status: 503, text: 'storage\n' });
    await uploaded('accepted');
    expect(await asked(port, '/readyz')).toEqual({ status: 200, text: 'ready\n' });
  });

  it('is not reported while the storage does not answer', async () => {
    const sync = createSyncServer({ storage: { ...memoryStorage(), range: () => NEVER } });
    const { http, port } = await app(sync);
    await sync.attach(http);
    expect(await asked(port, '/readyz')).toEqual({ status: 503, text: 'storage\n' });
  });
});
