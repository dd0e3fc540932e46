import { firstValueFrom } from 'rxjs';
import type { Log } from '../../lib/log/log.js';
import { limits } from '../../lib/model/limits.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { sortableTextOf } from '../../lib/model/sortable-number.js';
import { decodeStoredFields } from '../../lib/model/stored-data.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageChange } from '../../lib/storage/storage.js';
import { keysOf, readAll, recordsOf } from './entry-blocks-kit.js';
import { createEntries, createEntry, type Entry, openTestLog } from './test-kit.js';

const bytesOf = async (storage: Storage): Promise<number> =>
  (await recordsOf(storage)).reduce((sum, [, value]) => sum + value.byteLength, 0);
const blockKey = (version: number): string => `log/b${sortableTextOf(version)}`;
const entryKey = (version: number): string => `log/e${sortableTextOf(version)}`;

const put = (storage: Storage, ...changes: readonly StorageChange[]): void =>
  void storage.batch(changes, { durable: true }).subscribe();

/** Appends entries of these sizes in one batch. */
const appendTogether = (storage: Storage, log: Log<Entry>, ...sizes: readonly number[]): void => {
  const entries = sizes.map((size, at) => createEntry(log.head + 1 + at, size));
  put(storage, ...log.pack(log.toAppendChanges(log.head, entries)));
  log.confirmAppend(log.head, entries);
};
const appendMany = (storage: Storage, log: Log<Entry>, count: number, size = 100): void => {
  appendTogether(storage, log, ...Array<number>(count).fill(size));
};
const trim = (storage: Storage, log: Log<Entry>, upTo: number): void => {
  put(storage, ...log.toTrimChanges(upTo));
  log.confirmTrim(upTo);
};

describe('entries that a batch appends together', () => {
  it('are one record, which is deleted when all of them are trimmed', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    appendMany(storage, log, 100);
    appendMany(storage, log, 3);
    appendMany(storage, log, 50);
    const singles = [101, 102, 103].map(entryKey);
    expect(await keysOf(storage)).toEqual([blockKey(1), blockKey(104), ...singles]);
    trim(storage, log, 99);
    expect(await keysOf(storage)).toEqual([blockKey(1), blockKey(104), ...singles, 'log/floor']);
    trim(storage, log, 101);
    expect(await keysOf(storage)).toEqual([blockKey(104), ...singles.slice(1), 'log/floor']);
    const opened = await openTestLog(storage);
    trim(storage, opened, 110);
    expect(await keysOf(storage)).toEqual([blockKey(104), 'log/floor']);
    trim(storage, opened, 153);
    expect(await keysOf(storage)).toEqual(['log/floor']);
  });

  it('are several records when they are more than a page', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    appendMany(storage, log, limits.pageChangesetsMax + 50);
    expect(await keysOf(storage)).toEqual([blockKey(1), blockKey(limits.pageChangesetsMax + 1)]);
    appendMany(storage, log, 100, 10_000);
    const small = Array<number>(5).fill(1_000);
    appendTogether(storage, log, ...small, limits.pageBytesMax + 1, ...small);
    for (const [key, value] of await recordsOf(storage))
      if (key.startsWith('log/b')) expect(value.byteLength).toBeLessThan(limits.pageBytesMax + 10_000);
    expect((await keysOf(storage)).slice(-1)).toEqual([entryKey(log.head - 5)]); // The large one.
    expect(await readAll(await openTestLog(storage, { tailBytesMax: 0 }))).toHaveLength(limits.pageChangesetsMax + 161);
  });

  it('are deleted once, also after they were replaced and the log was restarted', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    const keysTo = (upTo: number): readonly string[] => log.toTrimChanges(upTo).map(({ key }) => key);
    for (let block = 0; block < 3; block += 1) appendMany(storage, log, 10);
    put(storage, ...log.pack(log.toReplaceChanges(createEntries(9, 10))));
    log.confirmReplace(createEntries(9, 10));
    expect(keysTo(10)).toEqual([entryKey(9), entryKey(10), blockKey(1), 'log/floor']);
    trim(storage, log, 10);
    expect(keysTo(29)).toEqual([blockKey(11), 'log/floor']);
    trim(storage, log, 29);
    put(storage, ...log.pack(log.toRestartChanges(30, createEntries(1, 12))));
    log.confirmRestart(createEntries(1, 12));
    expect(await keysOf(storage)).toEqual([blockKey(1)]);
    expect(keysTo(12)).toEqual([blockKey(1), 'log/floor']);
  });

  it('are read with those that replaced them, on pages that end before the last of these', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage, { tailBytesMax: 0, sizeOf: () => 1 });
    appendMany(storage, log, 600);
    put(storage, ...log.pack(log.toReplaceChanges(createEntries(1, 600, 400))));
    expect((await firstValueFrom(log.page(0))).entries.length).toBeLessThan(600);
    expect(await readAll(log)).toEqual(createEntries(1, 600, 400));
  });

  it('take the bytes of those that are not trimmed, and at most one block more', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    for (let batch = 0; batch < 60; batch += 1) {
      appendMany(storage, log, 700);
      trim(storage, log, log.head - 300);
      const spare = limits.pageBytesMax + 10_000;
      expect(await bytesOf(storage)).toBeLessThan((log.head - log.floor) * 110 + spare);
    }
    expect(log.head).toBe(42_000);
  });

  it('are read without those that are trimmed, whatever became of their bytes', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    appendMany(storage, log, 10);
    trim(storage, log, 4);
    const [[key, value] = ['', new Uint8Array(0)]] = await recordsOf(storage);
    const fields = decodeStoredFields(key, value);
    put(storage, { type: 'put', key, value: encodeValue(fields.with(2, Uint8Array.of(1))) });
    expect(await readAll(await openTestLog(storage))).toEqual(createEntries(5, 10));
  });

  it.each<[string, (block: Uint8Array, fields: readonly unknown[]) => Uint8Array | null, string]>([
    ['is incomplete', (block) => block.slice(0, -30), blockKey(9)],
    ['has other bytes', (block) => block.with(0, 0xc1), blockKey(9)],
    ['has no entries', () => encodeValue([]), blockKey(9)],
    ['has a number for an entry', (_, fields) => encodeValue(fields.with(3, 7)), blockKey(9)],
    ['lacks an entry in the middle', (_, fields) => encodeValue(fields.toSpliced(3, 1)), blockKey(9)],
    ['has an incomplete entry', (_, fields) => encodeValue(fields.with(3, Uint8Array.of(1))), blockKey(9)],
    ['lacks its last entry', (_, fields) => encodeValue(fields.slice(0, -1)), entryKey(16)],
    ['is missing', () => null, entryKey(9)],
  ])('are not opened, and left as they are, when a block in the middle %s', async (_, damage, named) => {
    const storage = memoryStorage();
    const log = await openTestLog(storage, { tailBytesMax: 0 });
    for (let block = 0; block < 3; block += 1) appendMany(storage, log, 8);
    const [, [key, value] = ['', new Uint8Array(0)]] = await recordsOf(storage);
    const damaged = damage(value, decodeStoredFields(key, value));
    put(storage, damaged ? { type: 'put', key, value: damaged } : { type: 'del', key });
    const before = await recordsOf(storage);
    await expect(openTestLog(storage)).rejects.toMatchObject({ name: 'StorageError' });
    await expect(openTestLog(storage)).rejects.toThrow(named);
    await expect(readAll(log)).rejects.toMatchObject({ name: 'StorageError' }); // It was open before the damage.
    expect(await recordsOf(storage)).toEqual(before);
  });
});
