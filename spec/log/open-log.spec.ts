import { firstValueFrom, lastValueFrom, toArray, type Observable } from 'rxjs';
import type { Log } from '../../lib/log/log.js';
import { StorageError } from '../../lib/model/errors.js';
import { limits } from '../../lib/model/limits.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import {
  appendEntries,
  appendEntries$,
  createCountingStorage,
  createEntry,
  format,
  openTestLog,
  createEntries,
  trimLog,
  type Entry,
} from './test-kit.js';

const versions = async (log: Log<Entry>, after: number) => {
  const { entries, upTo } = await firstValueFrom(log.page(after));
  expect(upTo).toBe(entries.at(-1)?.version ?? after);
  return entries.map(({ version }) => version);
};
const whole = async (log: Log<Entry>): Promise<number[]> => {
  const found: number[] = [];
  for (let after = log.floor; after < log.head; after = found.at(-1)!) found.push(...(await versions(log, after)));
  return found;
};
const from = (first: number, last: number) => createEntries(first, last).map(({ version }) => version);
const errorOf = (stream: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(stream, { defaultValue: 'none' }).catch((thrown: unknown) => thrown);
const raw = (storage: Storage, key: string, value: Uint8Array | null) =>
  lastValueFrom(storage.batch([value ? { type: 'put', key, value } : { type: 'del', key }], { durable: false }), {
    defaultValue: undefined,
  });
const keyOf = (version: number) => `log/e${version.toString(36).padStart(11, '0')}`;

/** Moves an entry to the next version, and leaves a gap where it was. */
const swap = async (storage: Storage, version: number, next: number) => {
  await raw(storage, keyOf(version), null);
  await raw(storage, keyOf(next), format.encode(createEntry(version)));
};

describe('a log', () => {
  it('is empty at first', async () => {
    const log = await openTestLog(memoryStorage());
    expect([log.head, log.floor, await versions(log, 0)]).toEqual([0, 0, []]);
  });

  it('changes nothing by itself, and shows an append once it is notified of it', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    const puts = log.toAppendChanges(0, createEntries(1, 3));
    expect(await whole(await openTestLog(storage))).toEqual([]);
    await lastValueFrom(storage.batch(puts, { durable: true }), { defaultValue: undefined });
    expect([log.head, await versions(log, 0)]).toEqual([0, []]);
    log.confirmAppend(0, createEntries(1, 3));
    expect([log.head, await versions(log, 0)]).toEqual([3, [1, 2, 3]]);
  });

  it('hides stored entries of which it was not notified yet', async () => {
    const storage = memoryStorage();
    await appendEntries(storage, await openTestLog(storage), createEntries(1, 10));
    const log = await openTestLog(storage);
    await lastValueFrom(storage.batch(log.toAppendChanges(10, createEntries(11, 12)), { durable: true }), {
      defaultValue: undefined,
    });
    expect(await versions(log, 0)).toEqual(from(1, 10));
    log.confirmAppend(10, createEntries(11, 12));
    expect(await whole(log)).toEqual(from(1, 12));
  });

  it('is the same when opened again', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(1, 40));
    await appendEntries(storage, log, createEntries(41, 2_500));
    const again = await openTestLog(storage);
    expect([again.head, again.floor]).toEqual([2_500, 0]);
    expect(await whole(again)).toEqual(from(1, 2_500));
  });

  it('stays within its prefix', async () => {
    const storage = memoryStorage();
    const one = await openTestLog(storage, { prefix: 'a/' });
    const other = await openTestLog(storage, { prefix: 'b/' });
    await appendEntries(storage, one, createEntries(1, 3));
    await appendEntries(storage, other, createEntries(1, 5));
    await trimLog(storage, other, 5);
    expect([
      (await openTestLog(storage, { prefix: 'a/' })).head,
      (await openTestLog(storage, { prefix: 'b/' })).floor,
    ]).toEqual([3, 5]);
  });

  it('is opened by reading its floor, and its records once', async () => {
    const { storage, reads } = createCountingStorage();
    await appendEntries(storage, await openTestLog(storage), createEntries(1, 9_000));
    const before = reads();
    await openTestLog(storage);
    expect(reads() - before).toBe(1 + 1 + 9 + 1); // The floor, no blocks, nine pages of entries, and their end.
  });

  it('has the order of versions in its keys', async () => {
    const [low, high] = [35, 36 ** 4].map((version) => keyOf(version));
    const log = await openTestLog(memoryStorage());
    expect(log.toAppendChanges(36 ** 4 - 1, [createEntry(36 ** 4)]).map(({ key }) => key)).toEqual([high]);
    expect(low! < high!).toBe(true);
    expect(keyOf(Number.MAX_SAFE_INTEGER)).toHaveLength(keyOf(1).length);
  });

  it('reports entries with a gap between their versions as a defect', async () => {
    const log = await openTestLog(memoryStorage());
    expect(() => log.toAppendChanges(0, [createEntry(2)])).toThrow('Defect');
    expect(() => log.toAppendChanges(0, [createEntry(1), createEntry(3)])).toThrow('Defect');
    expect(() => log.confirmAppend(1, [createEntry(2)])).toThrow('Defect');
    expect(() => log.confirmAppend(0, [createEntry(2)])).toThrow('Defect');
    expect(log.head).toBe(0);
  });

  it('ends a page by its count of entries and by its bytes, from memory and from the storage alike', async () => {
    const storage = memoryStorage();
    const live = await openTestLog(storage);
    await appendEntries(storage, live, createEntries(1, 1_500));
    const half = limits.pageBytesMax / 2;
    await appendEntries(storage, live, [
      ...createEntries(1_501, 1_503, half),
      createEntry(1_504, 3 * half),
      createEntry(1_505),
    ]);
    for (const log of [live, await openTestLog(storage), await openTestLog(storage, { tailBytesMax: 0 })]) {
      expect(await versions(log, 0)).toEqual(from(1, limits.pageChangesetsMax));
      expect(await versions(log, 1_500)).toEqual([1_501, 1_502]);
      expect(await versions(log, 1_503)).toEqual([1_504]);
      expect(await versions(log, 1_504)).toEqual([1_505]);
      expect(await versions(log, 1_505)).toEqual([]);
    }
  });
});

describe('the tail of a log', () => {
  it('saves reads of the storage', async () => {
    const { storage, reads } = createCountingStorage();
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(1, 500));
    const before = reads();
    expect(await whole(log)).toEqual(from(1, 500));
    expect(reads() - before).toBe(0);
  });

  it('holds a limited number of bytes of the newest entries, and the storage holds the rest', async () => {
    const { storage, reads } = createCountingStorage();
    const log = await openTestLog(storage, { tailBytesMax: 1_000 });
    for (const one of createEntries(1, 5_000)) await appendEntries(storage, log, [one]);
    const before = reads();
    expect(await versions(log, 4_990)).toEqual(from(4_991, 5_000));
    expect(reads() - before).toBe(0);
    expect((await versions(log, 4_989))[0]).toBe(4_990);
    expect(reads() - before).toBe(1);
    expect(await whole(log)).toEqual(from(1, 5_000));
  });

  it('begins where the log was opened', async () => {
    const { storage, reads } = createCountingStorage();
    await appendEntries(storage, await openTestLog(storage), createEntries(1, 10));
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(11, 20));
    const before = reads();
    expect(await versions(log, 10)).toEqual(from(11, 20));
    expect(reads() - before).toBe(0);
    expect(await whole(log)).toEqual(from(1, 20));
  });
});

describe('trimming a log', () => {
  it('removes the beginning of the log, also after it is opened again', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(1, 100));
    await trimLog(storage, log, 60);
    for (const trimmed of [log, await openTestLog(storage)]) {
      expect([trimmed.floor, trimmed.head]).toEqual([60, 100]);
      expect(await whole(trimmed)).toEqual(from(61, 100));
      expect(await errorOf(trimmed.page(59))).toBeInstanceOf(StorageError);
    }
  });

  it('keeps the head when no entry is left', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(1, 100));
    await trimLog(storage, log, 100);
    const again = await openTestLog(storage);
    expect([again.floor, again.head]).toEqual([100, 100]);
    await appendEntries(storage, again, createEntries(101, 102));
    expect(await whole(again)).toEqual([101, 102]);
  });

  it('may be repeated, and may go beyond the head', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(1, 10));
    await trimLog(storage, log, 5);
    expect(log.toTrimChanges(5)).toEqual([]);
    await trimLog(storage, log, 3);
    expect(log.floor).toBe(5);
    await trimLog(storage, log, 99);
    expect([log.floor, log.head]).toEqual([10, 10]);
  });
});

describe('the head of a log', () => {
  it('is emitted now and whenever it grows, until the log is closed', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    await appendEntries(storage, log, createEntries(1, 2));
    const heads = firstValueFrom(log.head$.pipe(toArray()));
    await appendEntries(storage, log, createEntries(3, 3));
    await appendEntries(storage, log, []);
    await appendEntries(storage, log, createEntries(4, 9));
    log.close();
    expect(await heads).toEqual([2, 3, 9]);
  });

  it('is emitted to all subscribers in one order, even when one of them appends when it receives a head', async () => {
    const storage = memoryStorage();
    const log = await openTestLog(storage);
    const emitted: number[] = [];
    log.head$.subscribe((head) => {
      if (head === 1) appendEntries$(storage, log, [createEntry(2)]).subscribe();
    });
    log.head$.subscribe((head) => emitted.push(head));
    await appendEntries(storage, log, [createEntry(1)]);
    expect(emitted).toEqual([0, 1, 2]);
  });
});

describe('a corrupt log', () => {
  const damageLog = async (damage: (storage: Storage) => Promise<unknown>): Promise<readonly [Storage, Log<Entry>]> => {
    const storage = memoryStorage();
    const log = await openTestLog(storage, { tailBytesMax: 0 });
    await appendEntries(storage, log, createEntries(1, 10));
    await trimLog(storage, log, 2);
    await damage(storage);
    return [storage, log];
  };
  const openDamaged = async (damage: (storage: Storage) => Promise<unknown>): Promise<unknown> =>
    openTestLog((await damageLog(damage))[0]);

  it.each<[string, (storage: Storage) => Promise<unknown>]>([
    ['has an entry that cannot be read', (storage) => raw(storage, keyOf(5), new Uint8Array(3))],
    ['has an entry with the version of another', (storage) => raw(storage, keyOf(5), format.encode(createEntry(6)))],
    ['has a gap', (storage) => raw(storage, keyOf(5), null)],
    ['has an entry under the key of another', (storage) => swap(storage, 10, 11)],
    ['does not begin after its floor', (storage) => raw(storage, keyOf(3), null)],
  ])('does not open when it %s, and an open one errors where it is read', async (_, damage) => {
    const [storage, log] = await damageLog(damage);
    await expect(openTestLog(storage)).rejects.toBeInstanceOf(StorageError);
    await expect(whole(log)).rejects.toBeInstanceOf(StorageError);
  });

  it('does not open with an invalid floor', async () => {
    await expect(openDamaged((storage) => raw(storage, 'log/floor', Uint8Array.of(1)))).rejects.toBeInstanceOf(
      StorageError,
    );
  });

  it('does not open with an invalid key', async () => {
    await expect(openDamaged((storage) => raw(storage, 'log/ezz', Uint8Array.of(1)))).rejects.toBeInstanceOf(
      StorageError,
    );
  });
});
