import type { OutboxState } from '../../model/sync-port.js';
import type { StorageChange } from '../../storage/storage.js';
import type { CommitContext } from '../../store/commit/commit-context.js';
import { toMetadataPut } from '../../store/metadata.js';
import { toOwnerPut } from '../../store/ownership/owner.js';
import { blockPrefix, metadataKey } from '../../store/storage-keys.js';
import type { LocalStore } from '../../store/store.js';
import { tabPrefix } from '../../store/tabs/tab-write.js';
import { toLimitsPut } from '../../store/transaction/write-limits.js';

/** Whether followers need a record: all but the outbox, which only the leader sends, and the records of tabs. */
export const isMirrored = ({ key }: StorageChange): boolean => key >= blockPrefix && key < tabPrefix;

/** Copies a view, because a clone of a view has the whole buffer. */
export const detachChange = (change: StorageChange): StorageChange =>
  change.type === 'del' || change.value.byteLength === change.value.buffer.byteLength
    ? change
    : { ...change, value: change.value.slice() };

export const isSameBytes = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
  a !== null && b !== null && a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);

/** The metadata record in a batch, which identifies it. A store puts it last. */
export const stampOf = (changes: readonly StorageChange[]): Uint8Array | null => {
  for (let at = changes.length - 1; at >= 0; at -= 1) {
    const change = changes[at];
    if (change?.type === 'put' && change.key === metadataKey) return change.value;
  }
  return null;
};

/** The state of the outbox of a store. */
export const outboxOf = ({ context: { outbox, outboxSize, durable } }: Pick<LocalStore, 'context'>): OutboxState => {
  const { head: written, floor: acknowledged } = outbox;
  const bytes = outboxSize.countBytesUpTo(written) - outboxSize.countBytesUpTo(acknowledged);
  const { acknowledgedBytes } = durable();
  return { written, acknowledged, acknowledgedBytes, changesets: written - acknowledged, bytes };
};

/** The records of a store that describe it, for a tab that mirrors it. */
export const ownRecordsOf = ({ durable, writeLimits, rejectedList }: CommitContext): readonly StorageChange[] => [
  toMetadataPut(durable()),
  toOwnerPut(durable().owner),
  toLimitsPut(writeLimits.now),
  ...rejectedList.dump(),
];
