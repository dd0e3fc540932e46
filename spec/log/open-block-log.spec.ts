import fc from 'fast-check';
import { concat, defer, firstValueFrom, lastValueFrom, switchMap } from 'rxjs';
import type { BlockForm } from '../../lib/log/log-block.js';
import { openBlockLog, type BlockLog } from '../../lib/log/open-block-log.js';
import { StorageError } from '../../lib/model/errors.js';
import { limits } from '../../lib/model/limits.js';
import { createDamageError } from '../../lib/model/stored-data.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { runOptions } from '../merge/arbitrary-operations.js';
import { createCountingStorage, createEntries, createEntry, type Entry } from './test-kit.js';

const nothing = { defaultValue: undefined };
const keyOf = (version: number) => `log/e${version.toString(36).padStart(11, '0')}`;

/** Blocks of pairs: the version and the size of each entry. */
const form: BlockForm<Entry> = {
  encode: (entries) =>
    new Uint8Array(Float64Array.from(entries.flatMap(({ version, bytes }) => [version, bytes])).buffer),
  decode: (key, bytes) => {
    if (bytes.byteLength === 0 || bytes.byteLength % 16 !== 0) throw createDamageError('record', key);
    const numbers = new Float64Array(bytes.slice().buffer);
    return Array.from({ length: numbers.length / 2 }, (_, at) => createEntry(numbers[2 * at]!, numbers[2 * at + 1]));
  },
  lastVersionOf: (key, bytes) => form.decode(key, bytes).at(-1)!.version,
  sizeOf: ({ bytes }) => bytes,
};

const opened = (storage: Storage, tailBytesMax?: number) =>
  firstValueFrom(
    openBlockLog({ storage, prefix: 'log/', ...form, ...(tailBytesMax === undefined ? {} : { tailBytesMax }) }),
  );
const append = (storage: Storage, log: BlockLog<Entry>, entries: readonly Entry[]) =>
  lastValueFrom(
    concat(
      storage.batch(log.toAppendChanges(log.head, entries), { durable: true }),
      defer(() => {
        log.confirmAppend(log.head, entries);
        return [];
      }),
    ),
    nothing,
  );
const trim = async (storage: Storage, log: BlockLog<Entry>, upTo: number) => {
  const changes$ = log.readTrimChanges(upTo);
  await lastValueFrom(changes$.pipe(switchMap((changes) => storage.batch(changes, { durable: true }))), nothing);
  log.confirmTrim(upTo);
};
const recordsOf = async (storage: Storage) =>
  firstValueFrom(storage.range({ from: 'log/e', to: 'log/f', limit: Infinity, bytesMax: Infinity }));
const keysOf = async (storage: Storage) => (await recordsOf(storage)).map(([key]) => key);
const versionsAfter = async (log: BlockLog<Entry>, after: number) => {
  const { entries, upTo } = await firstValueFrom(log.page(after));
  expect(upTo).toBe(entries.at(-1)?.version ?? after);
  return entries.map(({ version }) => version);
};
const whole = async (log: BlockLog<Entry>, after = log.floor): Promise<number[]> => {
  const found: number[] = [];
  for (let at = after; at < log.head; at = found.at(-1)!) found.push(...(await versionsAfter(log, at)));
  return found;
};
const from = (first: number, last: number) => createEntries(first, last).map(({ version }) => version);

describe('a log of blocks', () => {
  it('stores the entries of an append together, in blocks of at most a page', async () => {
    const storage = memoryStorage();
    const log = await opened(storage);
    await append(storage, log, createEntries(1, 3));
    await append(storage, log, createEntries(4, 2_503));
    await append(storage, log, [createEntry(2_504, limits.pageBytesMax), createEntry(2_505)]);
    expect(await keysOf(storage)).toEqual([1, 4, 1_004, 2_004, 2_504, 2_505].map(keyOf));
    expect(await whole(await opened(storage))).toEqual(from(1, 2_505));
  });

  it('is read from each version on, from memory and from the storage alike', async () => {
    const storage = memoryStorage();
    const live = await opened(storage);
    for (const [first, last] of [
      [1, 5],
      [6, 6],
      [7, 40],
      [41, 1_500],
    ] as const)
      await append(storage, live, createEntries(first, last));
    for (const log of [live, await opened(storage)])
      for (const after of [0, 1, 4, 5, 6, 7, 39, 40, 1_039, 1_040, 1_499])
        expect(await whole(log, after)).toEqual(from(after + 1, 1_500));
  });

  it('has pages of whole blocks, up to a page of entries and bytes', async () => {
    const storage = memoryStorage();
    const log = await opened(storage);
    for (let first = 1; first <= 2_401; first += 400) await append(storage, log, createEntries(first, first + 399));
    const half = limits.pageBytesMax / 2;
    await append(storage, log, createEntries(2_801, 2_801, half + 1));
    await append(storage, log, createEntries(2_802, 2_802, half));
    const again = await opened(storage);
    expect(await versionsAfter(again, 0)).toEqual(from(1, 800));
    expect(await versionsAfter(again, 100)).toEqual(from(101, 400));
    expect(await versionsAfter(again, 2_800)).toEqual([2_801]);
  });

  it('is opened by reading only its ends', async () => {
    const { storage, reads } = createCountingStorage();
    await append(storage, await opened(storage), createEntries(1, 9_000));
    const before = reads();
    expect((await opened(storage)).head).toBe(9_000);
    expect(reads() - before).toBe(2);
  });

  it('hides stored entries of which it was not notified yet', async () => {
    const storage = memoryStorage();
    await append(storage, await opened(storage), createEntries(1, 10));
    const log = await opened(storage);
    await lastValueFrom(storage.batch(log.toAppendChanges(10, createEntries(11, 12)), { durable: true }), nothing);
    expect(await whole(log)).toEqual(from(1, 10));
    log.confirmAppend(10, createEntries(11, 12));
    expect(await whole(log)).toEqual(from(1, 12));
  });

  it('deletes a block when all of its entries are trimmed, and remembers the first entry that is kept', async () => {
    const storage = memoryStorage();
    const log = await opened(storage);
    for (const first of [1, 101, 201]) await append(storage, log, createEntries(first, first + 99));
    await trim(storage, log, 99);
    expect(await keysOf(storage)).toEqual([1, 101, 201].map(keyOf));
    await trim(storage, log, 150);
    expect(await keysOf(storage)).toEqual([101, 201].map(keyOf));
    const again = await opened(storage);
    expect([again.floor, again.head, await whole(again)]).toEqual([150, 300, from(151, 300)]);
    await expect(firstValueFrom(again.page(149))).rejects.toThrow('was trimmed');
    await trim(storage, again, 200);
    expect(await keysOf(storage)).toEqual([keyOf(201)]);
    await trim(storage, again, 400);
    expect(await keysOf(storage)).toEqual([]);
    const empty = await opened(storage);
    expect([empty.floor, empty.head]).toEqual([300, 300]);
    await append(storage, empty, createEntries(301, 302));
    expect(await whole(await opened(storage))).toEqual([301, 302]);
  });

  it('reports a missing block, and a block with other versions than its key says', async () => {
    const storage = memoryStorage();
    const log = await opened(storage, 0);
    for (const first of [1, 11, 21]) await append(storage, log, createEntries(first, first + 9));
    const [, second] = await recordsOf(storage);
    await lastValueFrom(storage.batch([{ type: 'del', key: keyOf(11) }], { durable: true }), nothing);
    await expect(firstValueFrom(log.page(10))).rejects.toBeInstanceOf(StorageError);
    await expect(firstValueFrom(log.page(15))).rejects.toThrow('it is missing');
    await expect(firstValueFrom(log.page(0))).rejects.toThrow('it is missing');
    await lastValueFrom(
      storage.batch([{ type: 'put', key: keyOf(12), value: second![1] }], { durable: true }),
      nothing,
    );
    await expect(firstValueFrom(log.page(11))).rejects.toThrow('version 12 of its entries is 11');
  });

  it('reports entries with a gap between their versions as a defect', async () => {
    const log = await opened(memoryStorage());
    expect(() => log.toAppendChanges(0, [createEntry(2)])).toThrow('Defect');
    expect(() => log.confirmAppend(1, [createEntry(2)])).toThrow('Defect');
    expect(() => log.confirmAppend(0, [createEntry(2)])).toThrow('Defect');
  });

  it('has the entries of a plain list, whatever is appended, trimmed and opened again', async () => {
    const step = fc.oneof(
      fc.record({ does: fc.constant('append' as const), count: fc.integer({ min: 0, max: 1_300 }) }),
      fc.record({ does: fc.constant('append' as const), count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ does: fc.constant('trim' as const), count: fc.integer({ min: 0, max: 1_300 }) }),
      fc.constant({ does: 'open' as const, count: 0 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.nat(), async (steps, where) => {
        const storage = memoryStorage();
        let log = await opened(storage, 5_000);
        let [floor, head] = [0, 0];
        for (const { does, count } of steps) {
          if (does === 'open') log = await opened(storage, 5_000);
          else if (does === 'append') {
            await append(storage, log, createEntries(head + 1, head + count));
            head += count;
          } else {
            floor = Math.max(floor, Math.min(head, floor + count));
            await trim(storage, log, floor);
          }
          expect([log.floor, log.head]).toEqual([floor, head]);
        }
        expect(await whole(log)).toEqual(from(floor + 1, head));
        const after = floor + (where % (head - floor + 1));
        expect(await whole(log, after)).toEqual(from(after + 1, head));
        const [oldest, next] = (await keysOf(storage)).map((key) => parseInt(key.slice(5), 36));
        expect(floor === head || (oldest ?? Infinity) <= floor + 1).toBe(true);
        expect((next ?? Infinity) > floor + 1).toBe(true); // Only the first block may have trimmed entries.
      }),
      runOptions(60),
    );
  });
});
