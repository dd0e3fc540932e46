import { firstValueFrom } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { StorageError } from '../../lib/model/errors.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageEntry } from '../../lib/storage/storage.js';
import { openStore } from '../../lib/store/open-store.js';
import { createTask, waitUntilDone, milk, openTestStore, createPage, shapes } from './test-kit.js';

const everything = (storage: Storage): Promise<readonly StorageEntry[]> =>
  firstValueFrom(storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));

const put = (storage: Storage, key: string, value: Uint8Array): Promise<unknown> =>
  waitUntilDone(storage.batch([{ type: 'put', key, value }], { durable: true }));

/** A realm with one unsent object. */
const aRealm = async (): Promise<Storage> => {
  const storage = memoryStorage();
  await createTask(openTestStore(storage));
  return storage;
};

/** The fields of a stored rejected write. */
const aRejection = [
  ...[1, 1, 0],
  encodeOperations([{ kind: 'delete', type: 'Task', key: 'milk' }]),
  ...[[['Task', 'milk', 'too late']], 'a', 'not-permitted'],
];

describe('opening a store', () => {
  it('creates a realm with a stable id in an empty storage', async () => {
    const [one, other] = [memoryStorage(), memoryStorage()];
    const { replica } = await firstValueFrom(openTestStore(one).greeting$);
    expect(replica).toMatch(/^\S{16,}$/);
    expect(await firstValueFrom(openTestStore(one).greeting$)).toMatchObject({ replica });
    expect((await firstValueFrom(openTestStore(other).greeting$)).replica).not.toBe(replica);
  });

  it('does nothing before it is subscribed to', async () => {
    const storage = memoryStorage();
    void openStore({ storage, shapes, clock: systemClock });
    expect(await everything(storage)).toEqual([]);
  });

  it('reads any number of objects, page by page', async () => {
    const storage = memoryStorage();
    const many = 12_345;
    const operations = Array.from({ length: many }, (_, id) => ({
      kind: 'create' as const,
      type: 'Task',
      key: `${id}`,
      values: { ...milk, id: `${id}` },
    }));
    await waitUntilDone(openTestStore(storage).integrate(createPage(1, operations)));
    expect(await firstValueFrom(openTestStore(storage).objects$('Task'))).toHaveLength(many);
  });

  it('reads an outbox of any length, and continues its numbering', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    for (let id = 0; id < 2_500; id += 1) await createTask(store, { ...milk, id: `${id}` });
    const outbox = await firstValueFrom(store.outbox$);
    const again = openTestStore(storage);
    expect(await firstValueFrom(again.outbox$)).toEqual(outbox);
    expect(await createTask(again)).toMatchObject({ version: 2_501 });
  });

  it.each<[string, string, Uint8Array, RegExp]>([
    ['metadata of another program', 'meta', encodeValue(['tidemark server 1']), /its format is not "tidemark realm 4"/],
    ['a development version', 'meta', encodeValue(['tidemark realm 1', 'a', null, 0, 0, 0, 0]), /development version/],
    ['a later version', 'meta', encodeValue(['tidemark realm 6']), /of a later version of Tidemark.* Update the app/],
    ['metadata that is not MessagePack', 'meta', new Uint8Array([0xc1]), /its format is not/],
    [
      'metadata with a missing field',
      'meta',
      encodeValue(['tidemark realm 2', 'a', null, 0, 0]),
      /record meta cannot be read/,
    ],
    [
      'an invalid version',
      'meta',
      encodeValue(['tidemark realm 2', 'a', null, -1, 0, 0, 0]),
      /record meta cannot be read/,
    ],
    ['a corrupt object', 'o/Task/smilk', new Uint8Array([0x93, 1]), /Task milk cannot be read/],
    [
      'an object with an invalid number as key',
      'o/Task/nmilk',
      encodeValue([null, null, {}]),
      /key o\/Task\/nmilk cannot be read/,
    ],
    [
      'an object with a key of unknown type',
      'o/Task/xmilk',
      encodeValue([null, null, {}]),
      /key o\/Task\/xmilk cannot be read/,
    ],
    [
      'an object with an incomplete escape in its key',
      'o/Task/sa%E0',
      encodeValue([null, null, {}]),
      /key o\/Task\/sa%E0 cannot be read/,
    ],
    [
      'a corrupt changeset in the outbox',
      'u/e00000000001',
      new Uint8Array([0x94, 1]),
      /record u\/e00000000001 cannot be read/,
    ],
    ['limits that are not numbers', 'limits', encodeValue([1_000, true]), /record limits cannot be read/],
    ['an owner with a number as user', 'owner', encodeValue(['notes', 7]), /record owner cannot be read/],
    ['runs that are not arrays', 'runs', encodeValue([7]), /record runs cannot be read/],
    [
      'a rejected write with a number as object',
      'r/00000000001',
      encodeValue([...aRejection.slice(0, 4), [7], 'a', 'not-permitted']),
      /record r\/00000000001 cannot be read/,
    ],
    [
      'a rejected write with a number as reason',
      'r/00000000001',
      encodeValue([...aRejection.slice(0, 4), [['Task', 'milk', 7]], 'a', 'not-permitted']),
      /record r\/00000000001 cannot be read/,
    ],
    [
      'a rejected write with a number as code',
      'r/00000000001',
      encodeValue([...aRejection.slice(0, 6), 7]),
      /record r\/00000000001 cannot be read/,
    ],
    ['a rejected write without an id', 'r/7!', encodeValue(aRejection), /key r\/7! cannot be read/],
    [
      'a rejected write with invalid operations',
      'r/00000000001',
      encodeValue([...aRejection.slice(0, 3), new Uint8Array(1), ...aRejection.slice(4)]),
      /rejected write 1 cannot be read/,
    ],
    ['a gap in the outbox', 'u/e00000000003', encodeValue([3, 1, 0, new Uint8Array([1])]), /missing/],
  ])('rejects %s, and changes nothing', async (_, key, value, text) => {
    const storage = await aRealm();
    await put(storage, key, value);
    const before = await everything(storage);
    const opening = firstValueFrom(openStore({ storage, shapes, clock: systemClock }));
    await expect(opening).rejects.toThrow(StorageError);
    await expect(firstValueFrom(openStore({ storage, shapes, clock: systemClock }))).rejects.toThrow(text);
    expect(await everything(storage)).toEqual(before);
  });

  it('rejects a storage with other content under any key', async () => {
    for (const key of [' ', 'a', 'm', 'metb', 'o/Task/smilk', 'z', '~']) {
      const storage = memoryStorage();
      await put(storage, key, new Uint8Array([1]));
      await expect(firstValueFrom(openStore({ storage, shapes, clock: systemClock }))).rejects.toThrow(
        /holds other data\. It was left as it is/,
      );
      expect(await everything(storage)).toHaveLength(1);
    }
  });
});
