import { BehaviorSubject, type Observable } from 'rxjs';
import type { OutboxState } from '../../model/sync-port.js';
import type { Version } from '../../model/version.js';

export interface OutboxSizeTracker {
  /** Emits the current numbers, then each change. */
  readonly outbox$: Observable<OutboxState>;
  /** The current numbers. */
  readonly outbox: () => OutboxState;
  /** Bytes of all changesets up to a version that has been written, acknowledged ones included. */
  readonly countBytesUpTo: (version: Version) => number;
  readonly append: (sizes: readonly number[]) => void;
  readonly acknowledge: (version: Version) => void;
  /** Corrects the sizes of versions that are still in the outbox. */
  readonly resize: (changed: readonly (readonly [version: Version, size: number])[]) => void;
  /** Restarts at version 1 with these sizes and nothing acknowledged. */
  readonly reset: (sizes: readonly number[]) => void;
  readonly close: () => void;
}

const totalOf = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0);

const outboxSizeOf = (
  before: Pick<OutboxState, 'acknowledged' | 'acknowledgedBytes'>,
  sizes: readonly number[],
): OutboxState => ({
  ...before,
  written: before.acknowledged + sizes.length,
  changesets: sizes.length,
  bytes: totalOf(sizes),
});

/** Lists every field instead of spreading, for speed: runs on every write. */
const addSizes = (before: OutboxState, added: readonly number[], changesets: number): OutboxState => ({
  acknowledged: before.acknowledged,
  acknowledgedBytes: before.acknowledgedBytes,
  written: before.written + added.length,
  changesets,
  bytes: before.bytes + totalOf(added),
});

/**
 * Tracks the size of the outbox. Keeps the size of each changeset until it is acknowledged: eight bytes per changeset.
 */
export const createOutboxSizeTracker = (
  { acknowledged, bytes: acknowledgedBytes }: { readonly acknowledged: Version; readonly bytes: number },
  waiting: readonly number[],
): OutboxSizeTracker => {
  let sizes = [...waiting];
  let first = 0; // Sizes before this index are acknowledged.
  const outbox = new BehaviorSubject(outboxSizeOf({ acknowledged, acknowledgedBytes }, waiting));

  return {
    outbox$: outbox.asObservable(),
    outbox: () => outbox.value,
    countBytesUpTo: (version) => {
      const { acknowledged: before, acknowledgedBytes: bytes } = outbox.value;
      return bytes + totalOf(sizes.slice(first, first + Math.max(0, version - before)));
    },
    append: (added) => {
      for (const size of added) sizes.push(size);
      outbox.next(addSizes(outbox.value, added, sizes.length - first));
    },
    acknowledge: (version) => {
      const { written, acknowledged: before, bytes } = outbox.value;
      const count = Math.min(version, written) - before;
      if (count <= 0) return;
      const gone = totalOf(sizes.slice(first, first + count));
      first += count;
      if (first > 1_000 && first * 2 > sizes.length) {
        sizes = sizes.slice(first);
        first = 0;
      }
      outbox.next({
        written,
        acknowledged: before + count,
        acknowledgedBytes: outbox.value.acknowledgedBytes + gone,
        changesets: sizes.length - first,
        bytes: bytes - gone,
      });
    },
    resize: (changed) => {
      const { acknowledged: before, written, bytes } = outbox.value;
      let more = 0;
      for (const [version, size] of changed) {
        if (version <= before || version > written) continue;
        const at = first + version - before - 1;
        more += size - (sizes[at] ?? 0);
        sizes[at] = size;
      }
      if (more !== 0) outbox.next({ ...outbox.value, bytes: bytes + more });
    },
    reset: (waiting) => {
      sizes = [...waiting];
      first = 0;
      outbox.next(outboxSizeOf({ acknowledged: 0, acknowledgedBytes: 0 }, sizes));
    },
    close: () => outbox.complete(),
  };
};
