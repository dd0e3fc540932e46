import type { OutboxState } from '../../model/sync-port.js';
import type { Version } from '../../model/version.js';

/** Progress of one direction. Bytes and changesets count from the beginning of the realm, also after a restart. */
export interface Transfer {
  readonly bytes: number;
  readonly ofBytes: number;
  readonly changesets: number;
  /** `null`: the server has not sent it yet. */
  readonly ofChangesets: number | null;
}

/**
 * Progress of one direction with the start of the current batch: the bytes when nothing was outstanding for the last
 * time.
 */
export interface TransferBatch extends Transfer {
  readonly from: number;
}

export interface Transfers {
  readonly upload: TransferBatch;
  /** `null` until the server has sent the size of its history for the first time. */
  readonly download: TransferBatch | null;
}

export const uploadOf = ({ acknowledged, acknowledgedBytes, written, bytes }: OutboxState): Transfer => ({
  bytes: acknowledgedBytes,
  ofBytes: acknowledgedBytes + bytes,
  changesets: acknowledged,
  ofChangesets: written,
});

export const downloadOf = (page: {
  readonly version: Version;
  readonly behind: number;
  readonly bytes: number;
  readonly remainingBytes: number;
}): Transfer => ({
  bytes: page.bytes,
  ofBytes: page.bytes + page.remainingBytes,
  changesets: page.version,
  ofChangesets: page.version + page.behind,
});

/**
 * Returns the next progress of a direction, and the same object when nothing changed.
 *
 * Bytes never decrease (P7) and never exceed their total.
 */
export const updateBatch = (before: TransferBatch | null, next: Transfer): TransferBatch => {
  const { changesets, ofChangesets } = next;
  const bytes = Math.max(before?.bytes ?? 0, next.bytes);
  const ofBytes = Math.max(bytes, next.ofBytes);
  if (before === null) return { bytes, ofBytes, changesets, ofChangesets, from: bytes };
  const from = before.bytes >= before.ofBytes ? before.bytes : before.from;
  const same =
    bytes === before.bytes &&
    ofBytes === before.ofBytes &&
    changesets === before.changesets &&
    ofChangesets === before.ofChangesets;
  return same ? before : { bytes, ofBytes, changesets, ofChangesets, from };
};
