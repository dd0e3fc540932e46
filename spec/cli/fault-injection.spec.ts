import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defer, filter, firstValueFrom, from, map, NEVER, of, timeout } from 'rxjs';
import { parseChaos, type ChaosSettings } from '../../lib/cli/chaos-settings.js';
import { parseFlags, SettingsError } from '../../lib/cli/settings.js';
import { delayStorage, createFaultMiddleware } from '../../lib/cli/fault-injection.js';
import { systemClock } from '../../lib/clock.js';
import { createSyncClient, isSome, memoryStorage, openRealm } from '../../lib/index.js';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import type { ServerWire } from '../../lib/server/index.js';
import { marbles, storageSuite } from '../../lib/testing/index.js';
import { createCloseError } from '../../lib/transport/wire.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { connectRawClient } from '../server/raw-client.js';
import { createBind } from '../server/test-kit.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { secret, startServe, stopAll, signToken } from './serve-kit.js';

const half = { random: () => 0.5 };
const calm: ChaosSettings = { seed: 1, delay: null, drop: null, close: null, expire: null, disk: null };

describe('the value of --chaos', () => {
  it('means all faults when it is empty, with a random seed', () => {
    expect(parseFlags(['--chaos']).set).toEqual({ chaos: 'all' });
    expect(parseFlags(['--chaos', '--port', '1']).set).toEqual({ chaos: 'all', port: 1 });
    expect(parseChaos('all', true, half)).toEqual({
      ...{ seed: 2 ** 31, delay: [0, 250], drop: 45_000, close: 60_000, expire: 60_000, disk: [0, 50] },
    });
  });

  it('means only the faults that it names; later ones replace earlier ones', () => {
    expect(parseFlags(['--chaos', 'drop=5000']).set).toEqual({ chaos: 'drop=5000' });
    expect(parseChaos('drop=5000, delay=20,seed=7', true, half)).toEqual({
      ...{ ...calm, seed: 7, delay: [20, 20], drop: 5_000 },
    });
    expect(parseChaos('all,drop=200,seed=7', true, half)).toMatchObject({ seed: 7, drop: 200, close: 60_000 });
  });

  it('means all faults with that seed when it has only a seed', () => {
    expect(parseChaos('seed=7', true, half)).toEqual({ ...parseChaos('all', true, half), seed: 7 });
    expect(parseChaos('seed=7,seed=8', false, half)).toEqual(parseChaos('all,seed=8', false, half));
  });

  it('expires no tokens where none are required', () => {
    expect(parseChaos('all', false, half).expire).toBeNull();
    expect(() => parseChaos('expire=500', false, half)).toThrow('chaos: expire needs a server with tokens.');
  });

  it.each([
    ['', 'chaos must be all, or some of delay=0-250'],
    ['some', 'chaos must be all, or some of delay=0-250'],
    ['drop', 'chaos: drop must be a whole number from 100 to 2147483647, received ""'],
    ['drop=50', 'chaos: drop must be a whole number from 100 to 2147483647, received "50"'],
    ['delay=9-2', 'chaos: delay must be a whole number from 9 to 60000, received "2"'],
    ['delay=1-2-3', 'received "1-2-3"'],
    ['disk=-5', 'chaos: disk must be a whole number from 0 to 60000, received ""'],
    ['seed=x', 'chaos: seed must be a whole number from 0 to 4294967295, received "x"'],
    ['toString=5', 'received "toString=5"'],
  ])('is rejected when it is %j', (text, complaint) => {
    expect(() => parseChaos(text, true, half)).toThrow(SettingsError);
    expect(() => parseChaos(text, true, half)).toThrow(complaint);
  });
});

describe('a connection with chaos', () => {
  const echo: ServerWire = (sent) => sent.pipe(map((message) => message as unknown as ServerMessage));

  it(
    'is unchanged when no fault is set',
    marbles(({ cold, scheduler, expectObservable }) => {
      const line = createFaultMiddleware(calm, { scheduler, now: () => 0 }, half.random)(echo);
      expectObservable(line(cold('ab-c|'))).toBe('            ab-c|');
    }),
  );

  it(
    'delays each message in both directions, and keeps their order',
    marbles(({ cold, scheduler, expectObservable }) => {
      const late = { ...calm, delay: [5, 5] } as const;
      const line = createFaultMiddleware(late, { scheduler, now: () => 0 }, half.random)(echo);
      expectObservable(line(cold('ab---c|'))).toBe('10ms ab---(c|)');
    }),
  );

  it(
    "ends after the messages before the end, so that the client receives the server's reason",
    marbles(({ cold, scheduler, expectObservable }) => {
      const late = { ...calm, delay: [5, 5] } as const;
      const leaving: ServerWire = () => cold<ServerMessage>('ab-(c#)', undefined, createCloseError(1012, 'restarting'));
      const line = createFaultMiddleware(late, { scheduler, now: () => 0 }, half.random)(leaving);
      expectObservable(line(NEVER)).toBe('5ms ab-(c#)', undefined, createCloseError(1012, 'restarting'));
    }),
  );

  it(
    'loses and reorders nothing, for any random delays',
    marbles(
      ({ cold, scheduler, clock, expectObservable }) => {
        const late = { ...calm, delay: [0, 40] } as const;
        const received = createFaultMiddleware(late, { scheduler, now: () => 0 }, clock.random)(echo)(
          cold('abcdefgh 100ms |'),
        );
        const all = received.pipe(map((message) => message as unknown as string));
        let order = '';
        all.subscribe((letter) => (order += letter));
        scheduler.schedule(() => expect(order).toBe('abcdefgh'), 100);
        expectObservable(all.pipe(filter(() => false))).toBe('108ms |');
      },
      { seed: 5 },
    ),
  );

  it(
    'is cut without a close code after a while, or closed with a code after which a client reconnects',
    marbles(({ scheduler, expectObservable }) => {
      const time = { scheduler, now: () => 0 };
      const dropping = createFaultMiddleware({ ...calm, drop: 100 }, time, half.random)(echo);
      expectObservable(dropping(NEVER)).toBe('70ms #', {}, createCloseError(1006, ''));
      const closing = createFaultMiddleware({ ...calm, close: 100 }, time, half.random)(echo);
      expectObservable(closing(NEVER)).toBe('70ms #', {}, createCloseError(1013, 'chaos'));
    }),
  );
});

storageSuite(
  'a storage with chaos',
  defer(() => of(delayStorage(memoryStorage(), systemClock, createSeededRandom(1), [0, 3]))),
  'copy',
);

describe('tidemark serve --chaos', () => {
  const { fresh, remove } = createTemporaryFolders();
  const lib = useBuiltLibrary();
  afterEach(stopAll);
  afterAll(remove);
  const all = { '*': 'write' };
  const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

  const serves = async (chaos: string, folder = fresh()) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'secret'), secret);
    const flags = ['--data', join(folder, 'data'), '--secret-file', join(folder, 'secret'), '--chaos', chaos];
    const server = startServe(lib, ['--port', '0', ...flags], {});
    return { server, port: await server.port, folder };
  };

  const device = async (port: number, user: string) => {
    const accessToken = () => from(signToken(user, all));
    const url = `ws://127.0.0.1:${port}`;
    const client = createSyncClient({ url, accessToken, timeouts: { backoffFirst: 20, backoffMost: 100 } });
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    if (!isSome(realm.syncSession)) throw new Error('no session');
    return { user, client, realm, session: realm.syncSession.value };
  };

  it('loses nothing and applies nothing twice, on connections that break and are closed, with a slow disk', async () => {
    const { server, port } = await serves('delay=0-20,drop=300,close=300,expire=1000,disk=0-10,seed=7');
    const devices = [await device(port, 'ann'), await device(port, 'bob')];
    const ids: string[] = [];
    for (let round = 0; round < 15; round += 1)
      await Promise.all(
        devices.map(async ({ user, realm, session }) => {
          for (let each = 0; each < 2; each += 1) {
            const id = `${user} ${round} ${each}`;
            ids.push(id);
            await realm.write((tx) => tx.create('Task', { id }));
          }
          await firstValueFrom(session.uploadComplete$.pipe(timeout(10_000)));
        }),
      );
    for (const { realm } of devices) {
      const whole$ = realm.objects$('Task').pipe(
        filter(({ length }) => length >= ids.length),
        timeout(10_000),
      );
      expect((await firstValueFrom(whole$)).map(({ id }) => id).sort()).toEqual([...ids].sort());
    }
    const codes = server.lines.flatMap(({ event, code }) => (event === 'closed' ? [code] : []));
    expect(codes).toContain(1006);
    expect(codes.some((code) => [1001, 1011, 1012, 1013, 4429, 4500].includes(code as number))).toBe(true);
    expect(server.lines.find(({ event }) => event === 'chaos')).toMatchObject({ level: 'warn', seed: 7, drop: 300 });
    for (const { client, realm } of devices) {
      await realm.close();
      await client.close();
    }
  });

  /** Opens another server on this folder and returns the ids that a client receives from it. */
  const kept = async (folder: string, atLeast: number): Promise<readonly string[]> => {
    const { port } = await serves('disk=0', folder);
    const { client, realm } = await device(port, 'bob');
    const whole$ = realm.objects$('Task').pipe(
      filter(({ length }) => length >= atLeast),
      timeout(10_000),
    );
    const ids = (await firstValueFrom(whole$)).map(({ id }) => id);
    await realm.close();
    await client.close();
    return ids;
  };

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'keeps all that it acknowledged on a slow disk after a %s, and exits in time when it can',
    async (signal) => {
      const { server, port, folder } = await serves('disk=20-60,delay=0-20,seed=7');
      const { client, realm, session } = await device(port, 'ann');
      const ids = Array.from({ length: 12 }, (_, at) => `ann ${at}`);
      for (const id of ids) await realm.write((tx) => tx.create('Task', { id }));
      await firstValueFrom(session.uploadComplete$.pipe(timeout(10_000)));
      const under = realm.write((tx) => tx.create('Task', { id: 'on its way' }));
      const since = Date.now();
      server.child.kill(signal);
      expect(await server.ended).toBe(signal === 'SIGKILL' ? signal : 0);
      expect(Date.now() - since).toBeLessThan(10_000);
      await under;
      await realm.close();
      await client.close();
      expect(await kept(folder, ids.length)).toEqual(expect.arrayContaining(ids));
    },
  );

  it('expires tokens early', async () => {
    const { port } = await serves('expire=200,delay=5-20');
    const client = await connectRawClient(port);
    client.sendMessage(createBind({ token: await signToken('ann', all) }));
    await client.until(({ type }) => type === 'bound');
    expect(await client.until(({ type }) => type === 'error')).toMatchObject({ code: 'token-expired' });
  });

  it('does not start with an invalid value', async () => {
    const { ended, errorText } = startServe(lib, ['--data', fresh(), '--chaos', 'drop=fast'], {});
    expect(await ended).toBe(2);
    expect(errorText()).toContain('chaos: drop must be a whole number from 100 to 2147483647, received "fast"');
  });
});
