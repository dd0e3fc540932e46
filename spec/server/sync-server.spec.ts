import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowAnyone, createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { connectRawClient } from './raw-client.js';
import { createBind, summaryOf, createUpload } from './test-kit.js';

const folders: string[] = [];
const servers: SyncServer[] = [];
const createFolder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'tidemark-listen-'));
  folders.push(made);
  return made;
};
const serverOn = (storage: string): SyncServer => {
  const server = createSyncServer({ storage });
  servers.push(server);
  return server;
};

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  folders.splice(0).forEach((made) => rmSync(made, { recursive: true, force: true }));
});

describe('a server on a port', () => {
  it('carries uploads of one socket to another, by LevelDB', async () => {
    const { port } = await serverOn(createFolder()).listen({ port: 0 });
    const [a, b] = [await connectRawClient(port), await connectRawClient(port)];
    a.sendMessage(createBind({ replica: 'a' }));
    b.sendMessage(createBind({ replica: 'b' }));
    await a.until(({ type }) => type === 'bound');
    await b.until(({ type }) => type === 'bound');
    a.sendMessage(createUpload(1, 3));
    await b.until(({ type }) => type === 'download');
    await a.until(({ type }) => type === 'accepted');
    expect([...a.received, ...b.received].map(summaryOf)).toEqual([
      'bound head 0 accepted 0',
      'accepted 3',
      'bound head 0 accepted 0',
      'download 1a 2a 3a up to 3, 0 left',
    ]);
  });

  it('accepts connections only from this machine without authentication', async () => {
    const { port } = await serverOn(createFolder()).listen({ port: 0 });
    await expect(connectRawClient(port, '127.0.0.2')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('can be called from everywhere when that was asked for', async () => {
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone });
    servers.push(server);
    const { port } = await server.listen({ port: 0 });
    await expect(connectRawClient(port, '127.0.0.2')).resolves.toBeDefined();
  });

  it.each([
    ['a frame that is no message', Uint8Array.of(0xc1, 0xff), 4400],
    ['a text', 'hello', 4400],
  ])('E14 closes the connection on %s, and serves others', async (_, frame, code) => {
    const { port } = await serverOn(createFolder()).listen({ port: 0 });
    const bad = await connectRawClient(port);
    const good = await connectRawClient(port);
    bad.send(frame);
    expect(await bad.closed).toBe(code);
    good.sendMessage(createBind());
    await good.until(({ type }) => type === 'bound');
  });

  it('E13 closes the connection for a frame over the limit', async () => {
    const server = createSyncServer({ storage: memoryStorage(), limits: { frameBytesMax: 262_144 } });
    servers.push(server);
    const { port } = await server.listen({ port: 0 });
    const client = await connectRawClient(port);
    client.send(new Uint8Array(262_145));
    expect(await client.closed).toBe(1009);
  });

  it('reports why it cannot listen, and can try again', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const taken = (other.address() as { port: number }).port;
    const server = serverOn(createFolder());
    await expect(server.listen({ port: taken })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.close();
    expect((await server.listen({ port: 0 })).port).toBeGreaterThan(0);
  });

  it('reports that its storage cannot be opened', async () => {
    const storage = createFolder();
    await serverOn(storage).listen({ port: 0 });
    const second = createSyncServer({ storage });
    await expect(second.listen({ port: 0 })).rejects.toMatchObject({ code: 'storage' });
    await second.close();
  });
});

describe('a server that is closed', () => {
  it('asks its clients to reconnect, and has their uploads', async () => {
    const storage = createFolder();
    const server = serverOn(storage);
    const { port } = await server.listen({ port: 0 });
    const client = await connectRawClient(port);
    client.sendMessage(createBind());
    await client.until(({ type }) => type === 'bound');
    for (let version = 1; version <= 8; version += 1) client.sendMessage(createUpload(version));
    await client.until(({ type }) => type === 'accepted');
    await server.close();
    expect(await client.closed).toBe(1001);
    expect(client.received.at(-1)).toMatchObject({ type: 'error', session: null, code: 'restarting' });
    const accepted = client.received.reduce(
      (most, message) => (message.type === 'accepted' ? Math.max(most, message.version) : most),
      0,
    );

    const again = serverOn(storage);
    const back = await connectRawClient((await again.listen({ port: 0 })).port);
    back.sendMessage(createBind());
    const bound = await back.until(({ type }) => type === 'bound');
    expect(bound).toMatchObject({ type: 'bound' });
    expect(bound.type === 'bound' && bound.accepted >= accepted && bound.accepted === bound.head).toBe(true);
  });

  it('has freed its port and its database, and does not listen again', async () => {
    const storage = createFolder();
    const server = serverOn(storage);
    const { port } = await server.listen({ port: 0 });
    await server.close();
    await server.close();
    await expect(connectRawClient(port)).rejects.toThrow(/ECONNREFUSED/);
    await expect(server.listen({ port: 0 })).rejects.toMatchObject({ code: 'server-closed' });
    expect((await serverOn(storage).listen({ port })).port).toBe(port);
  });
});
