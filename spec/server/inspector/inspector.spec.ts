import { createSyncServer, type ServerEvent, type SyncServer, TokenRejectedError } from '../../../lib/server/index.js';
import type { ListenOptions } from '../../../lib/server/listen-options.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { waitForCondition } from '../../wait-for.js';
import { connectRawClient } from '../raw-client.js';
import { createBind, createUpload } from '../test-kit.js';
import { bearer, readState, request } from './inspector-kit.js';

const servers: SyncServer[] = [];
const events: ServerEvent[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  events.length = 0;
});

/** Tokens are ids of users. Each user may read `team`, and the realm of the own id. */
const listen = async (options: Partial<ListenOptions>): Promise<number> => {
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => {
      if (token === 'wrong') throw new TokenRejectedError('token-refused', 'The token is not known.');
      if (token === 'broken') throw new Error('the database of users is away');
      return { id: token };
    },
    authorize: ({ id }, realm) => (realm === 'team' || realm === id ? 'write' : 'none'),
    log: (event) => void events.push(event),
  });
  servers.push(server);
  return (await server.listen({ port: 0, host: '127.0.0.1', ...options })).port;
};

const bind = async (port: number, token: string, realm: string) => {
  const client = await connectRawClient(port);
  client.sendMessage(createBind({ token, realm, replica: `${token}-in-${realm}` }));
  await client.until(({ type }) => type === 'bound');
  return client;
};

describe('the inspector of a server', () => {
  it('is off by default: its paths are answered as all paths that do not exist', async () => {
    const port = await listen({});
    const unknown = await request(port, '/nothing');
    for (const path of ['/inspector', '/inspector/state', '/inspector/page.js'])
      expect(await request(port, path, bearer('ann'))).toEqual({ ...unknown, headers: expect.anything() as unknown });
    expect(unknown.status).toBe(426);
  });

  it('is only at the port that has the option', async () => {
    const port = await listen({ inspector: true });
    const { port: other } = await servers[0]!.listen({ port: 0, host: '127.0.0.1' });
    expect((await request(port, '/inspector')).status).toBe(200);
    expect((await request(other, '/inspector')).status).toBe(426);
  });

  it('has a page that loads nothing from other sites, cannot be embedded, and is not stored', async () => {
    const port = await listen({ inspector: true });
    await bind(port, 'ann', 'team');
    for (const [path, type] of [
      ['/inspector', 'text/html; charset=utf-8'],
      ['/inspector/page.css', 'text/css; charset=utf-8'],
      ['/inspector/page.js', 'text/javascript; charset=utf-8'],
    ] as const) {
      const { status, headers, text } = await request(port, path);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-type': type,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(headers['content-security-policy']).toMatch(
        /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
      );
      expect(headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/);
      // The namespace of SVG is a name.
      expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|innerHTML|\beval\b|ann|team/);
    }
    expect((await request(port, '/inspector')).text).not.toMatch(/<script>|<style>| on\w+=| style=/);
  });

  it('needs a valid token, and says what to do', async () => {
    const port = await listen({ inspector: true });
    const missing = await request(port, '/inspector/state');
    expect([missing.status, missing.headers['www-authenticate'], JSON.parse(missing.text)]).toEqual([
      401,
      'Bearer realm="tidemark inspector"',
      { code: 'token-missing', text: 'Enter an access token of this server.' },
    ]);
    const wrong = await request(port, '/inspector/state', bearer('wrong'));
    expect([wrong.status, JSON.parse(wrong.text)]).toEqual([
      401,
      { code: 'token-refused', text: 'The token is not known. Enter another access token.' },
    ]);
    expect(events).toContainEqual({ level: 'warn', event: 'token-rejected', code: 'token-refused', more: 0 });
    const broken = await request(port, '/inspector/state', bearer('broken'));
    expect([broken.status, broken.headers['retry-after'], broken.text]).toEqual([
      503,
      '1',
      expect.stringContaining('The log of the server has the reason.'),
    ]);
    expect(broken.text).not.toContain('database');
    expect(events).toContainEqual(expect.objectContaining({ event: 'failed', text: 'the database of users is away' }));
    expect((await request(port, '/inspector/state?token=ann')).status).toBe(401);
  });

  it('shows a user the realms that the user may read, and the connections and sessions in them', async () => {
    const port = await listen({ inspector: true });
    const ann = await bind(port, 'ann', 'team');
    const bob = await bind(port, 'bob', 'team');
    await bind(port, 'bob', 'bob');
    const carla = await bind(port, 'carla', 'team');
    ann.sendMessage(createUpload(1, 3));
    await ann.until(({ type }) => type === 'accepted');
    await bob.until(({ type }) => type === 'download');
    await carla.until(({ type }) => type === 'download');
    carla.sendMessage({ type: 'received', session: 1, version: 3 });
    carla.sendMessage({ type: 'ping', sentAt: 0 });
    await carla.until(({ type }) => type === 'pong');

    const seen = await readState(port, 'ann');
    expect(seen).toMatchObject({ user: 'ann', seesUsers: false, protocol: 'tidemark.1', uncheckedRealms: 0 });
    expect(seen.totals).toMatchObject({ connections: 3, sessions: 3, realms: 1 });
    expect(seen.realms).toEqual({
      items: [
        {
          name: 'team',
          head: 3,
          bytes: expect.any(Number) as number,
          sessions: 3,
          changesetsIn: null,
          bytesIn: null,
          watched: null,
        },
      ],
      more: 0,
    });
    const connections = [...seen.connections.items].sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
    expect(connections).toMatchObject([
      {
        ...{ number: 1, user: { id: 'ann' }, isOwn: true, address: '127.0.0.1' },
        sessions: {
          items: [{ realm: 'team', replica: 'ann-in-team', access: 'write', position: 3, behind: 0 }],
          more: 0,
        },
      },
      {
        ...{ number: 2, user: { hash: '81b637d8fcd2' }, isOwn: false, address: null },
        // Bob has not confirmed the download.
        sessions: { items: [{ realm: 'team', replica: 'bob-in-team', position: 0, behind: 3 }], more: 0 },
      },
      {
        ...{ number: 4, user: { hash: expect.any(String) as string }, isOwn: false },
        sessions: { items: [{ replica: 'carla-in-team', position: 3, behind: 0 }], more: 0 },
      },
    ]);
    expect(JSON.stringify(seen)).not.toMatch(/bob"|bob-in-bob/);
  });

  it('shows ids and addresses of others to the users that the option lists, and nothing to anyone else', async () => {
    const port = await listen({ inspector: ['ann'] });
    await bind(port, 'bob', 'team');
    const { connections, seesUsers } = await readState(port, 'ann');
    expect(seesUsers).toBe(true);
    expect(connections.items).toMatchObject([{ user: { id: 'bob' }, address: '127.0.0.1', isOwn: false }]);
    const { status, text } = await request(port, '/inspector/state', bearer('bob'));
    expect([status, JSON.parse(text)]).toEqual([
      403,
      { code: 'user-not-listed', text: 'The user of this token may not use the inspector.' },
    ]);
  });

  it('shows of subscriptions how many a session has, and of filters how many properties they name', async () => {
    const port = await listen({ inspector: ['ann'] });
    await bind(port, 'ann', 'team');
    const client = await connectRawClient(port);
    const view = { number: null, filters: [], scope: null };
    client.sendMessage(createBind({ realm: 'team', token: 'bob', replica: 'v', view }));
    await client.until(({ type }) => type === 'bound');
    const filters = [
      { id: 1, type: 'Task', filter: ['in', 'list', 'secret'] },
      { id: 2, type: 'Task', filter: ['in', 'owner', 'carla'] },
    ];
    client.sendMessage({ type: 'subscribe', session: 1, number: 1, filters });
    await client.until(({ type }) => type === 'view');
    const state = await readState(port, 'ann');
    const sessions = state.connections.items.flatMap((connection) => connection.sessions.items);
    expect(sessions.map(({ subscriptions }) => subscriptions).sort()).toEqual([2, null]);
    const watched = { types: 1, properties: 2, since: 0, isIndexed: true };
    expect(state.realms.items).toMatchObject([{ name: 'team', watched }]);
    expect(JSON.stringify(state)).not.toMatch(/secret|carla|owner|list/);
  });

  it('forgets connections and sessions that have ended', async () => {
    const port = await listen({ inspector: true });
    const ann = await bind(port, 'ann', 'team');
    ann.disconnect();
    await waitForCondition(() => events.some(({ event }) => event === 'closed'));
    expect((await readState(port, 'ann')).totals).toMatchObject({ connections: 0, sessions: 0, realms: 0 });
  });

  it('has no token and no content of objects in an answer', async () => {
    const port = await listen({ inspector: ['ann'] });
    const ann = await bind(port, 'ann', 'team');
    ann.sendMessage(createUpload(1, 1));
    await ann.until(({ type }) => type === 'accepted');
    const { connections, realms } = await readState(port, 'ann');
    expect(Object.keys(connections.items[0]!).sort()).toEqual([
      'address',
      'bytesIn',
      'bytesOut',
      'isOwn',
      'messagesIn',
      'messagesOut',
      'number',
      'sessions',
      'since',
      'user',
    ]);
    expect(Object.keys(connections.items[0]!.sessions.items[0]!).sort()).toEqual([
      'access',
      'behind',
      'position',
      'realm',
      'replica',
      'subscriptions',
    ]);
    expect(Object.keys(realms.items[0]!).sort()).toEqual([
      'bytes',
      'bytesIn',
      'changesetsIn',
      'head',
      'name',
      'sessions',
      'watched',
    ]);
  });

  it('without tokens, answers programs and pages of this machine only', async () => {
    const server = createSyncServer({ storage: memoryStorage() });
    servers.push(server);
    const { port } = await server.listen({ port: 0, inspector: true });
    await bind(port, 'any', 'team');
    const local = await request(port, '/inspector/state');
    expect(JSON.parse(local.text)).toMatchObject({ user: null, totals: { connections: 1, realms: 1 } });
    for (const headers of [
      { host: 'evil.example.com' },
      { host: `localhost.evil.com:${port}` },
      { 'x-forwarded-for': '1.2.3.4' },
      { forwarded: 'for=1.2.3.4' },
      { 'x-real-ip': '1.2.3.4' },
      { via: '1.1 proxy' },
    ]) {
      const { status, text } = await request(port, '/inspector/state', headers);
      expect([status, text]).toEqual([403, expect.stringContaining('"not-local"')]);
    }
    for (const host of [`localhost:${port}`, `[::1]:${port}`, '127.0.0.1'])
      expect((await request(port, '/inspector/state', { host })).status).toBe(200);
  });

  it('rejects invalid options', async () => {
    const open = createSyncServer({ storage: memoryStorage() });
    const guarded = createSyncServer({
      storage: memoryStorage(),
      authenticate: (id) => ({ id }),
      authorize: () => 'read',
    });
    servers.push(open, guarded);
    for (const inspector of ['yes', 1, null, [], [''], [5]] as unknown as true[])
      await expect(guarded.listen({ port: 0, inspector })).rejects.toThrow(
        'inspector must be true, false, or a list with the ids of users',
      );
    await expect(open.listen({ port: 0, inspector: ['ann'] })).rejects.toThrow(
      'inspector must be true or false on a server without tokens, where no user has an id',
    );
    await expect(guarded.attach({} as never, { inspector: true } as never)).rejects.toThrow('inspector');
  });
});
