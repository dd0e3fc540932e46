import { decodeValue } from '../lib/model/msgpack.js';
import { isRight } from '../lib/model/result.js';
import { metadataKey, objectKeysFrom } from '../lib/store/storage-keys.js';
import { outboxEntryPrefix } from '../lib/store/commit/outbox.js';
import type { Disk } from './simulated-disk.js';

/** Prefix of the keys of rejected writes. */
const rejectedPrefix = 'r/';

/** Counts the keys on a device's disk: outbox changesets, objects, rejected writes, and all keys. */
export const countKeys = (
  disk: Pick<Disk, 'keys'>,
): { readonly waiting: number; readonly objects: number; readonly rejected: number; readonly all: number } => {
  const keys = disk.keys();
  const under = (prefix: string): number => keys.filter((key) => key.startsWith(prefix)).length;
  return {
    waiting: under(outboxEntryPrefix),
    objects: under(objectKeysFrom),
    rejected: under(rejectedPrefix),
    all: keys.length,
  };
};

/** Whether the replica on a disk has ever been bound: from then on the server knows its user. */
export const isOwned = (disk: Pick<Disk, 'synced'>): boolean => {
  const read = decodeValue(disk.synced().get(metadataKey) ?? new Uint8Array(0));
  // The stored fields are format, replica and history.
  return isRight(read) && Array.isArray(read.right) && typeof read.right[2] === 'string';
};
