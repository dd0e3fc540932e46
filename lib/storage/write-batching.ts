import { limits } from '../model/limits.js';
import type { StorageChange } from './storage.js';

interface WriteGroup {
  readonly changes: StorageChange[];
  durable: boolean;
  bytes: number;
  readonly done: Promise<void>;
}

export interface GroupedWriter {
  /** Resolves when the changes and all earlier ones are written. */
  readonly write: (changes: readonly StorageChange[], durable: boolean) => Promise<void>;
  /** Resolves when all changes so far are written or have failed. Never rejects. */
  readonly whenIdle: () => Promise<void>;
}

/**
 * Writes batches one after the other. Batches that arrive during a write are written together as the next group.
 *
 * One after the other, because engines write on several threads, where a later batch could be first. Together, because
 * a synced write costs the same for one change and for a thousand. Each batch stays atomic, because its group is.
 */
export const createGroupedWriter = (
  write: (changes: StorageChange[], durable: boolean) => Promise<void>,
): GroupedWriter => {
  let forming: WriteGroup | undefined;
  let before: Promise<void> = Promise.resolve();

  const createGroup = (): WriteGroup => {
    const group: WriteGroup = {
      changes: [],
      durable: false,
      bytes: 0,
      done: before.then(() => {
        if (forming === group) forming = undefined;
        return write(group.changes, group.durable);
      }),
    };
    before = group.done.catch(() => undefined); // The callers of the failed group receive its error, not the next group.
    forming = group;
    return group;
  };

  return {
    write: (changes, durable) => {
      const group = forming === undefined || forming.bytes >= limits.storageGroupBytesMax ? createGroup() : forming;
      for (const change of changes) {
        group.changes.push(change);
        if (change.type === 'put') group.bytes += change.value.byteLength;
      }
      group.durable ||= durable;
      return group.done;
    },
    whenIdle: () => before,
  };
};
