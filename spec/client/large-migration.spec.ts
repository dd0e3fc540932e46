import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY, firstValueFrom, of } from 'rxjs';
import { importRealm } from '../../lib/client/transfer-realm.js';
import { InvalidArgumentError, memoryStorage, openRealm } from '../../lib/index.js';
import { limits } from '../../lib/model/limits.js';
import type { Storage } from '../../lib/storage/storage.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { open } from './test-kit.js';

const { fresh, remove } = createTemporaryFolders();
const code = useBuiltLibrary();
afterAll(remove);

const schema = {
  Note: { primaryKey: 'id', properties: { id: 'int', text: 'string', raw: 'data?', more: 'data?' } },
} as const;
const count = 1_000; // With the texts 8 MB, more than a changeset may have.
const textOf = (version: number, id: number): string => `${version} ${id} ${'x'.repeat(8_000)}`;
const ids = Array.from({ length: count }, (_, id) => id);

/** Creates a realm that is so large that its migration exceeds one changeset. */
const filled = async (storage: string | Storage): Promise<void> => {
  const realm = await openRealm({ schema, schemaVersion: 1, storage });
  await realm.write((tx) => ids.forEach((id) => tx.create('Note', { id, text: textOf(1, id) })));
  await realm.close();
};

type Options = Parameters<typeof openRealm<typeof schema>>[0];

const migrate: NonNullable<Options['migrate']> = (tx, old) => {
  for (const { key } of old.objects('Note')) tx.update('Note', key as number, { text: textOf(2, key as number) });
};

/** Returns the version that all objects have. */
const versionIn = async (options: Options): Promise<number> => {
  const realm = await openRealm<typeof schema>(options);
  const notes = await firstValueFrom(realm.objects$('Note', { sort: { id: 1 } }));
  await realm.close();
  const version = Number(notes[0]?.text.split(' ')[0]);
  expect(notes.map(({ text }) => text)).toEqual(ids.map((id) => textOf(version, id)));
  return version;
};

const unclosed = (storage: Storage): Storage => ({ ...storage, close: () => EMPTY });

describe('a migration of more than a changeset has room for', () => {
  it('field report B-7: is done in one step, and once', async () => {
    const storage = fresh();
    await filled(storage);
    expect(await versionIn({ schema, schemaVersion: 2, storage, migrate })).toBe(2);
    const again = () => {
      throw new Error('it was migrated');
    };
    expect(await versionIn({ schema, schemaVersion: 2, storage, migrate: again })).toBe(2);
  });

  it('field report B-7: leaves everything as it was when it throws at its end', async () => {
    const storage = fresh();
    await filled(storage);
    const failing: typeof migrate = (tx, old) => {
      migrate(tx, old);
      throw new Error('no');
    };
    await expect(openRealm({ schema, schemaVersion: 2, storage, migrate: failing })).rejects.toThrow('no');
    expect(await versionIn({ schema, schemaVersion: 1, storage })).toBe(1);
  });

  it('field report B-7: is complete, or has no effect, when its process is killed', async () => {
    writeFileSync(
      join(code.folder, 'migrating.js'),
      `
import { openRealm } from './index.js';
const schema = ${JSON.stringify(schema)};
const migrate = (tx, old) => {
  for (const { key } of old.objects('Note')) tx.update('Note', key, { text: '2 ' + key + ' ' + 'x'.repeat(8_000) });
  const tick = () => { process.send('tick'); setImmediate(tick); };
  tick();
};
const realm = await openRealm({ schema, schemaVersion: 2, storage: process.argv[2], migrate });
process.send('open');
`,
    );
    const storage = fresh();
    await filled(storage);
    const found: number[] = [];
    for (const goal of [1, 30, 500, 5_000]) {
      const child = fork(join(code.folder, 'migrating.js'), [storage], { execArgv: [] });
      await new Promise<void>((resolve) => {
        let written = 0;
        child.on('message', () => {
          written += 1;
          if (written >= goal) child.kill('SIGKILL');
        });
        child.once('close', () => resolve());
      });
      const isOld = await versionIn({ schema, schemaVersion: 1, storage }).catch((thrown: unknown) => {
        expect(thrown).toBeInstanceOf(InvalidArgumentError);
        return null;
      });
      found.push(isOld ?? (await versionIn({ schema, schemaVersion: 2, storage })));
      if (found.at(-1) === 2) break;
    }
    expect([...found].sort()).toEqual(found);
  }, 120_000);

  it('field report B-7: is uploaded in pieces when the realm has met a server before', async () => {
    const server = open.server();
    const storage = memoryStorage();
    const synced = async (on: Storage) => {
      const client = open.client({ dial: of(server.wire) });
      const realm = await openRealm({ schema, storage: unclosed(on), sync: { client, realm: 'notes' } });
      if (realm.syncSession._tag === 'None') throw new Error('no session');
      return { realm, session: realm.syncSession.value };
    };
    const before = await synced(storage);
    for (let from = 0; from < count; from += 125) {
      const some = ids.slice(from, from + 125);
      await before.realm.write((tx) => some.forEach((id) => tx.create('Note', { id, text: textOf(1, id) })));
    }
    await firstValueFrom(before.session.uploadComplete$);
    await before.realm.close();
    expect(await versionIn({ schema, schemaVersion: 2, storage: unclosed(storage), migrate })).toBe(2);
    const after = await synced(storage);
    await firstValueFrom(after.session.uploadComplete$);
    const other = await synced(memoryStorage());
    await firstValueFrom(other.session.downloadComplete$);
    expect(other.realm.get('Note', count - 1)?.text).toBe(textOf(2, count - 1));
  }, 120_000);
});

describe('a write of a local realm', () => {
  it('field report B-7: may be of any size, of which each value could be uploaded', async () => {
    const server = open.server();
    const storage = memoryStorage();
    const realm = await openRealm({ schema, storage: unclosed(storage) });
    const large = () => new Uint8Array(6_000_000).fill(1);
    await realm.write((tx) => {
      for (const id of [1, 2]) tx.create('Note', { id, text: 'large', raw: large(), more: large() });
    });
    const tooLarge = realm.write((tx) =>
      tx.create('Note', { id: 3, text: 'larger', raw: new Uint8Array(limits.changesetBytesMax) }),
    );
    await expect(tooLarge).rejects.toThrow(`at most ${limits.changesetBytesMax} bytes in one value (Note 3)`);
    await expect(tooLarge).rejects.toBeInstanceOf(InvalidArgumentError);
    expect(realm.get('Note', 3)).toBeUndefined();
    await realm.close();
    const client = open.client({ dial: of(server.wire) });
    const synced = await openRealm({ schema, storage: unclosed(storage), sync: { client, realm: 'notes' } });
    if (synced.syncSession._tag === 'None') throw new Error('no session');
    expect(synced.get('Note', 2)?.more?.byteLength).toBe(6_000_000);
    await firstValueFrom(synced.syncSession.value.uploadComplete$);
  }, 120_000);

  it('field report B-7: imports objects that are larger than a changeset', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    const text = 'x'.repeat(4_000_000);
    const raw = Buffer.alloc(5_000_000, 1).toString('base64');
    await importRealm(realm, [
      JSON.stringify({ tidemark: 'realm 1', types: schema, objects: 1 }),
      JSON.stringify({ type: 'Note', object: { id: 1, text, raw } }),
    ]);
    expect(realm.get('Note', 1)?.raw?.byteLength).toBe(5_000_000);
    await realm.close();
  });
});
