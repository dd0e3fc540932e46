import { defer, firstValueFrom, from, map, of, throwError } from 'rxjs';
import { importRealm } from '../../lib/client/transfer-realm.js';
import {
  InvalidArgumentError,
  isSome,
  memoryStorage,
  openRealm,
  RealmClosedError,
  type Schema,
  SchemaError,
  StorageError,
  type Storage,
} from '../../lib/index.js';
import { open } from './test-kit.js';
import {
  importFailureOf,
  header,
  createLine,
  exportLines,
  toPlainRealm,
  openTestRealm,
  small,
  createTask,
  openTasks,
} from './import-lines-kit.js';

describe('an import', () => {
  const three = [
    header,
    createLine(createTask('a', { votes: 5 })),
    createLine(createTask('b')),
    createLine(createTask('c')),
  ];

  it('takes lines of any kind, with or without an empty one at the end', async () => {
    const made = { created: 3, updated: 0, skipped: 0 };
    async function* later() {
      yield* await Promise.resolve(three);
    }
    for (const lines of [
      three,
      new Set([...three, '']),
      from(three),
      from(three).pipe(map((text) => `${text}\r`)),
      later(),
    ]) {
      expect(await importRealm(await openTestRealm(small), lines)).toEqual(made);
    }
  });

  it('ends at an existing object, unless its option is to skip or to update', async () => {
    const there = () => openTasks(createTask('a', { title: 'Mine', votes: 2, due: new Date(1) }), createTask('c'));
    const failure = await importFailureOf(importRealm(await there(), three));
    expect(failure).toMatchObject({ line: 2, upTo: 0, imported: { created: 0, updated: 0, skipped: 0 } });
    expect(failure.cause).toBeInstanceOf(SchemaError);
    expect(failure.message).toMatch(/^Line 2 cannot be imported: Task "a" already exists\./);

    const skipping = await there();
    expect(await importRealm(skipping, three, { onConflict: 'skip' })).toEqual({ created: 1, updated: 0, skipped: 2 });
    expect(skipping.get('Task', 'a')).toMatchObject({ title: 'Mine', votes: 2 });

    const updating = await there();
    expect(await importRealm(updating, three, { onConflict: 'update' })).toEqual({
      created: 1,
      updated: 1,
      skipped: 1,
    });
    expect(updating.get('Task', 'a')).toEqual({ id: 'a', title: 'a', due: new Date(1), raw: null, votes: 5 });
  });

  it('brings a counter to its value by the difference, so that what others add meanwhile counts', async () => {
    const server = open.server();
    const synced = async () => {
      const client = open.client({ dial: of(server.wire) });
      const realm = await openRealm({ schema: small, storage: memoryStorage(), sync: { client, realm: 'tasks' } });
      if (!isSome(realm.syncSession)) throw new Error('no session');
      return { realm, session: realm.syncSession.value };
    };
    const [one, other] = [await synced(), await synced()];
    const inStep = async () => {
      for (const { session } of [one, other]) await firstValueFrom(session.uploadComplete$);
      for (const { session } of [one, other]) await firstValueFrom(session.downloadComplete$);
    };
    await importRealm(one.realm, three); // a has 5 votes
    await inStep();
    one.session.pause();
    await other.realm.write((tx) => tx.increment('Task', 'a', 'votes', 7));
    await importRealm(one.realm, [header, createLine({ id: 'a', votes: 20 })], { onConflict: 'update' });
    expect(one.realm.get('Task', 'a')?.votes).toBe(20);
    one.session.resume();
    await inStep();
    for (const { realm } of [one, other]) expect(realm.get('Task', 'a')?.votes).toBe(27);
  });

  it.each([
    ['no header', [createLine(createTask('a'))], 1, /names tidemark, types/],
    ['nothing', [], 1, /preceded by the line/],
    ['another format', ['{"tidemark":"realm 2","types":{}}'], 1, /received "realm 2"/],
    ['invalid types', ['{"tidemark":"realm 1","types":{"Task":{}}}'], 1, /Task must be a record of properties/],
    ['no JSON', [...three, 'x'], 5, /JSON/],
    ['no record', [...three, '[]'], 5, /one JSON record/],
    ['no text', [header, 5], 2, /one JSON record/],
    ['more than a type and an object', [header, '{"type":"Task","object":{},"at":1}'], 2, /names type, object/],
    ['a type that the header lacks', [header, '{"type":"Tisk","object":{}}'], 2, /one of Task/],
    [
      'a property that the header lacks',
      [header, createLine(createTask('a', { x: 1 }))],
      2,
      /Task "a" has no property "x", only id/,
    ],
    [
      'a value of another type',
      [header, createLine(createTask('a', { title: 5 }))],
      2,
      /Task\["a"\].title must be a string, received 5/,
    ],
    ['an invalid date', [header, createLine(createTask('a', { due: 'May' }))], 2, /due must be a date as text/],
    ['invalid bytes', [header, createLine(createTask('a', { raw: '%' }))], 2, /raw must be bytes as base64/],
    ['a missing key', [header, createLine({ title: 'x' })], 2, /Task.id, the primary key, must be a string/],
    ['one key twice', [...three, createLine(createTask('a'))], 5, /Task "a" already exists/],
    ['a counter of halves', [header, createLine(createTask('a', { votes: 0.5 }))], 2, /votes must be a whole number/],
  ])('says which line has %s, and writes nothing of its transaction', async (_, lines, at, message) => {
    const realm = await openTestRealm(small);
    const failure = await importFailureOf(importRealm(realm, lines as string[]));
    expect(failure).toMatchObject({ code: 'import', line: at, upTo: 0 });
    expect(failure.message).toMatch(message);
    expect(realm.stats().objects).toEqual({ Task: 0 });
  });

  it('rejects types and properties that this realm lacks, and unknown tags', async () => {
    const other = {
      Task: { primaryKey: 'id', properties: { id: 'string', any: 'mixed' } },
      Tag: { primaryKey: 'id', properties: { id: 'string' } },
    } as const;
    const first = JSON.stringify({ tidemark: 'realm 1', types: other });
    const into = async (object: object, type = 'Task', schema: Schema = small) =>
      (await importFailureOf(importRealm(await openTestRealm(schema), [first, JSON.stringify({ type, object })])))
        .message;
    expect(await into({ id: 'a' }, 'Tag')).toMatch(
      /^Line 2 cannot be imported: type must be one of Task, received "Tag"/,
    );
    expect(await into({ id: 'a', any: 1 })).toMatch(
      /^Line 2 cannot be imported: Task "a" has no property "any", only id, title/,
    );
    for (const any of [{ $bytes: '%' }, { $other: 1 }, { $record: 5 }, [{ $bytes: null }], { a: { $x: 1 } }]) {
      expect(await into({ id: 'a', any }, 'Task', other)).toMatch(
        /^Line 2 cannot be imported: Task\["a"\].any must be a mixed value/,
      );
    }
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const text = `{"type":"Task","object":{"id":"a","any":${deep}}}`;
    await importFailureOf(importRealm(await openTestRealm(other), [first, text]));
  });

  it('rejects a text that is not split into lines, and invalid options', async () => {
    const realm = await openTestRealm(small);
    await expect(importRealm(realm, three.join('\n'))).rejects.toThrow(InvalidArgumentError);
    await expect(importRealm(realm, 5 as never)).rejects.toThrow(/lines must be an Observable or an iterable of lines/);
    await expect(importRealm(realm, three, { onConflict: 'ask' as never })).rejects.toThrow(/update or skip or error/);
    await expect(importRealm(realm, three, { onconflict: 'skip' } as never)).rejects.toThrow(InvalidArgumentError);
  });

  it('keeps objects before a wrong line, reports their number, and closes the source', async () => {
    const realm = await openTestRealm(small);
    let isLetGo = false;
    function* lines() {
      try {
        yield header;
        for (let at = 0; at < 2_500; at += 1)
          yield createLine(createTask(`k${at}`, at === 2_200 ? { title: null } : {}));
      } finally {
        isLetGo = true;
      }
    }
    const failure = await importFailureOf(importRealm(realm, lines()));
    expect(failure).toMatchObject({ line: 2_202, upTo: 2_001, imported: { created: 2_000 } });
    expect(realm.stats().objects).toEqual({ Task: 2_000 });
    expect(isLetGo).toBe(true);
  });

  it('names the first line that is not there when the storage fails', async () => {
    const inner = memoryStorage();
    let batches = 0;
    const storage: Storage = {
      ...inner,
      batch: (changes, options) =>
        defer(() =>
          (batches += 1) > 2 ? throwError(() => new StorageError('disk full')) : inner.batch(changes, options),
        ),
    };
    const realm = await openTestRealm(small, storage);
    const lines = [header, ...Array.from({ length: 1_500 }, (_, at) => createLine(createTask(`k${at}`)))];
    const failure = await importFailureOf(importRealm(realm, lines));
    expect(failure).toMatchObject({
      line: 1_002,
      upTo: 1_001,
      imported: { created: 1_000 },
      message: 'Line 1002 cannot be imported: disk full',
    });
    expect(failure.cause).toBeInstanceOf(StorageError);
    expect(realm.stats().objects).toEqual({ Task: 1_000 });
  });

  it('ends where a file is truncated or too long, and accepts a file without its length', async () => {
    const made = await exportLines(await openTasks(createTask('a'), createTask('b'), createTask('c')));
    const cut = await openTestRealm(small);
    const failure = await importFailureOf(importRealm(cut, made.slice(0, 3)));
    expect(failure).toMatchObject({ line: 4, upTo: 0, imported: { created: 0 } });
    expect(failure.message).toBe(
      'Line 4 cannot be imported: lines must be as many as the 3 objects that the first line announces, received 2.',
    );
    expect(cut.stats().objects).toEqual({ Task: 0 });
    const long = await importFailureOf(importRealm(await openTestRealm(small), [...made, createLine(createTask('d'))]));
    expect(long.message).toBe(
      'Line 5 cannot be imported: lines must be as many as the 3 objects that the first line announces, received 4.',
    );
    expect(await importRealm(await openTestRealm(small), [header, ...made.slice(1, 3)])).toMatchObject({ created: 2 });
    const wrong = await importFailureOf(
      importRealm(await openTestRealm(small), [`${header.slice(0, -1)},"objects":-1}`]),
    );
    expect(wrong.message).toBe('Line 1 cannot be imported: objects must be a whole number from 0, received -1.');
  });

  it('ends with the handle that began it', async () => {
    const realm = await openTestRealm(small);
    async function* lines() {
      yield header;
      for (let at = 0; at < 1_500; at += 1) yield createLine(createTask(`k${at}`));
      await realm.close();
      yield createLine(createTask('late'));
    }
    const failure = await importFailureOf(importRealm(realm, lines()));
    expect(failure.cause).toBeInstanceOf(RealmClosedError);
    expect(failure.upTo).toBe(1_001);
  });

  it('names a line whose value is more than a server could take', async () => {
    const realm = await openTestRealm(small);
    const huge = createLine(createTask('huge', { title: 'x'.repeat(8 * 1024 * 1024) }));
    const failure = await importFailureOf(importRealm(realm, [...three, huge]));
    expect(failure).toMatchObject({ line: 5, upTo: 4, imported: { created: 3 } });
    expect(failure.message).toMatch(/bytes in one value/);
  });

  it('writes 20 000 objects in transactions of a bounded size, one after the other, while live queries run', async () => {
    const source = await openTasks(...Array.from({ length: 20_000 }, (_, at) => createTask(`k${at}`, { votes: at })));
    const realm = await openTestRealm(small);
    const sizes: number[] = [];
    const watching = realm.objects$('Task').subscribe((all) => sizes.push(all.length));
    let [asked, read] = [0, 0];
    async function* lines() {
      for (const text of await exportLines(toPlainRealm(source))) {
        asked += 1;
        read = Math.max(read, asked - (sizes.at(-1) ?? 0));
        yield text;
      }
    }
    expect(await importRealm(realm, lines())).toEqual({ created: 20_000, updated: 0, skipped: 0 });
    watching.unsubscribe();
    expect(read).toBe(1_002); // A transaction, the header, and the line that is being requested.
    expect(sizes).toEqual(Array.from({ length: 21 }, (_, at) => at * 1_000));
    expect(realm.stats()).toMatchObject({ objects: { Task: 20_000 }, cursors: { written: 20 } });
    expect(await exportLines(toPlainRealm(realm))).toEqual(await exportLines(toPlainRealm(source)));
  }, 60_000);

  it('cuts transactions by size, too', async () => {
    const realm = await openTestRealm(small);
    const large = Array.from({ length: 8 }, (_, at) =>
      createLine(createTask(`k${at}`, { title: 'x'.repeat(300_000) })),
    );
    await importRealm(realm, [header, ...large]);
    expect(realm.stats().cursors.written).toBe(3);
  });
});
