import { concat, firstValueFrom, lastValueFrom } from 'rxjs';
import { levelStorage } from '../../lib/storage/level.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createPrefixedStorage } from '../../lib/storage/prefixed-storage.js';
import { readManyOf } from '../../lib/storage/read-many.js';
import type { Storage, StorageChange } from '../../lib/storage/storage.js';
import { createTemporaryFolders } from './temporary-folders.js';

const { fresh, remove } = createTemporaryFolders();
afterAll(remove);

const put = (key: string): StorageChange => ({ type: 'put', key, value: Uint8Array.of(1) });
const done = (work: ReturnType<Storage['batch']>) => lastValueFrom(work, { defaultValue: undefined });
const keys = async (storage: Storage) =>
  (await firstValueFrom(storage.range({ from: ' ', to: '\x7f', limit: 99, bytesMax: Infinity }))).map(([key]) => key);

describe('a prefixed view of a storage', () => {
  it('contains the keys under its prefix', async () => {
    const storage = memoryStorage();
    const [one, other] = [createPrefixedStorage(storage, 'one/'), createPrefixedStorage(storage, 'other/')];
    await done(concat(one.batch([put('a')], { durable: true }), other.batch([put('b')], { durable: false })));
    expect([await keys(storage), await keys(one), await keys(other)]).toEqual([['one/a', 'other/b'], ['a'], ['b']]);
  });

  it('reads many keys under its prefix, also of a storage that reads one key at a time', async () => {
    for (const storage of [memoryStorage(), await firstValueFrom(levelStorage(fresh()))]) {
      const view = createPrefixedStorage(storage, 'one/');
      await done(view.batch([put('a'), put('b')], { durable: false }));
      const read = (names: readonly string[]) => firstValueFrom(readManyOf(view, names));
      expect(await read(['b', 'c', 'a'])).toEqual([Uint8Array.of(1), undefined, Uint8Array.of(1)]);
      expect(await read([])).toEqual([]);
      await done(view.close());
      await expect(read(['a'])).rejects.toThrow('closed');
      await done(storage.close());
    }
  });

  it('closes only itself', async () => {
    const storage = memoryStorage();
    const [one, other] = [createPrefixedStorage(storage, 'one/'), createPrefixedStorage(storage, 'other/')];
    await done(concat(one.batch([put('a')], { durable: true }), one.close()));
    await done(other.batch([put('b')], { durable: false }));
    expect([await keys(createPrefixedStorage(storage, 'one/')), await keys(other)]).toEqual([['a'], ['b']]);
  });

  it('is closed when its batches are done, whether or not the app waits for them', async () => {
    const storage = await firstValueFrom(levelStorage(fresh()));
    const view = createPrefixedStorage(storage, 'view/');
    const batch = done(view.batch([put('a')], { durable: true }));
    let written = false;
    const writing = batch.then(() => (written = true));
    await done(view.close());
    expect([written, await keys(storage)]).toEqual([true, ['view/a']]);
    await writing;
    await done(storage.close());
  });
});
