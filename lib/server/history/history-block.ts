import type { BlockForm } from '../../log/log-block.js';
import { isBytes } from '../../model/built-ins.js';
import { bytesOf } from '../../model/changeset.js';
import { decodeArrayStart, encodeValue } from '../../model/msgpack.js';
import { createDamageError, decodeStoredFields, requireStored, storedFieldsOf } from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';
import type { HistoryRecord } from './history-record.js';

/*
 * Encodes changesets of a history in blocks: `[first, count, before, page, totals?]`. `first` is the version of the
 * first changeset, `count` the number of changesets, and `before` the total before the first one. `page` has the form
 * in which a `download` carries changesets: the origins, then `[version, index of the origin, time, count, body]` for
 * each changeset. A changeset with touches has them after `body`. `totals` are stored only if they do not follow from
 * `before` and the sizes of the changesets.
 *
 * Earlier versions stored each changeset on its own: `[version, origin, time, count, body, total]`.
 */

/** Returns the total before a block; `null` if the totals do not follow from it. */
const totalBefore = (records: readonly HistoryRecord[]): number | null => {
  const [first] = records;
  const before = first ? first.total - bytesOf(first) : -1;
  let total = before;
  for (const record of records) {
    total += bytesOf(record);
    if (record.total !== total) return null;
  }
  return before < 0 ? null : before;
};

const encode = (records: readonly HistoryRecord[]): Uint8Array => {
  const indexes = new Map<string, number>();
  const rows = records.map(({ version, origin, time, count, body, touches }) => {
    let index = indexes.get(origin);
    if (index === undefined) indexes.set(origin, (index = indexes.size));
    return touches === undefined ? [version, index, time, count, body] : [version, index, time, count, body, touches];
  });
  const before = totalBefore(records);
  const page = [[...indexes.keys()], rows];
  const fields = [records[0]?.version, records.length, before ?? 0, page];
  return encodeValue(before === null ? [...fields, records.map(({ total }) => total)] : fields);
};

/** Returns the record of valid fields. Throws a `StorageError` for other fields. */
const recordOf = (
  key: string,
  origin: unknown,
  [version, , time, count, body]: readonly unknown[],
  total: unknown,
  touches?: unknown,
): HistoryRecord => {
  const isStamped = typeof time === 'number' && Number.isFinite(time) && isCount(count);
  if (isCount(version) && typeof origin === 'string' && isStamped && isBytes(body) && isCount(total)) {
    const record = { version, origin, time, count, body, total };
    if (touches === undefined) return record;
    if (isBytes(touches)) return { ...record, touches };
  }
  throw createDamageError('record', key);
};

const isBlock = (second: unknown): second is number => isCount(second) && second > 0;

const decode = (key: string, bytes: Uint8Array): readonly HistoryRecord[] => {
  const fields = decodeStoredFields(key, bytes);
  const [, count, before, page, totals] = fields;
  if (!isBlock(count)) return [recordOf(key, fields[1], fields, fields[5])];
  const [origins, rows] = storedFieldsOf(key, page).map((each) => storedFieldsOf(key, each));
  const allTotals = totals === undefined ? null : storedFieldsOf(key, totals);
  if (!origins || rows?.length !== count || !isCount(before)) throw createDamageError('record', key);
  let total = before;
  return rows.map((given, at) => {
    const row = storedFieldsOf(key, given);
    const [, index, , , body] = row;
    if (isBytes(body)) total += bytesOf({ body });
    const origin = typeof index === 'number' ? origins[index] : undefined;
    return recordOf(key, origin, row, allTotals === null ? total : allTotals[at], row[5]);
  });
};

const lastVersionOf = (key: string, bytes: Uint8Array): Version => {
  const start = requireStored(
    decodeArrayStart(bytes, Infinity, () => 1),
    'record',
    key,
  );
  const [first, count] = storedFieldsOf(key, start);
  if (!isCount(first)) throw createDamageError('record', key);
  return isBlock(count) ? first + count - 1 : first;
};

const sizeOf = (record: HistoryRecord): number => bytesOf(record) + (record.touches?.byteLength ?? 0);

/** The form of the blocks of a history. */
export const historyBlockForm: BlockForm<HistoryRecord> = { encode, decode, lastVersionOf, sizeOf };
