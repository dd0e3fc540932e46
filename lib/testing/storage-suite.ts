import { finalize, firstValueFrom, lastValueFrom, merge, of, take } from 'rxjs';
import type { OpenStorage, Storage, StorageChange, StorageEntry, StorageRange } from '../storage/storage.js';
import { copyTests } from './storage-copy-tests.js';
import { createDelete, createPut, createPuts, writeBatch, type StorageTest } from './storage-fixtures.js';
import { allOf, assertSame, assertStorageError, findGlobalRunner, type SuiteRunner } from './suite-assertions.js';

const fullRange: StorageRange = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity };

const readEntries = async (storage: Storage, range: Partial<StorageRange> = {}): Promise<readonly StorageEntry[]> => {
  const [entries = [], ...more] = await allOf(storage.range({ ...fullRange, ...range }));
  assertSame('emissions after the first of a range', more.length, 0);
  return entries;
};
const readKeys = async (storage: Storage, range: Partial<StorageRange> = {}): Promise<string[]> =>
  (await readEntries(storage, range)).map(([key]) => key);
const readContents = async (storage: Storage): Promise<[string, number[]][]> =>
  (await readEntries(storage)).map(([key, value]) => [key, [...value]]);

const rangeTests: Readonly<Record<string, StorageTest>> = {
  'is empty at first': async (storage) => assertSame('entries', await readContents(storage), []),

  'reads in the order of the codes of its keys': async (storage) => {
    await writeBatch(
      storage,
      ['b', 'a', 'B', '~', ' ', 'a0', '10', '9', 'a!'].map((key) => createPut(key, 1)),
    );
    assertSame('keys', await readKeys(storage), [' ', '10', '9', 'B', 'a', 'a!', 'a0', 'b', '~']);
  },

  'includes the first key of a range and excludes the last': async (storage) => {
    await writeBatch(storage, createPuts(5));
    assertSame('keys', await readKeys(storage, { from: 'k000001', to: 'k000003' }), ['k000001', 'k000002']);
  },

  'emits an empty range': async (storage) => {
    await writeBatch(storage, createPuts(3));
    assertSame(
      'the entries between two keys',
      await allOf(storage.range({ ...fullRange, from: 'k000000a', to: 'k000000b' })),
      [[]],
    );
    assertSame('an empty range', await readKeys(storage, { from: 'k000001', to: 'k000001' }), []);
    assertSame(
      'a range whose end is before its start',
      await readKeys(storage, { from: 'k000002', to: 'k000000' }),
      [],
    );
    assertSame('the keys within a limit of 0', await readKeys(storage, { limit: 0 }), []);
  },

  'ends a range at its limit': async (storage) => {
    await writeBatch(storage, createPuts(10));
    assertSame('keys', await readKeys(storage, { from: 'k000002', limit: 3 }), ['k000002', 'k000003', 'k000004']);
  },

  'ends a range after the entry that reaches its bytes, and never before the first': async (storage) => {
    await writeBatch(storage, [createPut('a', 1, 2, 3), createPut('b', 4, 5, 6), createPut('c', 7, 8, 9)]);
    assertSame('the keys within 1 byte', await readKeys(storage, { bytesMax: 1 }), ['a']);
    assertSame('the keys within 3 bytes', await readKeys(storage, { bytesMax: 3 }), ['a']);
    assertSame('the keys within 4 bytes', await readKeys(storage, { bytesMax: 4 }), ['a', 'b']);
    assertSame('the keys within 9 bytes', await readKeys(storage, { bytesMax: 9 }), ['a', 'b', 'c']);
  },

  'reads backwards, with limit and bytes counted from the end': async (storage) => {
    await writeBatch(storage, createPuts(5));
    assertSame('all keys', await readKeys(storage, { reverse: true, to: 'k000003' }), [
      'k000002',
      'k000001',
      'k000000',
    ]);
    assertSame('the keys within a limit', await readKeys(storage, { reverse: true, limit: 1 }), ['k000004']);
    assertSame('the keys within a number of bytes', await readKeys(storage, { reverse: true, bytesMax: 3 }), [
      'k000004',
      'k000003',
    ]);
  },

  'reads long ranges whole and in order': async (storage) => {
    await writeBatch(storage, createPuts(5_000).reverse());
    const found = await readEntries(storage);
    assertSame('entries', found.length, 5_000);
    assertSame(
      'keys',
      found.every(([key], at) => key === `k${String(at).padStart(6, '0')}`),
      true,
    );
  },

  'reads many keys in their order, if it can': async (storage) => {
    await writeBatch(storage, [createPut('b', 2), createPut('a', 1)]);
    if (storage.readMany === undefined) return;
    const emissions = await allOf(storage.readMany(['b', 'c', 'a', 'b']));
    assertSame(
      'values',
      emissions.map((values) => values.map((value) => value?.[0])),
      [[2, undefined, 1, 2]],
    );
    assertSame('values of no key', await allOf(storage.readMany([])), [[]]);
  },

  'runs once for each subscription': async (storage) => {
    const range$ = storage.range(fullRange);
    await writeBatch(storage, [createPut('a', 1)]);
    assertSame('the number of keys after one batch', (await firstValueFrom(range$)).length, 1);
    await writeBatch(storage, [createPut('b', 1)]);
    assertSame('the number of keys after two batches', (await firstValueFrom(range$)).length, 2);
  },
};

const batchTests: Readonly<Record<string, StorageTest>> = {
  'completes no batch synchronously if it is asynchronous': async (storage) => {
    const seen = { isComplete: false };
    const batch$ = storage.batch([createPut('a', 1)], { durable: false });
    const done = lastValueFrom(batch$.pipe(finalize(() => (seen.isComplete = true))), { defaultValue: undefined });
    assertSame(
      'whether a batch of an asynchronous storage completed synchronously',
      seen.isComplete && storage.isAsynchronous === true,
      false,
    );
    await done;
  },

  'stores bytes unchanged': async (storage) => {
    await writeBatch(storage, [createPut('all', ...Array.from({ length: 256 }, (_, byte) => byte)), createPut('none')]);
    assertSame(
      'values',
      (await readContents(storage)).map(([, value]) => value),
      [Array.from({ length: 256 }, (_, byte) => byte), []],
    );
  },

  'applies the changes of a batch in their order': async (storage) => {
    await writeBatch(storage, [
      createPut('a', 1),
      createPut('b', 1),
      createDelete('a'),
      createPut('b', 2),
      createDelete('c'),
      createPut('c', 3),
    ]);
    assertSame('entries', await readContents(storage), [
      ['b', [2]],
      ['c', [3]],
    ]);
  },

  'overwrites and deletes, and accepts the delete of a missing key': async (storage) => {
    await writeBatch(storage, [createPut('a', 1), createPut('b', 1)]);
    await writeBatch(storage, [createPut('a', 2), createDelete('b'), createDelete('nothing')]);
    assertSame('entries', await readContents(storage), [['a', [2]]]);
    await writeBatch(storage, [createPut('b', 3)]);
    assertSame('the entries after a key was written again', await readContents(storage), [
      ['a', [2]],
      ['b', [3]],
    ]);
  },

  'removes any number of deleted entries, until they are put again': async (storage) => {
    const all = createPuts(1_000);
    await writeBatch(storage, all);
    await writeBatch(
      storage,
      all.slice(10).map(({ key }) => createDelete(key)),
    );
    assertSame('the number of keys that are left', (await readKeys(storage)).length, 10);
    await writeBatch(storage, all);
    assertSame('the number of keys that were written again', (await readKeys(storage)).length, 1_000);
  },

  'applies batches in the order of their subscriptions, durable or not': async (storage) => {
    const rounds = Array.from({ length: 50 }, (_, at) =>
      storage.batch([createPut('last', at), createPut(`k${at}`, at)], { durable: at % 3 === 0 }),
    );
    await allOf(merge(...rounds));
    assertSame('the last entry', (await readContents(storage)).at(-1), ['last', [49]]);
    assertSame('keys', (await readKeys(storage)).length, 51);
  },

  'shows a batch to every read after its completion': async (storage) => {
    for (const durable of [false, true]) {
      await writeBatch(storage, [createPut('a', durable ? 1 : 0)], durable);
      assertSame('entries', await readContents(storage), [['a', [durable ? 1 : 0]]]);
    }
  },

  'does nothing until subscribed, and completes a batch that is unsubscribed': async (storage) => {
    const batch$ = storage.batch([createPut('a', 1)], { durable: false });
    assertSame('the entries before the subscription', await readContents(storage), []);
    await allOf(merge(batch$, of('unsubscribe')).pipe(take(1)));
    await writeBatch(storage, [createPut('b', 2)]);
    assertSame('keys', await readKeys(storage), ['a', 'b']);
  },

  'completes an empty batch': (storage) => writeBatch(storage, [], true),

  'rejects a batch with one invalid key, and applies nothing of it': async (storage) => {
    for (const key of ['', 'ä', 'a\n', '\x7f', 'x'.repeat(2_049)]) {
      for (const wrong of [createPut(key, 1), createDelete(key)]) {
        await assertStorageError(JSON.stringify(key.slice(0, 20)), () =>
          storage.batch([createPut('a', 1), wrong, createPut('b', 1)], { durable: false }),
        );
      }
    }
    assertSame('entries', await readContents(storage), []);
  },

  'rejects a batch with one value that is not bytes, and applies nothing of it': async (storage) => {
    const wrong = { type: 'put', key: 'b', value: 'text' } as unknown as StorageChange;
    await assertStorageError('text', () => storage.batch([createPut('a', 1), wrong], { durable: false }));
    assertSame('entries', await readContents(storage), []);
  },

  'applies the batches next to a rejected one': async (storage) => {
    const good$ = storage.batch([createPut('a', 1)], { durable: false });
    const bad$ = storage.batch([createPut('', 1)], { durable: false });
    await Promise.allSettled([allOf(bad$), allOf(good$), allOf(bad$)]);
    assertSame('keys', await readKeys(storage), ['a']);
  },
};

const closingTests: Readonly<Record<string, StorageTest>> = {
  'errors after it is closed': async (storage) => {
    const ready$ = storage.batch([createPut('a', 1)], { durable: false });
    await allOf(storage.close());
    await assertStorageError('a range', () => storage.range(fullRange));
    await assertStorageError('a batch', () => storage.batch([createPut('a', 1)], { durable: true }));
    await assertStorageError('a batch that was described before', () => ready$);
  },

  'can be closed twice': async (storage) => {
    assertSame('emissions', [await allOf(storage.close()), await allOf(storage.close())], [[], []]);
  },

  'finishes running batches before it closes': async (storage) => {
    await writeBatch(storage, createPuts(2_000));
    const underWay = [readEntries(storage), writeBatch(storage, createPuts(2_000), true)] as const;
    const [entries] = await Promise.all([...underWay, allOf(storage.close())]);
    assertSame('entries', entries.length, 2_000);
  },
};

/** The tests of the suite by title, for another runner such as that of `spec/browser`. */
export const storageTests: Readonly<Record<string, StorageTest>> = { ...rangeTests, ...batchTests, ...closingTests };

/** Opens a storage, runs a test on it and closes it. */
export const runStorageTest = async (open: OpenStorage, test: StorageTest): Promise<void> => {
  const storage = await firstValueFrom(open);
  try {
    await test(storage);
  } finally {
    await allOf(storage.close());
  }
};

/**
 * Tests a storage. Every storage must pass this suite.
 *
 * @param name - The title of the suite.
 * @param open - Opens a new and empty storage for each subscription. The suite closes it after its test.
 * @param has - Whether the storage has the optional `copy`: `no copy` by default.
 * @param runner - `describe`, `it` and `afterEach`; by default the global ones.
 * @throws InvalidArgumentError without a runner.
 *
 * @example
 * ```ts
 * storageSuite('my storage', defer(() => openMyStorage(createFolder())));
 * ```
 */
export const storageSuite = (
  name: string,
  open: OpenStorage,
  has: 'copy' | 'no copy' = 'no copy',
  { describe, it }: SuiteRunner = findGlobalRunner(),
): void => {
  describe(name, () => {
    for (const [title, test] of Object.entries(storageTests)) it(title, () => runStorageTest(open, test));
    if (has === 'copy')
      for (const [title, test] of Object.entries(copyTests)) it(title, () => runStorageTest(open, test));
  });
};
