import { writtenValueOf } from '../../storage/batch-recovery.js';
import { detachBytes } from '../../storage/indexeddb-io.js';
import type { StorageChange } from '../../storage/storage.js';
import { blockPrefix, metadataKey, viewKey } from '../../store/storage-keys.js';
import { tabPrefix } from '../../store/tabs/tab-write.js';

/** Whether followers need a record: all but the outbox, which only the leader sends, and the records of tabs. */
export const isMirrored = ({ key }: StorageChange): boolean =>
  (key >= blockPrefix && key < tabPrefix) || key === viewKey;

/** Copies a view, because a clone of a view has the whole buffer. */
export const detachChange = (change: StorageChange): StorageChange =>
  change.type === 'del' ? change : { ...change, value: detachBytes(change.value) };

/** The metadata record in a batch, which identifies it. */
export const stampOf = (changes: readonly StorageChange[]): Uint8Array | null => writtenValueOf(changes, metadataKey);
