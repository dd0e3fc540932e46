import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { filter, firstValueFrom, from, timeout } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm, type SyncSession } from '../../lib/index.js';
import { connectRawClient } from '../server/raw-client.js';
import { useBuiltLibrary } from '../server/server-process.js';
import type { VisibleState } from '../../lib/server/inspector/visible-state.js';
import { bearer, request } from '../server/inspector/inspector-kit.js';
import { createBind, createChangeset } from '../server/test-kit.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { secret, startServe, stopAll, signToken } from './serve-kit.js';

const { fresh, remove } = createTemporaryFolders();
const lib = useBuiltLibrary();
afterEach(stopAll);
afterAll(remove);

const everything = { '*': 'write' };
const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

/** Opens a device of a user. */
const device = async (port: number, user: string) => {
  const accessToken = () => from(signToken(user, everything));
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}`, accessToken, timeouts: { backoffFirst: 50 } });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
  if (!isSome(realm.syncSession)) throw new Error('no session');
  const session: SyncSession = realm.syncSession.value;
  let written = 0;
  const write = () => realm.write((tx) => tx.create('Task', { id: `${user} ${(written += 1)}` }));
  const close = async () => {
    await realm.close();
    await client.close();
  };
  return { realm, session, write, written: () => written, close };
};

const folderWith = (config: object): string => {
  const folder = fresh();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'secret'), `${secret}\n`);
  writeFileSync(join(folder, 'tidemark.json'), JSON.stringify(config));
  return folder;
};

const asks = (folder: string, port = '0') =>
  startServe(lib, ['--port', port, '--data', join(folder, 'data'), '--secret-file', join(folder, 'secret')], {
    TIDEMARK_CONFIG: join(folder, 'tidemark.json'),
  });

describe('tidemark serve', () => {
  it('field report E-10: hides its data from other users of the machine, and warns when they can read it', async () => {
    const folder = folderWith({});
    const data = join(folder, 'data');
    const first = asks(folder);
    const raw = await connectRawClient(await first.port);
    raw.sendMessage(createBind({ token: await signToken('ann', everything) }));
    await raw.until(({ type }) => type === 'bound');
    const modes = readdirSync(data).map((name) => statSync(join(data, name)).mode & 0o077);
    expect(modes.length).toBeGreaterThan(3);
    expect([statSync(data).mode & 0o777, ...new Set(modes)]).toEqual([0o700, 0]);
    expect(first.lines.filter(({ event }) => event === 'readable-by-others')).toEqual([]);
    first.child.kill('SIGTERM');
    await first.ended;

    chmodSync(data, 0o755);
    const second = asks(folder);
    await second.port;
    expect(second.lines.find(({ event }) => event === 'readable-by-others')).toMatchObject({
      level: 'warn',
      folder: data,
      mode: '0755',
    });
    second.child.kill('SIGTERM');
    await second.ended;
  }, 60_000);

  it('drains on SIGTERM: loses no acknowledged write, exits with 0, and its clients reconnect', async () => {
    const folder = folderWith({ limits: { restartMs: 300, restartSpreadMs: 300 } });
    const first = asks(folder);
    const port = await first.port;
    const devices = [await device(port, 'ann'), await device(port, 'bob')];
    const raw = await connectRawClient(port);
    let acknowledged = 0;
    let next = 1;
    const upload = () => raw.sendMessage({ type: 'upload', session: 1, changesets: [createChangeset(next++)] });
    raw.onMessage((message) => {
      if (message.type === 'accepted') acknowledged = message.version;
      if (message.type === 'accepted' || message.type === 'bound') upload();
      if (message.type === 'download') raw.sendMessage({ type: 'received', session: 1, version: message.upTo });
    });
    raw.sendMessage(createBind({ realm: 'other', token: await signToken('carl', everything) }));
    await Promise.all(
      devices.map(async ({ write, session }) => [await write(), await firstValueFrom(session.uploadComplete$)]),
    );
    for (let write = 0; write < 20; write += 1) await Promise.all(devices.map((each) => each.write()));
    await raw.until(({ type }) => type === 'accepted');
    expect(acknowledged).toBeGreaterThan(0);

    first.child.kill('SIGTERM');
    expect(await raw.closed).toBe(1001);
    expect(raw.received.at(-1)).toMatchObject({ type: 'error', session: null, code: 'restarting' });
    const last = raw.received.at(-1);
    const after = last?.type === 'error' && typeof last.retry === 'object' ? last.retry.after : 0;
    expect(after).toBeGreaterThanOrEqual(300);
    expect(after).toBeLessThan(600);
    for (let write = 0; write < 20; write += 1) await Promise.all(devices.map((each) => each.write()));
    expect(await first.ended).toBe(0);
    expect(first.lines.map(({ event }) => event).slice(-1)).toEqual(['ended']);

    const second = asks(folder, String(port));
    await second.port;
    await Promise.all(devices.map(({ session }) => firstValueFrom(session.uploadComplete$)));
    await Promise.all(devices.map(({ session }) => firstValueFrom(session.downloadComplete$)));
    for (const { realm } of devices) {
      const all = await firstValueFrom(
        realm.objects$('Task').pipe(
          filter(({ length }) => length === devices[0]!.written() + devices[1]!.written()),
          timeout(5_000),
        ),
      );
      expect(all).toHaveLength(82);
    }
    const again = await connectRawClient(port);
    again.sendMessage(createBind({ realm: 'other', token: await signToken('carl', everything) }));
    const bound = await again.until(({ type }) => type === 'bound');
    expect(bound.type === 'bound' && bound.accepted >= acknowledged).toBe(true);
    again.disconnect();
    await Promise.all(devices.map(({ close }) => close()));
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(0);
  }, 60_000);

  it('logs one line for a connection, without its token and without the name of its user', async () => {
    const folder = folderWith({ realms: [{ name: 'user-{user}', write: ['*'] }] });
    const server = asks(folder);
    const raw = await connectRawClient(await server.port);
    const token = await signToken('ann@example.com', {});
    raw.sendMessage(createBind({ token, realm: 'user-ann' }));
    expect(await raw.until(({ type }) => type === 'error')).toMatchObject({ code: 'permission-denied' });
    raw.send('text');
    await raw.closed;
    // The client may notice the close before the server does.
    await server.waitForEvent('closed');
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    expect(server.lines.map(({ event }) => event)).toEqual(['listening', 'closed', 'draining', 'ended']);
    expect(server.lines[1]).toMatchObject({
      level: 'info',
      connection: 1,
      address: '127.0.0.1',
      code: 4400,
      user: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
    });
    const log = JSON.stringify(server.lines);
    expect(log).not.toContain('ann@example.com');
    expect(log).not.toContain(token.slice(0, 20));
    expect(log).not.toContain(secret);
  });

  it('goes on without a reader of its log, and exits with 0 on SIGTERM', async () => {
    const server = asks(folderWith({}));
    const port = await server.port;
    server.child.stdout?.destroy();
    server.child.stderr?.destroy();
    for (const name of ['ann', 'bob', 'cid']) {
      const raw = await connectRawClient(port);
      raw.sendMessage(createBind({ replica: name, token: await signToken(name, everything) }));
      await raw.until(({ type }) => type === 'bound');
      raw.send('text'); // Invalid: the server closes the connection, and logs a line.
      await raw.closed;
    }
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
  });

  it('exits at once with 1 on a second signal, or when it cannot finish', async () => {
    const server = startServe(lib, ['--port', '0', '--data', join(fresh(), 'data')]);
    const raw = await connectRawClient(await server.port);
    raw.sendMessage(createBind());
    await raw.until(({ type }) => type === 'bound');
    // A client that does not answer the closing of its socket delays the exit after the first signal by two seconds.
    raw.pause();
    const since = Date.now();
    server.child.kill('SIGTERM');
    await server.waitForEvent('draining');
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(1);
    expect(Date.now() - since).toBeLessThan(1_500);
    raw.disconnect();
  });

  it('prints the reason and exits with 1 when it cannot start', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const taken = String((other.address() as { port: number }).port);
    const data = join(fresh(), 'data');
    const unlucky = startServe(lib, ['--port', taken, '--data', data]);
    expect(await unlucky.ended).toBe(1);
    expect(unlucky.errorText()).toContain('EADDRINUSE');
    other.close();
    const first = startServe(lib, ['--port', '0', '--data', data]);
    await first.port;
    const second = startServe(lib, ['--port', '0', '--data', data]);
    expect(await second.ended).toBe(1);
    expect(second.errorText()).toMatch(/process \d+ .*serve/);
  });

  it.each([
    [['--port', '0'], 'The folder is missing. Use --data <folder>.'],
    [['--data', 'x', '--secret', 'short'], 'secret must be at least 32 bytes, received 5 bytes'],
    [['--data', 'x', '--jwks', './keys.json'], 'audience must be a name or a list of names when jwks is given'],
    [
      ['--data', 'x', '--jwks', './k', '--anyone'],
      'Only one of --jwks, --secret, --secret-file and --anyone can be set.',
    ],
    [
      ['--data', 'x', '--log-level', 'loud'],
      'logLevel must be one of silent, error, warn, info, debug, received "loud"',
    ],
    [['--data', 'x', '--host', '0.0.0.0'], 'host must be one of 127.0.0.1, ::1, localhost without authenticate'],
    [['--data', 'x', '--inspector', 'ops'], '--inspector must be true or false on a server without tokens'],
    [['--data', 'x', '--config', '/nowhere.json'], '/nowhere.json cannot be read'],
    [['--data', 'x', '--prot', '1'], "Unknown option '--prot'"],
  ])('exits with 2 for invalid settings: %j', async (args, why) => {
    const server = startServe(lib, args);
    expect(await server.ended).toBe(2);
    expect(server.errorText()).toContain(`tidemark serve: `);
    expect(server.errorText()).toContain(why);
  });

  it('serves the inspector to users with a token, or to the users of the setting, and not without the setting', async () => {
    const folder = folderWith({});
    const ask = async (more: readonly string[], user: string) => {
      const secretFile = join(folder, 'secret');
      const args = ['--port', '0', '--data', join(folder, 'data'), '--secret-file', secretFile, ...more];
      const server = startServe(lib, args);
      const port = await server.port;
      const raw = await connectRawClient(port);
      raw.sendMessage(createBind({ realm: 'team', token: await signToken('ann', everything) }));
      await raw.until(({ type }) => type === 'bound');
      const answer = await request(port, '/inspector/state', bearer(await signToken(user, { team: 'read' })));
      server.child.kill('SIGTERM');
      await server.ended;
      return answer;
    };
    expect((await ask([], 'ann')).status).toBe(426);
    const { connections, realms } = JSON.parse((await ask(['--inspector'], 'bob')).text) as VisibleState;
    expect(connections.items).toMatchObject([{ user: { hash: expect.any(String) as string }, address: null }]);
    expect(realms.items).toMatchObject([{ name: 'team', sessions: 1 }]);
    expect((await ask(['--inspector', 'ops'], 'bob')).status).toBe(403);
    expect((await ask(['--inspector', 'ops'], 'ops')).text).toContain('"user":{"id":"ann"}');
  }, 60_000);

  it('prints its settings', async () => {
    const server = startServe(lib, ['--help']);
    expect(await server.ended).toBe(0);
    expect(server.lines.map(({ text }) => text).join('\n')).toMatch(/Usage: tidemark serve[^]*--trust-proxy/);
  });
});
