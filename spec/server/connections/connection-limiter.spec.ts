import { mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { systemClock } from '../../../lib/clock.js';
import { subprotocol } from '../../../lib/protocol/messages.js';
import {
  allowAnyone,
  createSyncServer,
  type ListenOptions,
  type Access,
  type ServerEvent,
  type ServerOptions,
  type SyncServer,
} from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { connectRawClient } from '../raw-client.js';
import { createBind } from '../test-kit.js';
import { waitForCondition } from '../../wait-for.js';

const servers: SyncServer[] = [];
const events: ServerEvent[] = [];
let now = 1_000_000;

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  events.length = 0;
});

const users = { authenticate: (token: string) => ({ id: token }), authorize: (): Access => 'write' };

const serving = async (options: Partial<ServerOptions>, listen: Partial<ListenOptions> = {}): Promise<number> => {
  const clock = { ...systemClock, now: () => now };
  const server = createSyncServer({ storage: memoryStorage(), clock, log: (event) => events.push(event), ...options });
  servers.push(server);
  return (await server.listen({ port: 0, host: '127.0.0.1', ...listen })).port;
};

interface HandshakeResponse {
  readonly status: number;
  readonly text: string;
  readonly close: () => void;
}

/** Requests a socket, like a browser or another client. */
const knock = (port: number, headers: Record<string, string> = {}, path = '/'): Promise<HandshakeResponse> =>
  new Promise((resolve, reject) => {
    const upgrade = {
      ...{ Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
      ...{ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol': subprotocol },
    };
    const asking = request({ host: '127.0.0.1', port, path, headers: { ...upgrade, ...headers } });
    asking.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined);
      resolve({ status: 101, text: '', close: () => socket.destroy() });
    });
    asking.on('response', (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, close: () => undefined }));
    });
    asking.on('error', reject);
    asking.end();
  });
const statusOf = async (...knocked: Parameters<typeof knock>): Promise<number> => {
  const { status, close } = await knock(...knocked);
  close();
  return status;
};

describe('the origin of a connection', () => {
  const app = 'https://app.example.com';

  it.each<[string, Partial<ServerOptions>, readonly string[] | undefined, string | undefined, number]>([
    ['on the list', users, [app], app, 101],
    ['on the list, written in capitals', users, [app], 'https://APP.example.com', 101],
    ['not on the list', users, [app], 'https://evil.example.com', 403],
    ['another port of one on the list', users, [app], `${app}:8443`, 403],
    ['of no origin, in a sandbox', users, [app], 'null', 403],
    ['no page at all', users, [app], undefined, 101],
    ['any, when all may', users, ['*'], 'https://evil.example.com', 101],
    ['any, when none may', users, [], app, 403],
    ['any, when a token is asked for and there is no list', users, undefined, 'https://evil.example.com', 101],
    ['a foreign one, when no client is authenticated', {}, undefined, app, 403],
    ['a foreign one, when anyone may', { authenticate: allowAnyone }, undefined, app, 403],
    ['one of this machine, when no client is authenticated', {}, undefined, 'http://localhost:4200', 101],
    ['one that only looks so', {}, undefined, 'http://localhost.evil.example', 403],
    ['nonsense', {}, undefined, 'nonsense', 403],
  ])('is %s', async (_, options, origins, origin, status) => {
    const port = await serving(options, origins === undefined ? {} : { origins });
    expect(await statusOf(port, origin === undefined ? {} : { Origin: origin })).toBe(status);
  });

  it.each([['https://app.example.com/'], ['app.example.com'], ['https://*.example.com', 'https://a.example'], [7]])(
    'cannot be %j on a list',
    async (...origins) => {
      await expect(serving(users, { origins: origins as string[] })).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    },
  );
});

describe('a token in a URL', () => {
  it.each(['/?token=secret', '/sync?access_token=secret', '/?'])('is rejected and not logged: %s', async (path) => {
    const port = await serving(users);
    const { status, text } = await knock(port, {}, path);
    expect([status, text]).toEqual([
      400,
      'The URL must not have a query. Send the token in a message, because URLs are logged.',
    ]);
    expect(JSON.stringify(events)).not.toContain('secret');
  });
});

describe('one address', () => {
  it('has a limited number of connections, until one has closed', async () => {
    const port = await serving({ limits: { connectionsPerAddressMax: 2 } });
    const [a, b] = [await connectRawClient(port), await connectRawClient(port)];
    expect(await knock(port)).toMatchObject({ status: 429, text: 'The address has 2 open connections already.' });
    a.disconnect();
    await waitForCondition(() => events.some(({ event }) => event === 'closed'));
    const c = await knock(port);
    expect([c.status, await statusOf(port)]).toEqual([101, 429]);
    c.close();
    b.disconnect();
  });

  it('connects a limited number of times a second', async () => {
    const port = await serving({ limits: { upgradesPerSecondMax: 3 } });
    const calls = [];
    for (let call = 0; call < 5; call += 1) calls.push(await statusOf(port));
    expect(calls).toEqual([101, 101, 101, 429, 429]);
    now += 334;
    expect([await statusOf(port), await statusOf(port)]).toEqual([101, 429]);
  });

  it('comes from a trusted proxy, and not from headers of the client', async () => {
    const limits = { connectionsPerAddressMax: 1 };
    const by = (forwarded: string) => ({ 'X-Forwarded-For': forwarded });
    const trusting = await serving({ limits }, { trustProxy: true });
    const open = [await knock(trusting, by('1.1.1.1')), await knock(trusting, by('2.2.2.2'))];
    expect(open.map(({ status }) => status)).toEqual([101, 101]);
    expect(await statusOf(trusting, by('9.9.9.9, 1.1.1.1'))).toBe(429);
    open.forEach(({ close }) => close());
    const wary = await serving({ limits });
    const first = await knock(wary, by('1.1.1.1'));
    expect([first.status, await statusOf(wary, by('2.2.2.2'))]).toEqual([101, 429]);
    first.close();
  });
});

describe('events about connections', () => {
  it('include a closed connection with its user, end, duration and bytes', async () => {
    const port = await serving(users);
    const client = await connectRawClient(port);
    client.sendMessage(createBind({ token: 'ann' }));
    await client.until(({ type }) => type === 'bound');
    now += 5_000;
    client.disconnect();
    await waitForCondition(() => events.length === 2);
    expect(events).toEqual([
      { level: 'debug', event: 'opened', connection: 1, address: '127.0.0.1', origin: null },
      {
        ...{ level: 'info', event: 'closed', connection: 1, address: '127.0.0.1', user: 'ann', sessions: 1 },
        ...{ code: 1006, text: '', ms: 5_000 },
        ...{ bytesIn: expect.any(Number) as number, bytesOut: expect.any(Number) as number },
      },
    ]);
    expect(events[1]).toMatchObject({ event: 'closed' });
    expect((events[1] as { bytesOut: number }).bytesOut).toBeGreaterThan(20);
  });

  it('include the close code, and no user before a token was valid', async () => {
    const port = await serving(users);
    const client = await connectRawClient(port);
    client.send(Uint8Array.of(0xc1));
    expect(await client.closed).toBe(4400);
    await waitForCondition(() => events.length === 2);
    expect(events[1]).toMatchObject({ event: 'closed', code: 4400, user: null, sessions: 0 });
  });

  it('include one rejected connection a second, with the number of others', async () => {
    const port = await serving({}, { origins: [] });
    const foreignOrigin = { Origin: 'https://a.example' };
    for (let call = 0; call < 3; call += 1) await statusOf(port, foreignOrigin);
    now += 1_000;
    await statusOf(port, foreignOrigin);
    const line = { level: 'warn', event: 'connection-rejected', address: '127.0.0.1', status: 403 };
    expect(events).toMatchObject([
      { ...line, more: 0 },
      { ...line, more: 2 },
    ]);
  });
});

it('is not held up by a log that throws', async () => {
  const log = (): never => {
    throw new Error('full');
  };
  const port = await serving({ log, storage: mkdtempSync('/tmp/tidemark-limiter-') });
  const client = await connectRawClient(port);
  client.sendMessage(createBind());
  await client.until(({ type }) => type === 'bound');
});
