import { EMPTY, firstValueFrom } from 'rxjs';
import { memoryStorage, openRealm, type Realm } from '../../lib/index.js';
import type { Storage } from '../../lib/storage/storage.js';

const schema = {
  Note: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      steps: 'string[]',
      tags: 'string<>',
      sizes: 'int{}',
      labels: { type: 'string[]', default: () => ['new'] },
    },
  },
} as const;

const unclosed = (storage: Storage): Storage => ({ ...storage, close: () => EMPTY });

const create =
  (id: string, more: object = {}) =>
  (realm: Realm<typeof schema>) =>
    realm.write((tx) => tx.create('Note', { id, title: id, ...more }));

const keysIn = async (storage: Storage): Promise<readonly string[]> => {
  const entries = await firstValueFrom(storage.range({ from: 'o/', to: 'o0', limit: Infinity, bytesMax: Infinity }));
  return entries.map(([key]) => key);
};
const bytesIn = async (storage: Storage): Promise<number> => {
  const entries = await firstValueFrom(storage.range({ from: 'o/', to: 'o0', limit: Infinity, bytesMax: Infinity }));
  return entries.reduce((sum, [, value]) => sum + value.byteLength, 0);
};

describe('a local realm', () => {
  it('field report C-6: keeps no tombstones of deleted objects', async () => {
    const storage = memoryStorage();
    const realm = await openRealm({ schema, storage: unclosed(storage) });
    for (let n = 0; n < 50; n += 1) await create(`n${n}`)(realm);
    for (let n = 0; n < 50; n += 1) await realm.write((tx) => tx.delete('Note', `n${n}`));
    expect(await keysIn(storage)).toEqual([]);
    expect(realm.stats().tombstones).toBe(0);
    // The object is deleted in one transaction and created again.
    await realm.write((tx) => {
      tx.create('Note', { id: 'a', title: 'a' });
      tx.delete('Note', 'a');
    });
    await create('n1')(realm);
    expect(await keysIn(storage)).toEqual(['o/Note/sn1']);
    expect(realm.get('Note', 'n1')?.labels).toEqual(['new']);
    await realm.close();
  });

  it('field report B-4: keeps nothing of elements and entries that were removed', async () => {
    const storage = memoryStorage();
    const realm = await openRealm({ schema, storage: unclosed(storage) });
    await create('a', { steps: ['stays'] })(realm);
    await realm.write((tx) => tx.set('Note', 'a', 'tags').add('stays'));
    const before = await bytesIn(storage);
    for (let n = 0; n < 50; n += 1) {
      await realm.write((tx) => {
        tx.list('Note', 'a', 'steps').push(`step ${n}`);
        tx.set('Note', 'a', 'tags').add(`tag ${n}`);
        tx.dictionary('Note', 'a', 'sizes').set(`size ${n}`, n);
      });
      await realm.write((tx) => {
        tx.list('Note', 'a', 'steps').remove(1);
        tx.set('Note', 'a', 'tags').remove(`tag ${n}`);
        tx.dictionary('Note', 'a', 'sizes').remove(`size ${n}`);
      });
    }
    expect(await bytesIn(storage)).toBe(before);
    expect(realm.get('Note', 'a')).toMatchObject({ steps: ['stays'], tags: ['stays'], sizes: {} });
    await realm.close();
  });
});
