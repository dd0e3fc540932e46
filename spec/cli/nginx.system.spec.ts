import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { from, tap } from 'rxjs';
import { WebSocket } from 'ws';
import { createSyncClient, isSome, memoryStorage, openRealm, type SyncSession } from '../../lib/index.js';
import { encodeClient } from '../../lib/protocol/codec.js';
import { subprotocol } from '../../lib/protocol/messages.js';
import { buildLibrary, type BuiltLibrary } from '../server/server-process.js';
import { createBind } from '../server/test-kit.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { startNginx, type Nginx } from './nginx-kit.js';
import { secret, startServe, stopAll, signToken, type ServeProcess } from './serve-kit.js';
import { waitForValue } from '../wait-for.js';

/**
 * Minutes for which a session stays idle behind nginx. `npm run idle` sets ten, with the default timeouts of nginx and
 * of a client. Otherwise the specs use one second where those defaults have nearly a minute.
 */
const minutes = Number(process.env['IDLE_MINUTES'] ?? 0);
const isShort = minutes === 0;
const idleMs = isShort ? 10_000 : minutes * 60_000;
const cutMs = isShort ? 3_000 : 60_000;
const nginxMore = isShort ? 'proxy_read_timeout 3s; proxy_send_timeout 3s;' : '';
const timeouts = isShort ? { ping: 1_000 } : {};

const { fresh, remove } = createTemporaryFolders();
let lib: BuiltLibrary;
let server: ServeProcess;
let nginx: Nginx;
beforeAll(async () => {
  lib = buildLibrary();
  const folder = fresh();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'secret'), secret);
  const args = ['--port', '0', '--data', join(folder, 'data'), '--secret-file', join(folder, 'secret')];
  server = startServe(lib, [...args, '--trust-proxy', '--path', '/']);
  nginx = await startNginx(await server.port, join(folder, 'nginx'), nginxMore);
});
afterAll(async () => {
  await nginx.stop();
  stopAll();
  remove();
  lib.remove();
});

/** A WebSocket that trusts the certificate of this nginx. */
const trusting = () => {
  const ca = readFileSync(nginx.cert);
  return class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { ca });
    }
  };
};

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

const asked = (path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: nginx.port, path, ca: readFileSync(nginx.cert) };
    request(options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });

describe('a session behind nginx with the configuration of docs/hosting.md', () => {
  it(
    'stays connected while neither side sends changes, for many times the read timeout of nginx',
    async () => {
      const accessToken = () => from(signToken('ann', { '*': 'write' }));
      const client = createSyncClient({
        url: `wss://127.0.0.1:${nginx.port}`,
        accessToken,
        WebSocket: trusting(),
        timeouts,
      });
      const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
      if (!isSome(realm.syncSession)) throw new Error('no session');
      const session: SyncSession = realm.syncSession.value;
      const states: string[] = [];
      const watching = session.connectionState$.pipe(tap((state) => states.push(state))).subscribe();
      await realm.write((tx) => tx.create('Task', { id: 'before' }));
      await waitForValue(session.uploadComplete$, 'uploadComplete$');
      await new Promise((resolve) => setTimeout(resolve, idleMs));
      expect(states.slice(states.indexOf('connected'))).toEqual(['connected']);
      await realm.write((tx) => tx.create('Task', { id: 'after' }));
      await waitForValue(session.uploadComplete$, 'uploadComplete$');
      expect(states.at(-1)).toBe('connected');
      watching.unsubscribe();
      await realm.close();
      await client.close();
      expect(server.lines.filter(({ event }) => event === 'closed').length).toBeLessThanOrEqual(1);
    },
    idleMs + 30_000,
  );

  it(
    'is disconnected by nginx when it sends nothing at all: that is why there are pings',
    async () => {
      const Socket = trusting();
      const socket = new Socket(`wss://127.0.0.1:${nginx.port}`, [subprotocol]);
      const closed = new Promise<number>((resolve) => socket.once('close', resolve));
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      socket.send(
        encodeClient(createBind({ realm: 'team', replica: 'mute', token: await signToken('ann', { '*': 'write' }) })),
      );
      const since = Date.now();
      expect(await closed).toBe(1006);
      expect(Date.now() - since).toBeGreaterThanOrEqual(cutMs - 500);
      expect(server.lines.filter(({ event }) => event === 'closed').at(-1)).toMatchObject({ address: '127.0.0.1' });
    },
    cutMs + 30_000,
  );

  it('exposes the health endpoint, but not the metrics', async () => {
    expect([await asked('/healthz'), await asked('/readyz'), await asked('/metrics')]).toEqual([200, 200, 404]);
  });
});
