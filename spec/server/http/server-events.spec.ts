import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { createServerLogger } from '../../../lib/cli/logger.js';
import { systemClock } from '../../../lib/clock.js';
import { encodeValue } from '../../../lib/model/msgpack.js';
import {
  createSyncServer,
  jwt,
  type ServerEvent,
  type ServerOptions,
  type SyncServer,
} from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { connectRawClient } from '../raw-client.js';
import { createBind, connect, summariesOf, createUpload } from '../test-kit.js';

const servers: SyncServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** Creates a server, and collects its events and the log lines made from them. */
const serving = async (options: Partial<ServerOptions> = {}) => {
  const events: ServerEvent[] = [];
  const lines: string[] = [];
  const logs = createServerLogger('debug', (line) => lines.push(line));
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
    ...options,
    log: (event) => {
      events.push(event);
      logs.logEvent(event);
    },
  });
  servers.push(server);
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
  const metrics = (): Promise<string> => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
  return { events, lines, port, server, metrics };
};
/** Waits for the end of a number of connections. */
const ended = async (events: readonly ServerEvent[], times: number): Promise<void> => {
  while (events.filter(({ event }) => event === 'closed').length < times)
    await new Promise((resolve) => setImmediate(resolve));
};

const secret = 'eyJhbGciOiJIUzI1NiJ9.a-token.of-somebody';

describe('the log of a server', () => {
  it('field report E-9: contains no content of a client’s messages, wherever it is', async () => {
    const { events, lines, port, metrics } = await serving();
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1', { headers: { Origin: secret } });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.close(4_321, secret);
    const frames: readonly (readonly unknown[])[] = [
      [1, 1, { realm: secret }, 'r', null, null, 0, 0, false, [['run', 0]]],
      [5, [secret]],
      [secret],
      [8, secret],
      [7, 1, 1, secret],
      [1, 1, 'team', `${secret} with a space`, 'ann', null, 0, 0, false, [['run', 0]]],
    ];
    for (const frame of frames) {
      const client = await connectRawClient(port);
      client.send(encodeValue(frame));
      expect(await client.closed).toBe(4400);
    }
    await ended(events, frames.length + 1);
    expect(events.find(({ event }) => event === 'closed')).toMatchObject({ code: 4_321, text: '' });
    expect(JSON.stringify(events)).not.toContain('a-token');
    expect(lines.join('\n')).not.toContain('a-token');
    // A client may close with two thousand codes: they share one label.
    expect(await metrics()).toContain('tidemark_connections_closed_total{code="other"} 1');
    // Numbers of the process, such as the bytes of its memory, can have these digits by chance.
    const ofServer = (await metrics()).replace(/^((?:nodejs|process)_\S+) .*$/gm, '$1');
    expect(ofServer).not.toContain('4321');
  });

  it('field report E-9: contains the reason why the server has ended a connection', async () => {
    const { events, port } = await serving();
    const client = await connectRawClient(port);
    client.send(encodeValue([8, secret]));
    await client.closed;
    await ended(events, 1);
    expect(events.at(-1)).toMatchObject({ event: 'closed', code: 4400, text: 'ping.sentAt must be a finite number' });
  });

  it('field report E-9: has the code of a client’s error once a second, and rejects one for a version that was never sent', async () => {
    let now = 1_000_000;
    const { events, server } = await serving({ clock: { ...systemClock, now: () => now } });
    const [writer, reader, wrongClock] = [connect(server.wire), connect(server.wire), connect(server.wire)];
    writer.send(createBind({ token: 'a', replica: 'w' }), createUpload(1, 3));
    reader.send(createBind({ token: 'a', replica: 'r' }));
    const fault = (version: number) => ({ type: 'fault', session: 1, version, code: 'schema' }) as const;
    reader.send(fault(1), fault(2), fault(3));
    now += 1_000;
    reader.send(fault(3));
    const event = { level: 'warn', event: 'fault', realm: 'team', replica: 'r', text: 'schema' };
    expect(events.filter((each) => each.event === 'fault')).toEqual([
      { ...event, version: 1, more: 0 },
      { ...event, version: 3, more: 2 },
    ]);
    expect(reader.end()).toBe('open');
    wrongClock.send(createBind({ token: 'a', replica: 'l' }), fault(4));
    expect(wrongClock.end()).toBe(4400);
  });

  it('field report E-7: has one line without a stack for a flood of invalid tokens with unknown keys', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark keys '));
    const jwks = join(folder, 'keys.json');
    const [known, unknown] = [await generateKeyPair('ES256', { extractable: true }), await generateKeyPair('ES256')];
    const key = { ...(await exportJWK(known.publicKey)), kid: 'known', alg: 'ES256' };
    writeFileSync(jwks, JSON.stringify({ keys: [key] }));
    const signed = (pair: typeof known, kid: string): Promise<string> =>
      new SignJWT({ sub: 'ann', aud: 'a', iss: 'i' })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setExpirationTime('1h')
        .sign(pair.privateKey);
    const { events, lines, port } = await serving({ authenticate: jwt({ jwks, audience: 'a', issuer: 'i' }) });
    const good = await connectRawClient(port);
    good.sendMessage(createBind({ token: await signed(known, 'known') }));
    await good.until(({ type }) => type === 'bound');
    const times = 20;
    for (let time = 0; time < times; time += 1) {
      const client = await connectRawClient(port);
      client.sendMessage(createBind({ token: await signed(unknown, `unknown-${time}`), replica: 'b' }));
      expect(await client.until(({ type }) => type === 'error')).toMatchObject({
        ...{ session: null, code: 'token-refused', retry: 'later' },
      });
      expect(await client.closed).toBe(1000);
    }
    await ended(events, times);
    expect(events.filter(({ level }) => level === 'error')).toEqual([]);
    expect(events.filter(({ level }) => level === 'warn')).toEqual([
      { level: 'warn', event: 'token-rejected', code: 'token-refused', more: 0 },
    ]);
    expect(lines.filter((line) => line.includes('stack'))).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

describe('the numbers of sessions', () => {
  it('field report E-10: are free again when their sessions have ended, as the protocol requires, and not before', async () => {
    const { server } = await serving();
    const client = connect(server.wire);
    client.send(createBind({ session: 3, token: 'a' }), createUpload(1, 1, 3), { type: 'unbind', session: 3 });
    // Messages in flight for the ended session precede the bind, so the new session ignores them.
    client.send(
      { type: 'mark', session: 3, request: 1 },
      createUpload(2, 2, 3),
      createBind({ session: 3, replica: 'b' }),
    );
    client.send({ type: 'mark', session: 3, request: 7 });
    expect(summariesOf(client)).toEqual([
      '#3 bound head 0 accepted 0',
      '#3 accepted 1',
      '#3 unbound',
      '#3 bound head 1 accepted 0',
      '#3 download 1a up to 1, 0 left',
      '#3 mark 7 at 1',
    ]);
    client.send(createBind({ session: 3, replica: 'c' }));
    expect(client.end()).toBe(4400);
    const other = connect(server.wire);
    other.send(createBind({ session: 7, token: 'a' }), createUpload(1, 1, 8));
    expect(other.end()).toBe(4400);
  });
});
