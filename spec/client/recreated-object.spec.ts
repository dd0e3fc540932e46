import { EMPTY, firstValueFrom, of } from 'rxjs';
import { memoryStorage, openRealm } from '../../lib/index.js';
import type { SyncServer } from '../../lib/server/index.js';
import { open, waitUntil } from './test-kit.js';

const schema = {
  Box: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      list: 'string[]',
      begun: { type: 'string[]', default: () => ['begun'] },
      set: 'string<>',
      dictionary: 'int{}',
      count: 'counter',
    },
  },
} as const;

describe('an object that is created while others change an earlier one, which is not downloaded yet', () => {
  it('field report C-4: has their additions to its collections, besides its initial elements', async () => {
    const [before, after] = [open.server(), open.server()];
    const storage = { ...memoryStorage(), close: () => EMPTY }; // The content is kept, so that it can be opened again.
    const opened = (wire: SyncServer['wire']) => {
      const client = open.client({ dial: of(wire) });
      return openRealm({
        schema,
        storage,
        sync: { client, realm: 'boxes', clientReset: 'recover', stopPolicy: 'immediately' },
      });
    };
    const first = await opened(before.wire);
    await first.write((tx) => tx.create('Box', { id: 'a', list: ['lost'] }));
    await firstValueFrom(first.session.uploadComplete$);
    first.session.pause();
    await first.write((tx) => {
      tx.list('Box', 'a', 'list').push('unsent');
      tx.list('Box', 'a', 'begun').push('unsent');
      tx.set('Box', 'a', 'set').add('unsent');
      tx.dictionary('Box', 'a', 'dictionary').set('unsent', 1);
    });
    await first.close();
    // Another server, which does not have the object: it disappears here, except for unsent changes.
    const realm = await opened(after.wire);
    await waitUntil(realm.object$('Box', 'a'), (box) => box === undefined);
    await realm.write((tx) => tx.create('Box', { id: 'a', list: ['new'], set: ['new'], dictionary: { new: 2 } }));
    await firstValueFrom(realm.session.uploadComplete$);
    const { list, begun, ...box } = realm.get('Box', 'a')!;
    expect(box).toEqual({ id: 'a', set: ['new', 'unsent'], dictionary: { new: 2, unsent: 1 }, count: 0 });
    expect([...list].sort()).toEqual(['new', 'unsent']);
    expect([...begun].sort()).toEqual(['begun', 'unsent']);
    const other = open.client({ dial: of(after.wire) });
    const copy = await openRealm({ schema, storage: memoryStorage(), sync: { client: other, realm: 'boxes' } });
    await firstValueFrom(copy.session.downloadComplete$);
    expect(copy.get('Box', 'a')).toEqual(realm.get('Box', 'a'));
    await realm.close();
    await copy.close();
  });
});
