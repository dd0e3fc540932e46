import type { ServerChangeset } from '../../model/changeset.js';

/**
 * A changeset with its position in the history.
 *
 * @see {@link History.log}
 */
export interface HistoryRecord extends ServerChangeset {
  /**
   * Bytes of the history up to and including this changeset, by `bytesOf`. The server computes the progress of a
   * replica from the totals of two changesets.
   */
  readonly total: number;
  /**
   * Values of the objects of watched types before and after the changeset, in the form that `touchesOf` reads. Left out
   * in a realm that is not watched. Never sent.
   */
  readonly touches?: Uint8Array;
}
