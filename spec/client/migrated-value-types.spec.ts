import { firstValueFrom, of } from 'rxjs';
import { openRealm, type AnyRealm, type AnyTransaction, type OldRealm, type Schema } from '../../lib/index.js';
import { createFolder, open } from './test-kit.js';

const schemaWith = (type: string): Schema => ({
  Box: { primaryKey: 'id', properties: { id: 'string', x: type } },
});

type Change = (tx: AnyTransaction, old: OldRealm) => void;
const opening = (storage: string, type: string, schemaVersion: number, change?: Change): Promise<AnyRealm> =>
  openRealm({
    ...{ schema: schemaWith(type), schemaVersion, storage },
    ...(change && { migrate: (tx, old) => change(tx as unknown as AnyTransaction, old) }),
  });

/** Each type of value, an example of it, and a value that is like empty. */
const held: readonly (readonly [type: string, value: unknown])[] = [
  ['string', 'text'],
  ['int?', 7],
  ['date', new Date(7)],
  ['mixed', { a: [1] }],
  ['string[]', ['b', 'a', 'b']],
  ['int<>', [1, 2]],
  ['string{}', { one: 'a', two: 'b' }],
  ['Box?', 'a'],
];
const pairs = held.flatMap(([from, before]) =>
  held.filter(([to]) => to !== from).map(([to, after]) => [from, to, before, after] as const),
);

const shown = (realm: AnyRealm): unknown =>
  (realm as unknown as { get: (...of: unknown[]) => { x: unknown } }).get('Box', 'a').x;
const written = (realm: AnyRealm, change: (tx: AnyTransaction) => void) =>
  (realm as unknown as { write: (change: (tx: AnyTransaction) => void) => Promise<unknown> }).write(change);

describe('a migration of a local realm', () => {
  it.each(pairs)('field report C-1: makes of a %s a %s', async (from, to, before, after) => {
    const folder = createFolder();
    const old = await opening(folder, from, 0);
    await written(old, (tx) => tx.create('Box', { id: 'a', x: before }));
    await old.close();
    const migrated = await opening(folder, to, 1, (tx, { objects }) => {
      for (const { key } of objects('Box')) tx.update('Box', key, { x: after });
    });
    expect(shown(migrated)).toEqual(after);
    await migrated.close();
    const again = await opening(folder, to, 1);
    expect(shown(again)).toEqual(after);
    await again.close();
    const back = await opening(folder, from, 2, (tx) => tx.update('Box', 'a', { x: before })); // And back.
    expect(shown(back)).toEqual(before);
    await back.close();
  });

  it.each(['string', 'mixed', 'string[]', 'int<>', 'string{}', 'int'])(
    'field report C-1: makes of a %s a counter, and of a counter that',
    async (type) => {
      const folder = createFolder();
      const [, value] = held.find(([name]) => name.replace('?', '') === type) ?? [];
      const old = await opening(folder, type, 0);
      await written(old, (tx) => tx.create('Box', { id: 'a', x: value }));
      await old.close();
      const began = typeof value === 'number' ? value : 0;
      const counted = await opening(folder, 'counter', 1, (tx) => tx.increment('Box', 'a', 'x', 3));
      expect(shown(counted)).toBe(began + 3);
      await written(counted, (tx) => tx.increment('Box', 'a', 'x', 4));
      await counted.close();
      const back = await opening(folder, type, 2, (tx) => tx.update('Box', 'a', { x: value }));
      expect(shown(back)).toEqual(value);
      await back.close();
    },
  );

  it('field report C-1: its results are the same on a server that the realm joins and on other devices', async () => {
    const folder = createFolder();
    const old = await opening(folder, 'string', 0);
    await written(old, (tx) => tx.create('Box', { id: 'a', x: 'one' }));
    await old.close();
    const migrated = await opening(folder, 'string[]', 1, (tx) => tx.update('Box', 'a', { x: ['one', 'two'] }));
    expect(shown(migrated)).toEqual(['one', 'two']);
    await migrated.close();
    const server = open.server();
    const schema = schemaWith('string[]');
    const client = open.client({ dial: of(server.wire) });
    const realm = await openRealm({ schema, storage: folder, sync: { client, realm: 'boxes' } });
    await firstValueFrom(realm.session.uploadComplete$);
    const other = open.client({ dial: of(server.wire) });
    const copy = await openRealm({ schema, storage: createFolder(), sync: { client: other, realm: 'boxes' } });
    await firstValueFrom(copy.session.downloadComplete$);
    expect(shown(copy as unknown as AnyRealm)).toEqual(['one', 'two']);
    expect(await firstValueFrom(copy.setAside$)).toEqual([]);
  });
});
