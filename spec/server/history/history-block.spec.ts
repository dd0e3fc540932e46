import { firstValueFrom, lastValueFrom } from 'rxjs';
import { bytesOf } from '../../../lib/model/changeset.js';
import { decodeValue, encodeValue } from '../../../lib/model/msgpack.js';
import { isRight, right } from '../../../lib/model/result.js';
import { downloadPage } from '../../../lib/protocol/pages.js';
import { historyBlockForm } from '../../../lib/server/history/history-block.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { advanceProjection, appendOperations, createTask } from '../../../lib/testing/history-fixtures.js';

const nothing = { defaultValue: undefined };
const { encode, decode, lastVersionOf } = historyBlockForm;
const createRecords = (first: number, totals: (before: number, record: { body: Uint8Array }) => number) => {
  let total = 40;
  return Array.from({ length: 3 }, (_, at): HistoryRecord => {
    const record = { origin: at === 1 ? 'b' : 'a', time: 1.5 + at, count: at, body: new Uint8Array(at + 1) };
    return { ...record, version: first + at, total: (total = totals(total, record)) };
  });
};
const summed = createRecords(7, (before, record) => before + bytesOf(record));

describe('a block of a history', () => {
  it.each([
    ['the totals follow from the sizes', summed],
    ['the totals are any numbers', createRecords(7, (before) => before * 3)],
    ['the first total is less than its size', createRecords(7, (before) => before - 9)],
  ])('is decoded unchanged when %s', (_, records) => {
    const bytes = encode(records);
    expect(decode('k', bytes)).toEqual(records);
    expect(lastVersionOf('k', bytes)).toBe(9);
  });

  it('has its changesets in the form of a download', () => {
    const block = decodeValue(encode(summed));
    expect(block).toEqual(right([7, 3, 40, downloadPage.write(summed)]));
  });

  it('may have touches, which an earlier version of the server leaves out', () => {
    const touched = summed.map((record, at) => (at === 1 ? record : { ...record, touches: new Uint8Array(at) }));
    const bytes = encode(touched);
    expect(decode('k', bytes)).toEqual(touched);
    const block = decodeValue(bytes);
    const [, , , page] = (isRight(block) ? block.right : []) as [number, number, number, [string[], unknown[][]]];
    const [origins, rows] = page;
    // An earlier version reads the first five fields of a row.
    expect([origins, rows.map((row) => row.slice(0, 5))]).toEqual(downloadPage.write(summed));
    expect(rows.map((row) => row.length)).toEqual([6, 5, 6]);
    expect(historyBlockForm.sizeOf(touched[2]!)).toBe(bytesOf(touched[2]!) + 2);
    rows[0]![5] = 'no bytes';
    expect(() => decode('k', encodeValue([7, 3, 40, page]))).toThrow(/damaged/);
  });

  it('may be a single changeset, as earlier versions stored it', () => {
    const [record] = summed;
    const { version, origin, time, count, body, total } = record!;
    const bytes = encodeValue([version, origin, time, count, body, total]);
    expect(decode('k', bytes)).toEqual([record]);
    expect(lastVersionOf('k', bytes)).toBe(7);
  });
});

describe('a history that an earlier version stored, one changeset a record', () => {
  it('is read, continued in blocks, and trimmed', async () => {
    const storage = memoryStorage();
    const opened = () => firstValueFrom(openHistory(storage, 'team', { random: () => 0 }));
    const history = await opened();
    await appendOperations(
      history,
      ['a', 'b', 'c', 'd'].map((key) => createTask(key)),
    );
    const { entries: written } = await firstValueFrom(history.log.page(0));
    const keyOf = (version: number) => `realm/team/log/e${String(version).padStart(11, '0')}`;
    await lastValueFrom(
      storage.batch(
        written.map(({ version, origin, time, count, body, total }) => ({
          type: 'put',
          key: keyOf(version),
          value: encodeValue([version, origin, time, count, body, total]),
        })),
        { durable: true },
      ),
      nothing,
    );

    const again = await opened();
    const page = () => firstValueFrom(again.log.page(again.log.floor)).then(({ entries }) => entries);
    expect([again.log.head, again.bytes, await page()]).toEqual([4, written.at(-1)!.total, written]);
    await appendOperations(again, [createTask('e'), createTask('f')]);
    expect((await firstValueFrom((await opened()).log.page(0))).entries.map(({ version }) => version)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    await advanceProjection(again);
    await lastValueFrom(again.trim(3), nothing);
    expect((await page()).map(({ version }) => version)).toEqual([4, 5, 6]);
    const records = await firstValueFrom(
      storage.range({ from: keyOf(0), to: keyOf(99), limit: 99, bytesMax: Infinity }),
    );
    expect(records.map(([key]) => key)).toEqual([keyOf(4), keyOf(5)]);
  });
});
