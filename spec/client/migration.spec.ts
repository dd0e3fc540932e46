import { openRealm } from '../../lib/client/open-realm.js';
import { createSyncClient } from '../../lib/client/sync-client.js';
import { InvalidArgumentError, SchemaError } from '../../lib/model/errors.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import type { OldRealm } from '../../lib/store/transfer/migrate.js';
import { NEVER } from 'rxjs';

const first = {
  Person: { primaryKey: 'id', properties: { id: 'int', name: 'string', age: 'string', tags: 'string<>' } },
  Pet: { primaryKey: 'id', properties: { id: 'int' } },
} as const;
const second = {
  Person: {
    primaryKey: 'id',
    properties: { id: 'int', first: 'string', last: 'string?', years: 'int', tags: 'string<>' },
  },
} as const;

/** Creates a storage that outlives its realm. */
const kept = (): Storage => {
  const inner = memoryStorage();
  return { ...inner, close: () => inner.batch([], { durable: false }) };
};

const filled = async (): Promise<Storage> => {
  const storage = kept();
  const realm = await openRealm({ schema: first, storage });
  await realm.write((tx) => {
    tx.create('Person', { id: 1, name: 'Anna Bell', age: '41', tags: ['a'] });
    tx.create('Person', { id: 2, name: 'Ben', age: '7' });
    tx.create('Pet', { id: 1 });
  });
  await realm.close();
  return storage;
};

type Migration = NonNullable<Parameters<typeof openRealm<typeof second>>[0]['migrate']>;

const migrate: Migration = (tx, old) => {
  for (const { key, values } of old.objects('Person')) {
    const [given = '', last = null] = (values['name'] as string).split(' ');
    tx.update('Person', key as number, { first: given, last, years: Number(values['age']) });
  }
  for (const { key } of old.objects('Pet')) old.delete('Pet', key);
};

describe('a migration', () => {
  it('makes the objects of an earlier version of the app fit, once', async () => {
    const storage = await filled();
    const calls: number[] = [];
    const open = () =>
      openRealm({
        schema: second,
        schemaVersion: 2,
        storage,
        migrate: (tx, old) => {
          calls.push(old.version);
          migrate(tx, old);
        },
      });
    const realm = await open();
    expect(realm.get('Person', 1)).toEqual({ id: 1, first: 'Anna', last: 'Bell', years: 41, tags: ['a'] });
    expect(realm.get('Person', 2)).toEqual({ id: 2, first: 'Ben', last: null, years: 7, tags: [] });
    await realm.close();
    await (await open()).close();
    expect(calls).toEqual([0]);
    const again = await openRealm({ schema: { ...second, Pet: first.Pet }, schemaVersion: 2, storage });
    expect(again.get('Pet', 1)).toBeUndefined();
    await again.close();
  });

  it('leaves everything as it was when it throws, and can be tried again', async () => {
    const storage = await filled();
    const wrong = openRealm({
      schema: second,
      schemaVersion: 2,
      storage,
      migrate: (tx, old) => {
        migrate(tx, old);
        tx.update('Person', 1, { years: 0.5 });
      },
    });
    await expect(wrong).rejects.toBeInstanceOf(SchemaError);
    const before = await openRealm({ schema: first, storage });
    expect(before.get('Person', 1)).toEqual({ id: 1, name: 'Anna Bell', age: '41', tags: ['a'] });
    expect(before.get('Pet', 1)).toEqual({ id: 1 });
    await before.close();
    const after = await openRealm({ schema: second, schemaVersion: 2, storage, migrate });
    expect(after.get('Person', 1)?.years).toBe(41);
    await after.close();
  });

  it('does not run for a new realm, and a version without a migration is stored', async () => {
    const storage = kept();
    const never = (): never => {
      throw new Error('asked');
    };
    await (await openRealm({ schema: second, schemaVersion: 3, storage, migrate: never })).close();
    const earlier = openRealm({ schema: second, schemaVersion: 2, storage });
    await expect(earlier).rejects.toThrow(
      'schemaVersion must be at least 3, because a later version of the app has written',
    );
    await (await openRealm({ schema: second, schemaVersion: 3, storage })).close();
  });

  it('may change the values that it reads, and write them', async () => {
    const schema = { Doc: { primaryKey: 'id', properties: { id: 'int', meta: 'mixed' } } } as const;
    const storage = kept();
    const before = await openRealm({ schema, storage });
    await before.write((tx) => tx.create('Doc', { id: 1, meta: { size: 1, tags: ['a'] } }));
    await before.close();
    const change = (meta: unknown): { size: number; tags: string[] } => meta as { size: number; tags: string[] };
    const migrated = await openRealm({
      ...{ schema, storage, schemaVersion: 1 },
      migrate: (tx, old) => {
        for (const { key, values } of old.objects('Doc')) {
          const meta = change(values['meta']);
          meta.size = 2;
          meta.tags.push('b');
          tx.update('Doc', key as number, { meta });
        }
      },
    });
    await migrated.close();
    const after = await openRealm({ schema, storage, schemaVersion: 1 });
    expect(after.get('Doc', 1)?.meta).toEqual({ size: 2, tags: ['a', 'b'] });
    await after.close();
  });

  it('ends when its function returns', async () => {
    const storage = await filled();
    let escaped: OldRealm | undefined;
    const realm = await openRealm({
      schema: second,
      schemaVersion: 1,
      storage,
      migrate: (_, old) => void (escaped = old),
    });
    expect(() => escaped?.objects('Person')).toThrow('This migration is over');
    await realm.close();
  });

  it.each<[string, object, string]>([
    ['half a version', { schemaVersion: 0.5 }, 'schemaVersion must be a whole number from 0, received 0.5'],
    ['a negative version', { schemaVersion: -1 }, 'schemaVersion must be a whole number from 0, received -1'],
    ['no function', { migrate: 7 }, 'migrate must be a function, received 7.'],
  ])('rejects %s', async (_, options, text) => {
    const opening = openRealm({ schema: second, storage: kept(), ...options });
    await expect(opening).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(opening).rejects.toThrow(text);
  });

  it('that is asynchronous is rejected before any change', async () => {
    const storage = await filled();
    const asynchronous = (() => Promise.resolve()) as unknown as Migration;
    const opening = openRealm({ schema: second, schemaVersion: 2, storage, migrate: asynchronous });
    await expect(opening).rejects.toThrow('write must be a synchronous function');
  });

  it('is rejected for a realm with a session', async () => {
    const client = createSyncClient({ dial: NEVER });
    const opening = openRealm({ schema: second, storage: kept(), schemaVersion: 1, sync: { client, realm: 'r' } });
    await expect(opening).rejects.toThrow('schemaVersion must be left out of a realm that syncs');
    await client.close();
  });
});

describe('a property that the schema lacks', () => {
  it('survives a migration by a version of the app that lacks it', async () => {
    const storage = await filled();
    const little = { Person: { primaryKey: 'id', properties: { id: 'int', name: 'string' } } } as const;
    const realm = await openRealm({ schema: little, storage });
    await realm.write((tx) => {
      tx.update('Person', 1, { name: 'Anne' });
    });
    await realm.close();
    const again = await openRealm({ schema: first, storage });
    expect(again.get('Person', 1)).toEqual({ id: 1, name: 'Anne', age: '41', tags: ['a'] });
    expect(again.get('Pet', 1)).toEqual({ id: 1 });
    await again.close();
  });
});
