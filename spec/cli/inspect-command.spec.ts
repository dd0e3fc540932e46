import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { firstValueFrom, lastValueFrom, Subject, take } from 'rxjs';
import { runCommand } from '../../lib/cli/run-command.js';
import { createSubscriptions, createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { levelStorage } from '../../lib/storage/level.js';
import { openStore } from '../../lib/store/open-store.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { waitUntilDone, shapes } from '../store/test-kit.js';
import { commandOf, entriesAt, jsonOf } from './inspect-kit.js';
import { clock, fillRealm, openOfflineRealm, schema } from './offline-realm.js';

const { fresh, remove } = createTemporaryFolders();
const lib = useBuiltLibrary();
const tidemark = commandOf(lib);
afterAll(remove);

const filled = async () => {
  const storagePath = fresh();
  return { storagePath, replica: await fillRealm(storagePath) };
};

describe('tidemark inspect', () => {
  it('prints the contents of a realm for people, and changes nothing', async () => {
    const { storagePath, replica } = await filled();
    const before = await entriesAt(storagePath);
    const { code, out, err } = await tidemark('inspect', storagePath);
    expect([code, err]).toEqual([0, '']);
    const bytes = /To be uploaded: 2 changes, (\d+) bytes/.exec(out)?.[1];
    const [one, two] = [...out.matchAll(/, (\d+) bytes$/gm)].map((match) => Number(match[1]));
    expect(Number(bytes)).toBe(one! + two!);
    const text = out
      .replaceAll(/\d+ bytes/g, 'N bytes')
      .replaceAll(replica, 'REPLICA')
      .split('\n');
    expect(text).toEqual([
      `Realm in ${storagePath}`,
      '  replica         REPLICA',
      '  history         none (never bound to a server)',
      '  downloaded to   0 of the server (0 of N bytes)',
      '  written         2',
      '  acknowledged    0 (N bytes)',
      '  rejected        0 in all',
      '  schema version  0',
      '  clock           2024-05-01T12:00:00.000Z (7)',
      '',
      'Tag 7',
      '  id: 7',
      'Task "milk"',
      ...['id: "milk"', 'title: "Milk\\u009b"', 'due: 5', 'raw: {"$bytes":"AQI="}', 'votes: 7'].map(
        (line) => `  ${line}`,
      ),
      ...['steps: ["fetch","drink"]', 'tags: ["a","b"]', 'notes: {"by":"Anna"}'].map((line) => `  ${line}`),
      'change 1, written 2024-05-01T12:00:00.000Z, N bytes',
      '    create Task "milk" {"id":"milk","title":"Milk\\u009b","due":5,"raw":{"$bytes":"AQI="},"votes":2}',
      expect.stringMatching(/^ {4}insert Task "milk".steps \{"run":.*"values":\["fetch","drink"\]\}$/) as unknown,
      '    put Task "milk".tags {"entries":[["\\"b\\"","b"],["\\"a\\"","a"]]}',
      '    put Task "milk".notes {"entries":[["by","Anna"]]}',
      '    create Task "tea" {"id":"tea","title":"Tea","due":null,"raw":null,"votes":0}',
      '    create Tag 7 {"id":7}',
      'change 2, written 2024-05-01T12:00:00.000Z, N bytes',
      expect.stringMatching(/^ {4}increment Task "milk".votes \{.*"by":5\}$/) as unknown,
      '    delete Task "tea"',
      '',
      'Tag: 1 object, 0 deleted',
      'Task: 1 object, 1 deleted',
      'To be uploaded: 2 changes, N bytes',
      'Rejected: 0 changes',
      '',
    ]);
    expect(await entriesAt(storagePath)).toEqual(before);
  });

  it('prints the subscriptions of a realm, and which of them have their objects here', async () => {
    const storagePath = fresh();
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    const online = new Subject<typeof server.wire>();
    const client = createSyncClient({ dial: online.pipe(take(1)) });
    const sync = { client, realm: 'tasks', stopPolicy: 'immediately' } as const;
    const subscriptions = createSubscriptions<typeof schema>();
    const realm = await openRealm({ schema, storage: storagePath, clock, sync, subscriptions });
    const milk = realm.subscribe('Task', { where: { title: { $in: ['Milk\u009b', 'Tea'] } } }, { name: 'drinks' });
    online.next(server.wire);
    await firstValueFrom(milk.sync$);
    await firstValueFrom(realm.session.downloadComplete$);
    realm.session.pause();
    await realm.subscriptions.update((edit) => edit.set('Tag', {}));
    await realm.close();
    await client.close();
    await server.close();

    const before = await entriesAt(storagePath);
    const { code, out } = await tidemark('inspect', storagePath);
    const lines = out.split('\n');
    const first = lines.findIndex((line) => line.startsWith('Subscriptions'));
    expect([code, lines.slice(first, first + 4)]).toEqual([
      0,
      [
        'Subscriptions, set 2: the objects here are of set 1',
        '  1 "drinks": Task ["in","title","Milk\\u009b","Tea"]',
        '  2: Tag true, not here',
        '',
      ],
    ]);
    const [, found] = jsonOf(await tidemark('inspect', storagePath, '--json'));
    expect(found).toMatchObject({
      view: { set: 2, placed: 1, scope: null, detached: 0, subscriptions: [{ id: 1, isPlaced: true }, { id: 2 }] },
    });
    expect(await entriesAt(storagePath)).toEqual(before);
  });

  it('prints lines of JSON for programs', async () => {
    const { storagePath, replica } = await filled();
    const found = jsonOf(await tidemark('inspect', storagePath, '--json'));
    expect(found.map((each) => Object.keys(each).join())).toEqual([
      'realm',
      'object',
      'object',
      'change',
      'change',
      'counts',
    ]);
    expect(found[0]).toMatchObject({
      realm: { replica, downloadedTo: 0, acknowledged: 0, written: 2, rejectedWrites: 0 },
    });
    expect(found[2]).toMatchObject({
      object: {
        ...{ type: 'Task', key: 'milk', deleted: false, born: { replica } },
        values: { due: 5, raw: { $bytes: 'AQI=' }, votes: 7, steps: ['fetch', 'drink'], tags: ['a', 'b'] },
      },
    });
    expect(found[4]).toMatchObject({
      change: { version: 2, operations: [{ kind: 'increment', by: 5 }, { kind: 'delete' }] },
    });
    expect(found[5]).toMatchObject({
      counts: { objects: { Tag: { living: 1, deleted: 0 }, Task: { living: 1, deleted: 1 } }, changes: 2, rejected: 0 },
    });
  });

  it('finds a type and a key, also in changes, and shows the remains of a deleted object', async () => {
    const { storagePath } = await filled();
    const ofType = jsonOf(await tidemark('inspect', storagePath, '--json', '--type', 'Tag'));
    expect(ofType.slice(1)).toMatchObject([
      { object: { type: 'Tag', key: 7 } },
      { change: { version: 1, operations: [{ kind: 'create', type: 'Tag' }] } },
      { counts: { objects: { Tag: { living: 1 } }, changes: 1 } },
    ]);
    const { out } = await tidemark('inspect', storagePath, '--type=Task', '--key=tea');
    expect(out).toMatch(/^Task "tea", deleted 2024-05-01T12:00:00.000Z \(\d+\) by \w+$/m);
    expect(out).toMatch(/^change 2.*\n {4}delete Task "tea"\n\nTask: 0 objects, 1 deleted\nTo be uploaded: 2 changes/m);
  });

  it('prints at most the requested number, and counts all', async () => {
    const storagePath = fresh();
    const { realm, close } = await openOfflineRealm(storagePath);
    await realm.write((tx) => {
      for (let id = 0; id < 3_000; id += 1) tx.create('Tag', { id });
    });
    await realm.write((tx) => tx.create('Task', { id: 'large', title: 'x'.repeat(10_000) }));
    await close();
    const found = jsonOf(await tidemark('inspect', storagePath, '--json', '--limit', '1'));
    expect(found).toHaveLength(4);
    expect(found[3]).toMatchObject({ counts: { objects: { Tag: { living: 3_000 } }, changes: 2 } });
    expect((await tidemark('inspect', storagePath)).out.match(/^Tag \d+$/gm)).toHaveLength(100);
    expect((await tidemark('inspect', storagePath, '--type', 'Task')).out).toMatch(
      /title: "x{499}… \(10002 characters\)/,
    );
  });

  it('prints rejected writes with their reasons', async () => {
    const storagePath = fresh();
    const storage = await firstValueFrom(levelStorage(storagePath));
    const store = await firstValueFrom(openStore({ storage, shapes, clock }));
    await lastValueFrom(store.write((tx) => tx.create('Task', { id: 'milk', title: 'Milk', done: false })));
    const writes = [{ type: 'Task', key: 'milk', reason: 'no milk\u001b[2J today' }];
    await waitUntilDone(
      store.rollBack({
        version: 1,
        writes,
        code: 'not-permitted',
        serverStates: [{ type: 'Task', key: 'milk', state: null }],
      }),
    );
    await waitUntilDone(store.close());
    const { out } = await tidemark('inspect', storagePath);
    expect(out).toMatch(/rejected 1: change 1, written 2024-05-01T12:00:00.000Z, \d+ bytes\n {4}create Task "milk"/);
    expect(out).toContain('    because of Task "milk": "no milk\\u001b[2J today"');
    expect(out).toContain('To be uploaded: 0 changes, 0 bytes\nRejected: 1 change\n');
    const [, rejected] = jsonOf(await tidemark('inspect', storagePath, '--json'));
    expect(rejected).toMatchObject({ rejected: { id: 1, version: 1, writes, operations: [{ kind: 'create' }] } });
  });

  it('names the process to close when another one has the realm open, and reads the realm after that', async () => {
    const storagePath = fresh();
    const realm = await openRealm({ schema, storage: storagePath });
    const { code, out, err } = await tidemark('inspect', storagePath);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(`tidemark inspect: The database in ${storagePath} is in use by another process`);
    expect(err).toMatch(
      process.platform === 'linux' ? new RegExp(`Close process ${process.pid} \\(.*jest`) : /Close the app/,
    );
    await realm.write((tx) => tx.create('Tag', { id: 1 }));
    await realm.close();
    expect((await tidemark('inspect', storagePath)).code).toBe(0);
  });

  it('creates no database in an empty folder', async () => {
    const storagePath = fresh();
    expect(await tidemark('inspect', storagePath)).toMatchObject({
      code: 1,
      err: `tidemark inspect: ${storagePath} does not exist.\n`,
    });
    mkdirSync(storagePath, { recursive: true });
    expect((await tidemark('inspect', storagePath)).err).toBe(
      `tidemark inspect: ${storagePath} is not a LevelDB database: it has no file CURRENT.\n`,
    );
    expect(readdirSync(storagePath)).toEqual([]);
    writeFileSync(join(storagePath, 'file'), 'x');
    expect((await tidemark('inspect', join(storagePath, 'file'))).err).toMatch(/is not a folder/);
  });

  it.each([
    ['empty', [], /This database has no realm/],
    ['that of another program', [['key', 'value']], /This database has no realm/],
    ['of another format', [['meta', '\u0091\u00a1x']], /This storage does not hold a Tidemark realm/],
  ] as const)('rejects a database that is %s, and does not change it', async (_, entries, message) => {
    const storagePath = fresh();
    const db = new ClassicLevel<string, Uint8Array>(storagePath, { valueEncoding: 'view' });
    for (const [key, value] of entries) await db.put(key, Buffer.from(value, 'latin1'));
    await db.close();
    const before = await entriesAt(storagePath);
    const { code, err } = await tidemark('inspect', storagePath);
    expect(code).toBe(1);
    expect(err).toMatch(message);
    expect(await entriesAt(storagePath)).toEqual(before);
  });

  it('reports damage after the part that it could read', async () => {
    const { storagePath } = await filled();
    const db = new ClassicLevel<string, Uint8Array>(storagePath, { valueEncoding: 'view' });
    await db.put('o/Task/smilk', Uint8Array.of(1));
    await db.close();
    const { code, out, err } = await tidemark('inspect', storagePath);
    expect(code).toBe(1);
    expect(out).toContain('Tag 7');
    expect(err).toMatch(/^tidemark inspect: The storage is damaged: Task milk cannot be read/);
    const corrupt = await filled();
    writeFileSync(join(corrupt.storagePath, 'CURRENT'), 'corrupt');
    expect(await tidemark('inspect', corrupt.storagePath)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/cannot be opened/) as unknown,
    });
    expect(readFileSync(join(corrupt.storagePath, 'CURRENT'), 'utf8')).toBe('corrupt');
  });

  it.each([
    [['inspect'], 'The storage is missing.'],
    [['inspect', 'a', 'b'], 'Only one storage can be inspected at a time, received b too.'],
    [['inspect', 'a', '--limit', 'many'], '--limit must be a whole number, received "many".'],
    [['inspect', 'a', '--loud'], "Unknown option '--loud'"],
    [['inspect', 'a', '--type'], "Option '--type <value>' argument missing"],
  ])('prints its usage when it is called as %j', async (args, message) => {
    const [printed, printedErrors]: [string[], string[]] = [[], []];
    const code = await runCommand(args, {
      printLine: (line) => printed.push(line),
      printError: (line) => printedErrors.push(line),
    });
    expect([code, printed]).toEqual([2, []]);
    expect(printedErrors.join('\n')).toContain(`tidemark inspect: ${message}`);
    expect(printedErrors.join('\n')).toContain('\n\nUsage: tidemark inspect <storage>');
  });

  it('prints its usage on request', async () => {
    const { code, out, err } = await tidemark('inspect', '--help');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^Usage: tidemark inspect <storage>/);
  });
});
