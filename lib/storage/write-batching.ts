import { limits } from '../model/limits.js';
import type { StorageChange } from './storage.js';

interface WriteGroup {
  readonly changes: StorageChange[];
  durable: boolean;
  bytes: number;
  readonly done: Promise<void>;
}

export interface GroupedWriter {
  /** Resolves when the changes are written, after all that were given before them. */
  readonly write: (changes: readonly StorageChange[], durable: boolean) => Promise<void>;
  /** Resolves when all that was given is written or has failed. Never rejects. */
  readonly whenIdle: () => Promise<void>;
}

/**
 * Writes batches one after the other; those that come while one is being written go together into the next.
 *
 * One after the other, because engines write on several threads and then the later may be first. Together, because a
 * synced write costs the same for one change and for a thousand. Each batch stays atomic: its group is.
 */
export const createGroupedWriter = (
  write: (changes: StorageChange[], durable: boolean) => Promise<void>,
): GroupedWriter => {
  let forming: WriteGroup | undefined;
  let before: Promise<void> = Promise.resolve();

  const formed = (): WriteGroup => {
    const group: WriteGroup = {
      changes: [],
      durable: false,
      bytes: 0,
      done: before.then(() => {
        if (forming === group) forming = undefined;
        return write(group.changes, group.durable);
      }),
    };
    before = group.done.catch(() => undefined); // Whoever gave the changes is told; the next group is not to blame.
    forming = group;
    return group;
  };

  return {
    write: (changes, durable) => {
      const group = forming === undefined || forming.bytes >= limits.storageGroupBytesMax ? formed() : forming;
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
