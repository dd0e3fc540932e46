import type { Instant } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { StorageChange } from '../../storage/storage.js';
import type { Metadata } from '../metadata.js';

/** Changes that are stored in the same batch as a write. */
export interface WriteExtras {
  readonly metadata?: Partial<Metadata>;
  /** The changes; or a function of the client version and the stamp of the write. */
  readonly changes: readonly StorageChange[] | ((version: Version, start: Instant) => readonly StorageChange[]);
  readonly stored: () => void;
  /**
   * Whether the write may be split into several changesets, which other devices receive one after the other. Then it
   * may have any size.
   */
  readonly isDivisible?: boolean;
}
