import { objectsFrom } from '../lib/store/keys.js';
import { outboxEntries } from '../lib/store/outbox.js';
import type { Disk } from './disk.js';

/** Where a realm keeps what was rejected of it. */
const rejectedPrefix = 'r/';

/** What is on the disk of a device, counted: changesets that wait to be uploaded, objects, rejected writes, and all keys. */
export const keptOn = (
  disk: Pick<Disk, 'keys'>,
): { readonly waiting: number; readonly objects: number; readonly rejected: number; readonly all: number } => {
  const keys = disk.keys();
  const under = (prefix: string): number => keys.filter((key) => key.startsWith(prefix)).length;
  return {
    waiting: under(outboxEntries),
    objects: under(objectsFrom),
    rejected: under(rejectedPrefix),
    all: keys.length,
  };
};
