import { firstValueFrom, NEVER, of } from 'rxjs';
import {
  createSubscriptions,
  createSyncClient,
  InvalidArgumentError,
  InvalidStateError,
  memoryStorage,
  openRealm,
  RealmClosedError,
  SyncError,
  type InitialSubscriptions,
  type Storage,
} from '../../../lib/index.js';
import { createDisk, openServer, schema, startDevice } from './partial-devices.js';

const inbox = { where: { list: 'inbox' } };

/** Opens a realm that never connects, with these options of its subscriptions. */
const openWith = async (storage: Storage, options: InitialSubscriptions<typeof schema> = {}) => {
  const client = createSyncClient({ dial: NEVER });
  const sync = { client, realm: 'tasks', stopPolicy: 'immediately' } as const;
  const realm = await openRealm({ schema, storage, sync, subscriptions: createSubscriptions<typeof schema>(options) });
  return { ...{ client, sync, realm }, close: () => realm.close().then(() => client.close()) };
};

const namesOf = async ({ realm }: Awaited<ReturnType<typeof openWith>>) =>
  (await firstValueFrom(realm.subscriptions.list$)).map(({ name }) => name);

describe('the option `subscriptions`', () => {
  it('makes the first subscriptions once, and whenever the realm opens with `rerunOnOpen`', async () => {
    const disk = createDisk();
    let runs = 0;
    const initial: InitialSubscriptions<typeof schema>['initial'] = (edit) => {
      runs += 1;
      edit.set('Task', inbox, { name: 'inbox' });
    };
    const first = await openWith(disk, { initial });
    expect(await namesOf(first)).toEqual(['inbox']);
    await first.realm.subscriptions.update((edit) => edit.clear());
    await first.close();
    const second = await openWith(disk, { initial });
    expect([runs, await namesOf(second)]).toEqual([1, []]);
    await second.close();
    const third = await openWith(disk, { initial, rerunOnOpen: true });
    expect([runs, await namesOf(third)]).toEqual([2, ['inbox']]);
    await third.close();
  });

  it('edge case 43: rejects with what `initial` throws, stores nothing, and makes no version where nothing changes', async () => {
    const disk = createDisk();
    const initial = (): never => {
      throw new RangeError('mine');
    };
    await expect(openWith(disk, { initial })).rejects.toThrow(new RangeError('mine'));
    const options = { rerunOnOpen: true, initial: (edit: { set: (type: 'Note') => void }) => edit.set('Note') };
    for (const version of [1, 1]) {
      const opened = await openWith(disk, options);
      expect(opened.realm.subscriptions.version).toBe(version);
      await opened.close();
    }
  });

  it('must be what createSubscriptions returns, in a realm that syncs', async () => {
    const client = createSyncClient({ dial: NEVER });
    const sync = { client, realm: 'tasks' };
    const storage = memoryStorage();
    await expect(openRealm({ schema, storage, sync, subscriptions: {} as never })).rejects.toThrow(
      'subscriptions must be made by createSubscriptions()',
    );
    await expect(openRealm({ schema, storage, subscriptions: createSubscriptions() })).rejects.toThrow(
      'subscriptions must be left out of a realm without `sync`',
    );
    expect(() => createSubscriptions({ initial: 1 as never })).toThrow('options.initial must be a function');
    expect(() => createSubscriptions({ rerunOnOpen: 1 as never })).toThrow('options.rerunOnOpen must be true or false');
    expect(() => createSubscriptions({ first: 1 } as never)).toThrow(InvalidArgumentError);
    await client.close();
  });

  it('must be the same for all handles of a realm', async () => {
    const disk = createDisk();
    const opened = await openWith(disk);
    const again = openRealm({ schema, storage: disk, sync: opened.sync });
    await expect(again).rejects.toThrow('its subscriptions is present, not absent');
    const other = await openRealm({ schema, storage: disk, sync: opened.sync, subscriptions: createSubscriptions() });
    other.subscribe('Note');
    expect(await firstValueFrom(opened.realm.subscriptions.list$)).toHaveLength(1);
    await other.close();
    await opened.close();
  });

  it('is needed: every use of subscriptions in another realm throws, or rejects', async () => {
    const { realm, stop } = await startDevice(openServer(), { isPartial: false });
    expect(() => realm.subscribe('Task')).toThrow(InvalidStateError);
    for (const name of ['list$', 'state$', 'sync$', 'version'] as const)
      expect(() => realm.subscriptions[name]).toThrow('This realm has no subscriptions');
    await expect(realm.subscriptions.update(() => undefined)).rejects.toThrow(InvalidStateError);
    await stop();
  });

  it('gives subscriptions that end with the handle', async () => {
    const opened = await openWith(createDisk());
    const notes = opened.realm.subscribe('Note');
    await opened.close();
    expect(() => opened.realm.subscribe('Note')).toThrow(RealmClosedError);
    await expect(notes.unsubscribe()).rejects.toThrow(RealmClosedError);
    await expect(firstValueFrom(notes.sync$)).rejects.toThrow(RealmClosedError);
  });

  it('does not change the subscriptions in the data of another user, which can only be read', async () => {
    const server = openServer({ authenticate: (token) => ({ id: token }) });
    const disk = createDisk();
    const openAs = async (user: string) => {
      const client = createSyncClient({ dial: of(server.wire), accessToken: () => of(user), user });
      const realm = await openRealm({
        ...{ schema, storage: disk },
        sync: { client, realm: 'tasks', stopPolicy: 'immediately', otherUser: 'read' },
        subscriptions: createSubscriptions<typeof schema>({
          rerunOnOpen: true,
          initial: (edit) => edit.set('Task', inbox, { name: user }),
        }),
      });
      return { client, realm };
    };
    const anna = await openAs('anna');
    await firstValueFrom(anna.realm.subscriptions.sync$);
    await anna.realm.close();
    await anna.client.close();
    const ben = await openAs('ben');
    expect((await firstValueFrom(ben.realm.subscriptions.list$)).map(({ name }) => name)).toEqual(['anna']);
    expect(() => ben.realm.subscribe('Note')).toThrow(SyncError);
    await expect(ben.realm.subscriptions.update(() => undefined)).rejects.toMatchObject({ code: 'other-user' });
    await ben.realm.close();
    await ben.client.close();
  });
});
