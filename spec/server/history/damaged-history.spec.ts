import { firstValueFrom, lastValueFrom } from 'rxjs';
import { encodeValue } from '../../../lib/model/msgpack.js';
import { StorageError } from '../../../lib/model/errors.js';
import { parseObjectText } from '../../../lib/model/object-key.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage, StorageEntry } from '../../../lib/storage/storage.js';
import {
  advanceProjection,
  appendOperations,
  contentsOf,
  createRejection,
  createReplicaRecord,
  createTask,
  deleteTask,
  rowsOf,
} from '../../../lib/testing/history-fixtures.js';
import { allOf } from '../../../lib/testing/suite-assertions.js';
import { checkEveryDamage } from '../../damaged-records.js';

const nothing = { defaultValue: undefined };
const opened = (storage: Storage) => firstValueFrom(openHistory(storage, 'team', { random: () => 0 }));

/** The entries of a history that has a record of each kind. */
const entriesOfHistory = async (): Promise<readonly StorageEntry[]> => {
  const storage = memoryStorage();
  const history = await opened(storage);
  await appendOperations(history, [createTask('a'), createTask('b'), deleteTask('b')], {
    replicas: new Map([['one', createReplicaRecord(3, true)]]),
    rejected: [createRejection('one', 2)],
    runs: [{ replica: 'one', run: { id: 'run', from: 1, number: 1 } }],
  });
  await advanceProjection(history);
  await lastValueFrom(history.writeCursors(new Map([['one', { downloadedTo: 3, confirmedAt: 5 }]])), nothing);
  await lastValueFrom(history.raiseRetentionCutoff(7), nothing);
  return firstValueFrom(storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));
};

/** Opens the history of these entries and reads everything in it. Resolves with the error, or `null`. */
const errorOfHistory = async (entries: readonly StorageEntry[]): Promise<unknown> => {
  const storage = memoryStorage();
  const puts = entries.map(([key, value]) => ({ type: 'put', key, value }) as const);
  await lastValueFrom(storage.batch(puts, { durable: true }), nothing);
  try {
    const history = await opened(storage);
    await contentsOf(history, ['one']);
    await firstValueFrom(history.readRuns('one'));
    const rows = await rowsOf(history);
    await allOf(history.projection.readStates(rows.map(([text]) => text)));
    rows.forEach(([text]) => parseObjectText(text));
    await allOf(history.projection.readLastTombstone(Number.MAX_SAFE_INTEGER));
    return null;
  } catch (thrown) {
    return thrown;
  }
};

/** The entries with the value or key of one of them replaced. */
const replaced = (entries: readonly StorageEntry[], key: string, by: StorageEntry): readonly StorageEntry[] =>
  entries.map((entry) => (entry[0] === `realm/team/${key}` ? [`realm/team/${by[0]}`, by[1]] : entry));

describe('a damaged record of a history', () => {
  it('is a StorageError, whatever the damage, or is not noticed; never another error', async () => {
    const entries = await entriesOfHistory();
    expect(new Set(entries.map(([key]) => key.split('/')[2]))).toEqual(
      new Set(['dead', 'horizon', 'id', 'latest', 'log', 'object', 'objects', 'refused', 'replica', 'run', 'seen']),
    );
    expect(await errorOfHistory(entries)).toBeNull();
    await checkEveryDamage(entries, errorOfHistory);
  });

  it.each([
    ['id', /record id cannot be read/],
    ['horizon', /record horizon cannot be read/],
    ['latest', /record latest cannot be read/],
    ['log/e00000000001', /record log\/e00000000001 cannot be read/],
    ['object/Task/sa', /object Task\/sa cannot be read/],
    ['objects', /record objects cannot be read/],
    ['refused/one/00000000002', /record refused\/one\/00000000002 cannot be read/],
    ['replica/one', /record replica\/one cannot be read/],
    ['run/one/00000000001', /record run\/one\/00000000001 cannot be read/],
    ['seen/one', /record seen\/one cannot be read/],
  ])('is named by the error, which says what to do: %s', async (key, text) => {
    const error = await errorOfHistory(replaced(await entriesOfHistory(), key, [key, Uint8Array.of(0xc1)]));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ message: expect.stringMatching(text) as unknown });
    expect(error).toMatchObject({ message: expect.stringMatching(/Restore a backup/) as unknown });
  });

  it.each([
    ['refused/one/00000000002', 'refused/one/2!'],
    ['object/Task/sa', 'object/Task/xa'],
    ['log/e00000000001', 'log/e0000000000~'],
  ])('is named by the error when its key is invalid: %s', async (key, invalid) => {
    const entries = await entriesOfHistory();
    const [, value] = entries.find(([each]) => each === `realm/team/${key}`)!;
    const error = await errorOfHistory(replaced(entries, key, [invalid, value]));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({
      message: expect.stringContaining(`key ${invalid.replace('object/', '')}`) as unknown,
    });
  });

  it.each([
    ['a time', [1, 0, 'x', 0, new Uint8Array(1)]],
    ['a count', [1, 0, 1, -1, new Uint8Array(1)]],
    ['an origin', [1, 1, 1, 0, new Uint8Array(1)]],
    ['a body', [1, 0, 1, 0, 'x']],
    ['a version', [2, 0, 1, 0, new Uint8Array(1)]],
  ])('is noticed when a changeset does not have %s', async (_, row) => {
    const entries = await entriesOfHistory();
    const rows = [row, [2, 0, 1, 0, new Uint8Array(1)], [3, 0, 1, 0, new Uint8Array(1)]];
    const record = encodeValue([1, 3, 0, [['one'], rows]]);
    const error = await errorOfHistory(replaced(entries, 'log/e00000000001', ['log/e00000000001', record]));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ message: expect.stringContaining('log/e00000000001') as unknown });
  });
});
