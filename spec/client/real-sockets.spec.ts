import { firstValueFrom, map, NEVER, timeout, toArray, takeWhile } from 'rxjs';
import { memoryStorage } from '../../lib/index.js';
import { startProxy, type TcpProxy } from '../transport/tcp-proxy.js';
import { addTask, open, sessionOf, readTitles, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const closing: TcpProxy[] = [];
afterEach(async () => {
  for (const proxy of closing.splice(0)) await proxy.close();
});

/** Creates a server behind a network, and the dial of its devices. */
const networked = async () => {
  const server = open.server();
  const { port } = await server.listen({ port: 0 });
  const proxy = await startProxy(port);
  closing.push(proxy);
  const device = async (through: number) => {
    const timeouts = { read: 600, ping: 150, probe: 600, backoffFirst: 20, backoffMost: 100, linger: 0 };
    const client = open.client({ url: `ws://127.0.0.1:${through}`, timeouts, reconnect$: NEVER });
    const realm = await open.realm(client, memoryStorage());
    return { realm, session: sessionOf(realm) };
  };
  /** Returns the content of a new device that downloads everything over a working network. */
  const known = async (): Promise<readonly string[]> => {
    const { realm, session } = await device(port);
    await firstValueFrom(session.downloadComplete$.pipe(timeout(10_000)));
    return readTitles(realm);
  };
  return { proxy, known, ...(await device(proxy.port)) };
};

describe('a session on real sockets', () => {
  it('R11 notices a silent connection, reconnects, and uploads lost changesets once', async () => {
    const { proxy, known, realm, session } = await networked();
    await addTask(realm, 'a');
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    const outage = firstValueFrom(
      session.connectionState$.pipe(
        takeWhile((state) => state !== 'disconnected', true),
        toArray(),
      ),
    );
    const why = waitUntil(
      session.status$.pipe(map(({ connection }) => connection)),
      ({ state }) => state === 'disconnected',
    );
    proxy.stop();
    await addTask(realm, 'b');
    expect(await why).toMatchObject({ reason: { kind: 'timed-out', what: 'read' } });
    expect(await outage).toEqual(['connected', 'disconnected']);
    await firstValueFrom(session.uploadComplete$.pipe(timeout(10_000)));
    expect(proxy.taken()).toBe(2);
    expect(await known()).toEqual(['a', 'b']);
  });

  it('E11 loses nothing and applies nothing twice when its connection is cut in the middle of a frame', async () => {
    const { proxy, known, realm, session } = await networked();
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    const expected: string[] = [];
    for (const bytes of [1, 1_000, 70_000, 200_000]) {
      const before = proxy.taken();
      proxy.cutAfter(bytes);
      for (let each = 0; each < 10; each += 1) {
        const title = `${bytes} ${each}`;
        expected.push(title);
        await addTask(realm, title, title.padEnd(40_000, '.'));
      }
      await firstValueFrom(session.uploadComplete$.pipe(timeout(10_000)));
      expect(proxy.taken()).toBe(before + 1);
    }
    expect((await known()).map((title) => title.replace(/\.+$/, ''))).toEqual([...expected].sort());
  });

  it('R1 reconnects until a server answers, and meanwhile reports why it is not connected', async () => {
    const { proxy, known, realm, session } = await networked();
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    proxy.setRejecting(true);
    proxy.cut();
    const { reason } = await waitUntil(
      session.status$.pipe(map(({ connection }) => connection)),
      (connection): boolean => connection.state === 'disconnected' && connection.attempt >= 3,
    ).then((connection) => connection as Extract<typeof connection, { state: 'disconnected' }>);
    expect(reason.kind).toBe('unreachable');
    await addTask(realm, 'a');
    proxy.setRejecting(false);
    await firstValueFrom(session.uploadComplete$.pipe(timeout(10_000)));
    expect(await known()).toEqual(['a']);
  });
});
