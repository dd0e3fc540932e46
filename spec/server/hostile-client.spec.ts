import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { createSeededRandom } from '../../fuzz/seeded-random.js';
import { randomBytes } from '../../fuzz/mutate-frames.js';
import { fuzz, growthBytesMax, growthOf } from '../../fuzz/run-fuzz.js';
import { createSyncServer, type SyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { connectRawClient } from './raw-client.js';
import { createBind, createUpload } from './test-kit.js';
import { heapUsed } from '../heap-used.js';

/** `SEED=… FRAMES=… npm test -- spec/server/hostile-client` plays another run; `npm run fuzz` plays a long one. */
const seed = Number(process.env['SEED'] ?? 5);
const frames = Number(process.env['FRAMES'] ?? 10_000);

describe('a server that receives invalid messages', () => {
  it(`bears ${frames} frames in every state, answers or ends each connection, keeps nothing of them, and others go on syncing (seed ${seed})`, async () => {
    const report = await fuzz({ seed, frames, heapUsed });
    expect(report.frames).toBeGreaterThanOrEqual(frames);
    expect(report.objects).toBeGreaterThan(1);
    expect(growthOf(report)).toBeLessThan(growthBytesMax);
    // Every kind was tried.
    const kinds = [
      'real',
      'mutated bytes',
      'mutated value',
      'bodies',
      'server frame',
      'random',
      'at the bounds',
      'began closing',
      'began being refused',
    ];
    expect(kinds.filter((kind) => (report.counts.get(kind) ?? 0) === 0)).toEqual([]);
  }, 120_000);
});

describe('a port that receives invalid data', () => {
  let server: SyncServer;
  let port: number;
  beforeAll(async () => {
    server = createSyncServer({ storage: memoryStorage(), limits: { frameBytesMax: 300_000, bindMsMax: 1_500 } });
    ({ port } = await server.listen({ port: 0 }));
  });
  afterAll(() => server.close());

  /** Sends bytes to the port without a WebSocket, and resolves to the answer when the server closes the connection. */
  const exchangeBytes = (...parts: readonly (string | Uint8Array)[]): Promise<string> =>
    new Promise((resolve) => {
      let output = '';
      const socket = connect(port, '127.0.0.1');
      socket.on('data', (data) => (output += data.toString('latin1')));
      socket.on('error', () => resolve(`${output} (broken)`)).on('close', () => resolve(output));
      for (const part of parts) socket.write(part);
    });
  const upgrade = [
    ...['GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: tidemark.1', '', ''],
  ].join('\r\n');
  /** Checks that the server still answers valid clients. */
  const isWell = async (): Promise<boolean> => {
    const client = await connectRawClient(port);
    client.sendMessage({ type: 'ping', sentAt: 7 });
    await client.until(({ type }) => type === 'pong');
    client.disconnect();
    return true;
  };

  it.each([
    ['text', (client: { send: (frame: string | Uint8Array) => void }) => client.send('[1]'), 4400],
    [
      'A frame is over the limit.',
      (client: { send: (frame: string | Uint8Array) => void }) => client.send(new Uint8Array(300_001)),
      1009,
    ],
    [
      'an empty frame',
      (client: { send: (frame: string | Uint8Array) => void }) => client.send(new Uint8Array(0)),
      4400,
    ],
    [
      'the largest frame, of nothing',
      (client: { send: (frame: string | Uint8Array) => void }) => client.send(new Uint8Array(300_000)),
      4400,
    ],
  ])('closes the connection on %s with its code, also in the middle of a session', async (_, say, code) => {
    const client = await connectRawClient(port);
    client.sendMessage(createBind());
    client.sendMessage(createUpload(1));
    await client.until(({ type }) => type === 'accepted');
    say(client);
    expect(await client.closed).toBe(code);
    expect(await isWell()).toBe(true);
  });

  it.each([
    ['no HTTP', ['\x16\x03\x01\x02\x00\x01\x00'], /^HTTP\/1\.1 400/],
    ['HTTP without an upgrade', ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'], /^HTTP\/1\.1 426/],
    ['an upgrade to something else', [upgrade.replace('websocket', 'h2c')], /^HTTP\/1\.1 (?:400|426)/],
    ['an upgrade without a key', [upgrade.replace(/Sec-WebSocket-Key.*\r\n/, '')], /^HTTP\/1\.1 400/],
    ['an upgrade of another version', [upgrade.replace('13', '7')], /^HTTP\/1\.1 (?:400|426)/],
    ['an upgrade to no protocol of ours', [upgrade.replace('tidemark.1', 'chat')], /^HTTP\/1\.1 400/],
    ['headers without end', [upgrade.slice(0, -2), `X: ${'x'.repeat(100_000)}\r\n\r\n`], /^HTTP\/1\.1 431/],
    ['a token in the URL', [upgrade.replace('GET /', 'GET /?token=a')], /^HTTP\/1\.1 400/],
  ])('answers %s as HTTP does, and closes the connection', async (_, parts, answer) => {
    expect(await exchangeBytes(...parts)).toMatch(answer);
    expect(await isWell()).toBe(true);
  });

  it.each([
    ['a frame without a mask', [0x82, 0x03, 0x92, 0x06, 0x01]],
    ['reserved bits', [0xf2, 0x83, 0, 0, 0, 0, 0x92, 0x06, 0x01]],
    ['an invalid opcode', [0x83, 0x80, 0, 0, 0, 0]],
    ['a frame that goes on from none', [0x80, 0x80, 0, 0, 0, 0]],
    ['a length of exabytes', [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
    ['a ping that is too long', [0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0, ...new Array<number>(256).fill(0)]],
    ['an invalid close code', [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe7]],
  ])('ends a socket with %s', async (_, bytes) => {
    expect(await exchangeBytes(upgrade, Uint8Array.from(bytes))).toMatch(/^HTTP\/1\.1 101/);
    expect(await isWell()).toBe(true);
  });

  it('closes sockets with random bytes after the handshake, and those that send half a frame and then nothing', async () => {
    const chance = createSeededRandom(seed);
    const half = Uint8Array.from([0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0, 1, 2, 3]);
    const guests = Array.from({ length: 100 }, (_, at) =>
      exchangeBytes(upgrade, at % 4 === 0 ? half : randomBytes(chance, 60)),
    );
    for (const response of await Promise.all(guests)) expect(response).toMatch(/^HTTP\/1\.1 101/);
    expect(await isWell()).toBe(true);
  });

  it('goes on after clients that are gone in the middle of a frame', async () => {
    for (let times = 0; times < 30; times += 1) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1');
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('open', resolve));
      socket.send(new Uint8Array(200_000));
      socket.terminate();
    }
    expect(await isWell()).toBe(true);
  });
});
