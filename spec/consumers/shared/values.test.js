import { memoryStorage, openRealm } from 'tidemark';
import { describe, expect, it } from './runner.js';

const schema = {
  Photo: {
    primaryKey: 'id',
    properties: { id: 'string', taken: 'date?', bytes: 'data?', tags: 'string<>', more: 'mixed' },
  },
};

// In jsdom, Date, Uint8Array and Set of a test belong to another window than those of Node.
describe('values of every window', () => {
  it('are written and read', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    const id = 'Zürich 東京 😀 '.repeat(5);
    const given = { id, taken: new Date(5), bytes: new Uint8Array([1, 255]), tags: new Set(['a', 'b']) };
    await realm.write((tx) => tx.create('Photo', { ...given, more: { list: [new Uint8Array([3])] } }));
    const photo = realm.get('Photo', id);
    expect(photo?.taken?.getTime()).toBe(5);
    expect([...(photo?.bytes ?? [])]).toEqual([1, 255]);
    expect([...(photo?.tags ?? [])]).toEqual(['a', 'b']);
    expect([...photo.more.list[0]]).toEqual([3]);
    await realm.close();
  });
});
