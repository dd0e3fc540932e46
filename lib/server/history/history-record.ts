import type { ServerChangeset } from '../../model/changeset.js';

/** A changeset in its place. */
export interface HistoryRecord extends ServerChangeset {
  /** Bytes of the history up to and with it, by `bytesOf`: how far a replica is can be told from any place. */
  readonly total: number;
}
