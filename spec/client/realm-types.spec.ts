import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, of, toArray, lastValueFrom } from 'rxjs';
import ts from 'typescript';
import { exportRealm } from '../../lib/client/transfer-realm.js';
import {
  type AnyRealm,
  createSyncClient,
  memoryStorage,
  openRealm,
  type Realm,
  type SyncOptions,
  type SyncSession,
} from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';

const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', due: 'date?', votes: 'counter' } },
} as const;

/** Returns the compiler errors of a program, each with the text at its place. */
const errorsOf = (program: string): readonly (readonly [at: string, text: string])[] => {
  const folder = mkdtempSync(join(process.cwd(), 'node_modules/.tidemark-types-'));
  try {
    const file = join(folder, 'program.ts');
    const lines = `import { createSyncClient, memoryStorage, openRealm, type Realm, type Schema } from '../../lib/index.js';\n${program}`;
    writeFileSync(file, lines);
    const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8')) as { config: unknown };
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd());
    const compiler = ts.createProgram([file], { ...options, noEmit: true, noUnusedLocals: false });
    // Only of this file: the compiler takes seconds for the rest of the library, which has a check of its own.
    const found = ts.getPreEmitDiagnostics(compiler, compiler.getSourceFile(file));
    const message = ts.formatDiagnostics(found, {
      getCanonicalFileName: (path) => path,
      getCurrentDirectory: () => folder,
      getNewLine: () => '\n',
    });
    const texts = lines.split('\n');
    return message.split('\n').flatMap((line, at, all) => {
      const [, row, column, text] = /program\.ts\((\d+),(\d+)\): error TS\d+: (.*)/.exec(line) ?? [];
      if (row === undefined) return [];
      const more = all.slice(at + 1).findIndex((each) => !each.startsWith(' '));
      const storagePath = /^\w+/.exec(texts[Number(row) - 1]?.slice(Number(column) - 1) ?? '')?.[0] ?? '';
      return [[storagePath, [text, ...all.slice(at + 1, at + 1 + more)].join(' ')] as const];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const opening = (properties: string, primaryKey = 'id'): string =>
  `void openRealm({ storage: memoryStorage(), schema: { Good: { primaryKey: 'id', properties: { id: 'int' } }, Task: { primaryKey: '${primaryKey}', properties: { id: 'string', title: 'string', ${properties} } } } });`;

describe('the types of a realm', () => {
  // One program, because the compiler takes seconds for each.
  it('field report C-8: invalid code does not compile, and the error shows what is allowed at its place', () => {
    const program = [
      opening(`done: 'boolean', room: 'Good?', more: 'int[]'`),
      opening(`kind: { type: 'boolean', default: true }`),
      opening(`a: 'strng', b: 'Rom?', c: 'int'`),
      opening(`d: 'bool'`, 'key'),
      opening(`e: 'bool{}', f: 'Task[]', g: { type: 'int', default: 1 }`),
      'const realm = await openRealm({ schema: { A: { primaryKey: "id", properties: { id: "string" } } }, storage: "a" });',
      'void realm.write((tx) => tx.get("A", "b"));',
      'void realm.write(() => 5);',
      'void realm.write(async () => 5);',
      'void realm.retry(1, async () => undefined);',
      'createSyncClient({});',
      'createSyncClient({ url: "ws://a" });',
      'const schema = { Task: { primaryKey: "id", properties: { id: "string" } } };',
      'void openRealm({ storage: memoryStorage(), schema });',
      'const readAtRunTime: Schema = schema;',
      'void openRealm({ storage: memoryStorage(), schema: readAtRunTime });',
      'export {};',
    ];
    const errors = errorsOf(program.join('\n'));
    expect(errors.map(([at]) => at)).toEqual(['done', 'type', 'a', 'b', 'primaryKey', '5', 'async', '', 'schema']);
    const [[, text] = ['', '']] = errors;
    for (const allowed of ['"string"', '"bool"', '"counter"', '"Good"', '"Task"']) expect(text).toContain(allowed);
    expect(errors[4]?.[1]).toMatch(/NoSuchKey.*id.*title/);
    expect(errors[5]?.[1]).toContain('The function of a write must not be asynchronous.');
    expect(errors[8]?.[1]).toMatch(/'SchemaNeedsAsConst'|& SchemaNeedsAsConst/);
  }, 300_000);

  it('field report C-8: every realm is any realm, and a helper works with it', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    const count = (any: AnyRealm, type: string): number => any.objects(type).length;
    const fill = (any: AnyRealm) => any.write((tx) => tx.put('Task', { id: 'a', title: 'A' }));
    const lines = (any: AnyRealm) => lastValueFrom(exportRealm(any).pipe(toArray()));
    await fill(realm);
    expect([count(realm, 'Task'), (await lines(realm)).length]).toEqual([1, 2]);
    const typed: Realm<typeof schema> = realm;
    expect(typed.get('Task', 'a')?.title).toBe('A');
    await realm.close();
  });

  it('field report F-2: the session of a realm is typed by its options', async () => {
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    const client = createSyncClient({ dial: of(server.wire) });
    const synced = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'tasks' } });
    const local = await openRealm({ schema, storage: memoryStorage() });
    const open = (sync?: SyncOptions) =>
      openRealm({ schema, storage: memoryStorage(), ...(sync === undefined ? {} : { sync }) });
    const either: Realm<typeof schema> = await open();
    const session: SyncSession = synced.session;
    const none: null = local.session;
    const perhaps: SyncSession | null = either.session;
    await synced.write((tx) => tx.create('Task', { id: 'a', title: 'A' }));
    await firstValueFrom(session.uploadComplete$);
    expect([session.syncState, none, perhaps]).toEqual(['active', null, null]);
    for (const realm of [synced, local, either]) await realm.close();
    await client.close();
  });
});
