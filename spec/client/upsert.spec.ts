import { firstValueFrom, of, toArray } from 'rxjs';
import {
  createSyncClient,
  memoryStorage,
  openRealm,
  type Realm,
  SchemaError,
  type SyncSession,
} from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { waitForValue } from '../wait-for.js';

const schema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', title: 'string', done: 'bool', due: 'date?', tags: 'string[]', votes: 'counter' },
  },
} as const;
const milk = { id: 'milk', title: 'Buy milk', done: false };

describe('tx.put', () => {
  it('field report F-2: creates an object, or changes the existing one', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    await realm.write((tx) => tx.put('Task', { ...milk, tags: ['a', 'b'], votes: 5, due: new Date(7) }));
    await realm.write((tx) => tx.increment('Task', 'milk', 'votes', 2));
    await realm.write((tx) => tx.put('Task', { ...milk, title: 'Buy oat milk', tags: ['b'] }));
    expect(realm.get('Task', 'milk')).toEqual({
      ...{ ...milk, title: 'Buy oat milk', tags: ['b'] },
      ...{ votes: 7, due: new Date(7) }, // Properties that are left out stay unchanged.
    });
    await realm.write((tx) => tx.put('Task', { ...milk, votes: 100 }));
    expect(realm.get('Task', 'milk')).toMatchObject({ title: 'Buy milk', votes: 7 });
    await realm.close();
  });

  it('field report F-2: writes nothing when no value differs', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    const { version } = await realm.write((tx) => tx.put('Task', milk));
    expect((await realm.write((tx) => tx.put('Task', milk))).version).toBe(version);
    await realm.close();
  });

  it('field report F-2: rejects the same values as create, without a change', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    for (const key of ['new', 'milk']) {
      await realm.write((tx) => tx.put('Task', milk));
      const wrong = (values: object) => realm.write((tx) => tx.put('Task', { ...milk, id: key, ...values }));
      await expect(wrong({ colour: 'red' })).rejects.toThrow(SchemaError);
      await expect(wrong({ done: 'yes' })).rejects.toThrow(SchemaError);
      expect(realm.objects('Task')).toHaveLength(1);
    }
    await realm.close();
  });
});

describe('the current objects of a query', () => {
  it('field report F-2: are returned at once, sorted and limited', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    await realm.write((tx) =>
      ['c', 'a', 'b', 'd'].forEach((id) => tx.create('Task', { ...milk, id, done: id === 'd' })),
    );
    const query = { where: { done: false }, sort: { id: -1 }, limit: 2 } as const;
    const found = realm.objects('Task', query);
    expect(found.map(({ id }) => id)).toEqual(['c', 'b']);
    expect(found[0]).toBe(realm.get('Task', 'c'));
    expect(Object.isFrozen(found)).toBe(true);
    expect(() => realm.objects('Task', { sort: { colour: 1 } as never })).toThrow(
      'sort must be a record of properties of Task',
    );
    await realm.close();
    expect(() => realm.objects('Task')).toThrow(
      'This handle of the realm was closed. Open the realm again with openRealm.',
    );
  });

  it('field report F-2: include the changes of the current transaction', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    await realm.write((tx) => ['a', 'b', 'c'].forEach((id) => tx.create('Task', { ...milk, id })));
    const ids = (tasks: readonly { readonly id: string }[]) => tasks.map(({ id }) => id).join('');
    const { result } = await realm.write((tx) => {
      const before = ids(tx.objects('Task'));
      tx.delete('Task', 'b');
      tx.create('Task', { ...milk, id: 'd' });
      tx.update('Task', 'c', { done: true });
      const open = ids(tx.objects('Task', { where: { done: false }, sort: { id: -1 } }));
      for (const { id } of tx.objects('Task')) tx.update('Task', id, { title: id });
      return [before, open, tx.objects('Task').map(({ title }) => title)];
    });
    expect(result).toEqual(['abc', 'da', ['a', 'c', 'd']]);
    await realm.close();
  });

  it('field report F-2: are counted by count$, each other number once', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    const counts = firstValueFrom(realm.count$('Task', { where: { done: false } }).pipe(toArray()));
    await realm.write((tx) => tx.create('Task', milk));
    await realm.write((tx) => tx.update('Task', 'milk', { title: 'same number' }));
    await realm.write((tx) => tx.create('Task', { ...milk, id: 'tea' }));
    await realm.write((tx) => tx.update('Task', 'tea', { done: true }));
    await realm.close();
    expect(await counts).toEqual([0, 1, 2, 1]);
  });
});

describe('realm.session', () => {
  it('field report F-2: is a session with the option sync and null without it, for the compiler, too', async () => {
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone });
    const client = createSyncClient({ dial: of(server.wire) });
    const local = await openRealm({ schema, storage: memoryStorage() });
    const synced = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    const none: null = local.session;
    const session: SyncSession = synced.session;
    const any: readonly Realm<typeof schema>[] = [local, synced];
    expect(any.map((realm) => realm.session)).toEqual([none, session]);
    expect(synced.syncSession).toMatchObject({ value: session });
    await waitForValue(synced.session.downloadComplete$, 'downloadComplete$');
    const misspelt = {
      schema,
      storage: memoryStorage(),
      sync: { client, realm: 'other', stopPolcy: 'immediately' },
    } as const;
    // @ts-expect-error -- there is no such option
    await expect(openRealm(misspelt)).rejects.toThrow(/^sync must be a record with only the names client, realm, /);
    for (const realm of any) await realm.close();
    await client.close();
    await server.close();
  });
});
