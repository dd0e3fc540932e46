import { createSubscriptions, memoryStorage, openRealm, type SyncClient } from '../../lib/index.js';

declare const client: SyncClient;

const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', list: 'string', tags: 'string[]' } },
} as const;

describe('the types of subscriptions', () => {
  it('know the schema, in `initial` and in every call', () => {
    const sync = () => ({ client, realm: 'r' });
    const run = async (): Promise<void> => {
      const realm = await openRealm({
        schema,
        storage: memoryStorage(),
        sync: sync(),
        subscriptions: createSubscriptions<typeof schema>({
          initial: (edit) => {
            edit.set('Task', { where: { list: 'inbox' } }, { name: 'inbox' });
            // @ts-expect-error -- there is no such type
            edit.set('Other');
          },
        }),
      });
      await openRealm({ schema, storage: memoryStorage(), sync: sync(), subscriptions: createSubscriptions() });
      realm.subscribe('Task', { where: { list: { $in: ['a', 'b'] } } });
      // @ts-expect-error -- there is no such type
      realm.subscribe('Other');
      // @ts-expect-error -- there is no such property
      realm.subscribe('Task', { where: { other: 1 } });
      // @ts-expect-error -- a record is not what createSubscriptions returns
      await openRealm({ schema, storage: memoryStorage(), sync: sync(), subscriptions: {} });
    };
    expect(run).toBeInstanceOf(Function);
  });
});
