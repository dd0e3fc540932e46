import { get } from 'node:http';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { createSyncServer, type SyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { connectRawClient } from '../raw-client.js';
import { createBind, createUpload } from '../test-kit.js';

const servers: SyncServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const serving = async (): Promise<number> => {
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token }),
    authorize: ({ id }) => (id === 'stranger' ? 'none' : 'write'),
  });
  servers.push(server);
  return (await server.listen({ port: 0, host: '127.0.0.1' })).port;
};

const fetched = (port: number, headers = {}): Promise<{ status: number; type: string; text: string }> =>
  new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/metrics', headers }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      const { statusCode: status = 0, headers: sentHeaders } = response;
      response.on('end', () => resolve({ status, type: sentHeaders['content-type'] ?? '', text }));
    }).on('error', reject);
  });

/** Reads the metrics by name and labels. */
const numbersOf = async (port: number): Promise<Readonly<Record<string, number>>> => {
  const { text } = await fetched(port);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
};

describe('the metrics of a server', () => {
  it('count its work, in the format of Prometheus', async () => {
    const port = await serving();
    const [a, b, c] = [await connectRawClient(port), await connectRawClient(port), await connectRawClient(port)];
    a.sendMessage(createBind({ token: 'ann' }));
    b.sendMessage(createBind({ token: 'bob', replica: 'b' }));
    c.sendMessage(createBind({ token: 'stranger', replica: 'c' }));
    await Promise.all([a, b].map((client) => client.until(({ type }) => type === 'bound')));
    await c.until(({ type }) => type === 'error');
    a.sendMessage(createUpload(1, 3));
    await a.until(({ type }) => type === 'accepted');
    await b.until(({ type }) => type === 'download');
    const busy = await numbersOf(port);
    expect(busy).toMatchObject({
      tidemark_connections: 3,
      tidemark_sessions: 2,
      tidemark_realms_open: 1,
      tidemark_connections_opened_total: 3,
      'tidemark_binds_total{outcome="bound"}': 2,
      'tidemark_binds_total{outcome="permission-denied"}': 1,
      tidemark_upload_changesets_total: 3,
      tidemark_download_changesets_total: 3,
      tidemark_rejected_changesets_total: 0,
    });
    expect(busy['tidemark_upload_bytes_total']).toBe(busy['tidemark_download_bytes_total']);
    expect(busy['tidemark_storage_batch_seconds_count']).toBeGreaterThan(0);

    a.sendMessage({ type: 'unbind', session: 1 });
    await a.until(({ type }) => type === 'unbound');
    b.disconnect();
    c.send('text');
    await c.closed;
    for (let turns = 0; turns < 1_000 && (await numbersOf(port))['tidemark_connections'] !== 1; turns += 1);
    expect(await numbersOf(port)).toMatchObject({
      tidemark_connections: 1,
      tidemark_sessions: 0,
      tidemark_connections_opened_total: 3,
      'tidemark_connections_closed_total{code="1006"}': 1,
      'tidemark_connections_closed_total{code="4400"}': 1,
    });
  });

  it('count the work for sessions with a view', async () => {
    const port = await serving();
    const [writer, client] = [await connectRawClient(port), await connectRawClient(port)];
    writer.sendMessage(createBind({ token: 'ann', replica: 'w' }));
    await writer.until(({ type }) => type === 'bound');
    const upload = (version: number, ...operations: readonly Operation[]): void =>
      writer.sendMessage({
        ...{ type: 'upload', session: 1 },
        changesets: [{ version, time: version, count: 0, body: encodeOperations(operations) }],
      });
    const create = (key: number, list: string): Operation => ({ kind: 'create', type: 'Task', key, values: { list } });
    upload(1, create(1, 'a'), create(2, 'b'));
    await writer.until(({ type }) => type === 'accepted');
    client.sendMessage(createBind({ token: 'bob', replica: 'v', view: { number: null, filters: [], scope: null } }));
    await client.until(({ type }) => type === 'bound');
    const filters = [
      { id: 1, type: 'Task', filter: ['in', 'list', 'a'] },
      { id: 2, type: 'Task', filter: ['no filter'] },
    ];
    client.sendMessage({ type: 'subscribe', session: 1, number: 1, filters });
    await client.until(({ type }) => type === 'view');
    expect(await numbersOf(port)).toMatchObject({
      tidemark_sessions: 2,
      tidemark_view_sessions: 1,
      tidemark_view_bootstraps: 1,
      tidemark_view_groups: 0,
      'tidemark_views_total{mode="resync"}': 1,
      'tidemark_subscriptions_rejected_total{code="bad-filter"}': 1,
    });
    client.sendMessage({ type: 'next', session: 1, number: 1, position: null });
    await client.until(({ type }) => type === 'members');
    client.sendMessage({ type: 'received', session: 1, version: 1 });
    upload(2, { kind: 'update', type: 'Task', key: 1, values: { list: 'b' } }, create(3, 'a'));
    await client.until(({ type }) => type === 'parts');
    const busy = await numbersOf(port);
    expect(busy).toMatchObject({
      tidemark_view_bootstraps: 0,
      tidemark_view_groups: 1,
      tidemark_view_pages_total: 1,
      tidemark_view_objects_sent_total: 2,
      tidemark_view_objects_left_total: 1,
    });
    expect(busy['tidemark_view_bytes_total']).toBeGreaterThan(20);
    client.disconnect();
    for (let turns = 0; turns < 1_000 && (await numbersOf(port))['tidemark_connections'] !== 1; turns += 1);
    expect(await numbersOf(port)).toMatchObject({
      tidemark_sessions: 1,
      tidemark_view_sessions: 0,
      tidemark_view_groups: 0,
    });
  });

  it('include those of the process, and are separate for each server', async () => {
    const [one, other] = [await serving(), await serving()];
    (await connectRawClient(one)).disconnect();
    const { status, type } = await fetched(one);
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    const numbers = await numbersOf(other);
    expect(numbers['tidemark_connections_opened_total']).toBe(0);
    expect(numbers['nodejs_eventloop_lag_p99_seconds']).toBeGreaterThanOrEqual(0);
    expect(numbers['process_resident_memory_bytes']).toBeGreaterThan(1_000_000);
  });

  it.each(['X-Forwarded-For', 'Forwarded', 'Via', 'X-Real-IP'])('are not shown through a proxy: %s', async (name) => {
    const { status, text } = await fetched(await serving(), { [name]: '1.2.3.4' });
    expect([status, text]).toEqual([404, 'not found\n']);
  });
});
