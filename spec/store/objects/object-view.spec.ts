import { inspect } from 'node:util';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { exportRealm } from '../../../lib/client/transfer-realm.js';
import { memoryStorage, openRealm, type Realm } from '../../../lib/index.js';
import { createDisk } from '../../client/disk-kit.js';
import { waitUntilDone, openStoreWith } from '../test-kit.js';

const photo = () => Uint8Array.of(1, 2, 3);
const due = () => new Date(86_400_000);

const schemaOf = (fallback: { date: Date; bytes: Uint8Array; extra: { raw: Uint8Array } }) =>
  ({
    Task: {
      primaryKey: 'id',
      properties: {
        id: 'string',
        due: { type: 'date', default: fallback.date },
        photo: { type: 'data', default: fallback.bytes },
        extra: { type: 'mixed', default: fallback.extra },
        dates: 'date[]',
        pages: 'data[]',
        days: 'date<>',
        files: 'data{}',
        plain: 'mixed',
      },
    },
  }) as const;

const fallbacks = () => ({ date: due(), bytes: photo(), extra: { raw: photo() } });
type Tasks = Realm<ReturnType<typeof schemaOf>>;

const values = () => ({
  id: 'a',
  due: due(),
  photo: photo(),
  extra: { deep: [photo()] },
  dates: [due(), due()],
  pages: [photo()],
  days: [due()],
  files: { one: photo() },
  plain: { a: [1, { b: 2 }] },
});
type Given = ReturnType<typeof values>;

const opened = async (): Promise<Tasks> => {
  const realm = await openRealm({ schema: schemaOf(fallbacks()), storage: memoryStorage() });
  await realm.write((tx) => tx.create('Task', values()));
  return realm;
};

/** Modifies everything that can be modified in it. */
const spoil = ({ due, photo, extra, dates, pages, days, files }: Given): void => {
  for (const date of [due, ...dates, ...days]) date.setTime(1);
  for (const bytes of [photo, extra.deep[0]!, ...pages, ...Object.values(files)]) bytes.fill(9);
};

/** An object as one reader sees it. */
const read = (realm: Tasks): Given => realm.get('Task', 'a') as unknown as Given;

describe('the view of an object', () => {
  it('field report A-8: isolates readers from dates and bytes that another reader modifies', async () => {
    const realm = await opened();
    const early = { ...read(realm) }; // Readers that have read them before.
    const [listed] = await firstValueFrom(realm.objects$('Task'));
    spoil(read(realm));
    spoil(listed as unknown as Given);
    expect(early).toEqual(values());
    expect({ ...read(realm) }).toEqual(values());
    expect([...(await firstValueFrom(realm.objects$('Task')))]).toEqual([values()]);
    await realm.close();
  });

  it('field report A-8: isolates filters, sorts and exports from modifications by a reader', async () => {
    const realm = await opened();
    const before = await lastValueFrom(exportRealm(realm).pipe(toArray()));
    const found = () =>
      firstValueFrom(realm.objects$('Task', { where: { due: due(), photo: photo(), dates: due() }, sort: { due: 1 } }));
    spoil(read(realm));
    await firstValueFrom(
      realm.objects$('Task', {
        where: (task) => {
          spoil(task as unknown as Given);
          return true;
        },
      }),
    );
    expect(await found()).toHaveLength(1);
    expect(await lastValueFrom(exportRealm(realm).pipe(toArray()))).toEqual(before);
    await realm.close();
  });

  it('field report A-8: does not depend on later modifications of the values in a filter', async () => {
    const realm = await opened();
    const wanted = due();
    const bytes = photo();
    const found$ = realm.objects$('Task', { where: { due: { $in: [wanted] }, photo: { $eq: bytes } } });
    wanted.setTime(1);
    bytes.fill(9);
    expect(await firstValueFrom(found$)).toHaveLength(1);
    await realm.close();
  });

  it('field report A-8: does not depend on later modifications of written values and defaults', async () => {
    const fallback = fallbacks();
    const realm = await openRealm({ schema: schemaOf(fallback), storage: memoryStorage() });
    const given = values();
    const writing = realm.write((tx) => {
      tx.create('Task', given);
      spoil(given);
      tx.create('Task', { id: 'b' });
      tx.list('Task', 'b', 'pages').push(given.photo);
      given.photo.fill(7);
      spoil(tx.get('Task', 'a') as unknown as Given);
    });
    await writing;
    fallback.date.setTime(1);
    fallback.bytes.fill(9);
    fallback.extra.raw.fill(9);
    await realm.write((tx) => tx.create('Task', { id: 'c' }));
    expect({ ...read(realm) }).toEqual(values());
    expect(realm.get('Task', 'b')?.pages).toEqual([Uint8Array.of(9, 9, 9)]);
    expect(realm.get('Task', 'c')).toMatchObject({ due: due(), photo: photo(), extra: { raw: photo() } });
    await realm.close();
  });

  it('field report A-8: changes$ gives each subscriber sets of its own', async () => {
    const realm = await opened();
    const emitted: number[] = [];
    const live: number[] = [];
    realm.objects$('Task').subscribe((all) => live.push(all.length));
    realm.changes$('Task').subscribe(({ inserted }) => (inserted as Set<unknown>).clear());
    realm.changes$('Task').subscribe(({ inserted }) => emitted.push(inserted.size));
    await realm.write((tx) => tx.create('Task', { id: 'b' }));
    await firstValueFrom(realm.objects$('Task'));
    await new Promise((resolve) => setImmediate(resolve));
    expect([emitted, live]).toEqual([[1], [1, 2]]);
    await realm.close();
  });

  it('field report A-8: a migration reads copies of the old objects', async () => {
    const disk = createDisk();
    const first = await openRealm({ schema: schemaOf(fallbacks()), storage: disk.open });
    await first.write((tx) => tx.create('Task', values()));
    await first.close();
    const second = await openRealm({
      schema: schemaOf(fallbacks()),
      schemaVersion: 1,
      migrate: (_tx, old) => {
        const [found] = old.objects('Task');
        (found?.values['photo'] as Uint8Array).fill(9);
        (found?.values['plain'] as { a: unknown[] }).a.push(3);
      },
      storage: disk.open,
    });
    expect({ ...read(second) }).toEqual(values());
    await second.close();
  });

  it('field report A-8: a rejected write is retried as it was written', async () => {
    const { Task } = schemaOf(fallbacks());
    const store = openStoreWith({ Task });
    await firstValueFrom(store.write((tx) => tx.create('Task', values())));
    const rejectedStates = [{ type: 'Task', key: 'a', state: null }];
    const writes = [{ type: 'Task', key: 'a', reason: 'no' }];
    await waitUntilDone(store.rollBack({ version: 1, writes, code: 'not-permitted', serverStates: rejectedStates }));
    const [rejected] = await firstValueFrom(store.rejectedWrites$);
    rejected?.writtenAt.setTime(1);
    for (const operation of rejected?.operations ?? []) {
      if (operation.kind !== 'create') continue;
      (operation.values['photo'] as Uint8Array).fill(9);
      Object.assign(operation.values, { due: 1 });
    }
    await firstValueFrom(store.retry(1));
    expect({ ...(store.get('Task', 'a') as object) }).toEqual(values());
  });

  it('field report A-8: is frozen, stays the same instance until the object changes, and looks like a plain object', async () => {
    const realm = await opened();
    const object = realm.get('Task', 'a');
    expect(realm.get('Task', 'a')).toBe(object);
    expect(Object.isFrozen(object)).toBe(true);
    expect(object?.plain).toBe(object?.plain); // Frozen values are shared.
    expect(Object.keys(object ?? {}).sort()).toEqual(Object.keys(values()).sort());
    expect(inspect(object)).toBe(inspect({ ...object }));
    expect(JSON.parse(JSON.stringify(object))).toMatchObject({ due: due().toJSON() });
    expect(structuredClone(object)).toEqual(values());
    await realm.close();
  });
});
