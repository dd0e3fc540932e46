import { concat, firstValueFrom, forkJoin, lastValueFrom, of, take } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { StorageError } from '../../lib/model/errors.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageEntry } from '../../lib/storage/storage.js';
import { checkSchema } from '../../lib/model/schema.js';
import { openStore } from '../../lib/store/open-store.js';
import { checkEveryDamage } from '../damaged-records.js';
import { createHeldStorage, openStoreWith, waitUntilDone } from './test-kit.js';

const schema = {
  Note: { primaryKey: 'id', properties: { id: 'string', tags: 'string[]', words: 'int{}', likes: 'counter' } },
} as const;

const entriesOf = (storage: Storage): Promise<readonly StorageEntry[]> =>
  firstValueFrom(storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));

/** The entries of a realm that has a record of each kind. */
const entriesOfRealm = async (): Promise<readonly StorageEntry[]> => {
  const { storage, hold, finish } = createHeldStorage();
  const store = openStoreWith(schema, storage);
  await waitUntilDone(store.claimOwner({ realm: 'notes', user: 'ann' }, false));
  await waitUntilDone(
    store.limit({ changesetBytesMax: 1_000, operationsMax: 10, valuesMax: 100, elementsMax: 10, objectBytesMax: 900 }),
  );
  for (const id of ['a', 'b', 'c'])
    await firstValueFrom(
      store.write((tx) => {
        tx.create('Note', { id, tags: ['x'], words: { one: 1 } });
        tx.increment('Note', id, 'likes', 2);
      }),
    );
  await waitUntilDone(
    store.rollBack({
      version: 1,
      writes: [{ type: 'Note', key: 'a', reason: 'too late' }],
      code: 'not-permitted',
      serverStates: [{ type: 'Note', key: 'a', state: null }],
    }),
  );
  hold();
  for (const text of ['u', 'v', 'w', 'x', 'y'])
    store.write((tx) => tx.list('Note', 'b', 'tags').push(text)).subscribe();
  while (finish() > 0); // One write, then four together.
  return entriesOf(storage);
};

/** Opens the realm of these entries and reads everything in it. Resolves with the error, or `null`. */
const errorOfRealm = async (entries: readonly StorageEntry[]): Promise<unknown> => {
  const storage = memoryStorage();
  const puts = entries.map(([key, value]) => ({ type: 'put', key, value }) as const);
  await waitUntilDone(storage.batch(puts, { durable: true }));
  try {
    const store = await firstValueFrom(openStore({ storage, shapes: checkSchema(schema), clock: systemClock }));
    store.objects('Note');
    await firstValueFrom(forkJoin([store.rejectedWrites$.pipe(take(1)), store.greeting$]));
    await lastValueFrom(concat(store.uploads(1, of(0)).pipe(take(1)), of(null)));
    expect(store.dump()).not.toBeNull();
    return null;
  } catch (thrown) {
    return thrown;
  }
};

const replaced = (entries: readonly StorageEntry[], at: number, value: Uint8Array): readonly StorageEntry[] =>
  entries.with(at, [entries[at]![0], value]);

describe('a damaged record of a realm', () => {
  it('is a StorageError of the opening, whatever the damage, or is not noticed; never another error', async () => {
    const entries = await entriesOfRealm();
    expect(new Set(entries.map(([key]) => key.split('/')[0]))).toEqual(
      new Set(['limits', 'meta', 'o', 'owner', 'r', 'runs', 'schema', 'u']),
    );
    expect(await errorOfRealm(entries)).toBeNull();
    await checkEveryDamage(entries, errorOfRealm);
  });

  it.each([
    ['limits', /record limits cannot be read/],
    ['owner', /record owner cannot be read/],
    ['runs', /record runs cannot be read/],
    ['r/00000000001', /record r\/00000000001 cannot be read/],
    ['u/e00000000002', /record u\/e00000000002 cannot be read/],
    ['u/b00000000005', /record u\/b00000000005 cannot be read/],
    ['o/Note/sb', /Note b cannot be read/],
  ])('is named by the error: %s', async (key, text) => {
    const entries = await entriesOfRealm();
    const at = entries.findIndex(([each]) => each === key);
    const error = await errorOfRealm(replaced(entries, at, Uint8Array.of(0xc1)));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ message: expect.stringMatching(text) as unknown });
  });

  it('is opened without when it is the fingerprint of the schema, which is stored again', async () => {
    const entries = await entriesOfRealm();
    const at = entries.findIndex(([key]) => key === 'schema');
    const storage = memoryStorage();
    const puts = replaced(entries, at, Uint8Array.of(0xc1)).map(
      ([key, value]) => ({ type: 'put', key, value }) as const,
    );
    await waitUntilDone(storage.batch(puts, { durable: true }));
    const store = openStoreWith(schema, storage);
    await firstValueFrom(store.write((tx) => tx.create('Note', { id: 'd' })));
    expect((await entriesOf(storage)).find(([key]) => key === 'schema')).toEqual(entries[at]);
  });
});
