import { decodeValue } from '../lib/model/msgpack.js';
import { isRight } from '../lib/model/result.js';
import { blockPrefix, metadataKey, objectKeyOf, objectKeysFrom, outboxPrefix } from '../lib/store/storage-keys.js';
import { decodeBlock } from '../lib/store/objects/object-block.js';
import { isGoneMark } from '../lib/store/objects/stored-object.js';
import type { Disk } from './simulated-disk.js';

/** Prefix of the keys of rejected writes. */
const rejectedPrefix = 'r/';

/** Numbers of records on the disk of a device. */
export interface DiskCounts {
  /** Records of the outbox: changesets, and blocks of them. */
  readonly waiting: number;
  readonly objects: number;
  /** Rows of all blocks, and how many of them are replaced by records of their objects. */
  readonly rows: number;
  readonly replacedRows: number;
  readonly rejected: number;
  /** Keys of nothing of the above. */
  readonly others: number;
}

export const countRecords = (disk: Pick<Disk, 'entries'>): DiskCounts => {
  const entries = disk.entries();
  const under = (prefix: string) => [...entries].filter(([key]) => key.startsWith(prefix));
  const single = new Map(under(objectKeysFrom));
  const blocks = under(blockPrefix);
  const rows = blocks.flatMap(([key, record]) => decodeBlock(key, record).rows);
  const replacedRows = rows.filter(({ type, key }) => single.has(objectKeyOf(type, key))).length;
  const waiting = under(`${outboxPrefix}b`).length + under(`${outboxPrefix}e`).length;
  const rejected = under(rejectedPrefix).length;
  return {
    ...{ waiting, rejected, replacedRows, rows: rows.length },
    objects: rows.length - replacedRows + [...single.values()].filter((bytes) => !isGoneMark(bytes)).length,
    others: entries.size - single.size - blocks.length - waiting - rejected,
  };
};

/** Whether the replica on a disk has ever been bound: from then on the server knows its user. */
export const isOwned = (disk: Pick<Disk, 'synced'>): boolean => {
  const read = decodeValue(disk.synced().get(metadataKey) ?? new Uint8Array(0));
  // The stored fields are format, replica and history.
  return isRight(read) && Array.isArray(read.right) && typeof read.right[2] === 'string';
};
