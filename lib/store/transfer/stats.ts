import type { Version } from '../../model/version.js';
import type { CommitContext } from '../commit/commit-context.js';
import { isVisible } from '../objects/lazy-object.js';

/** A realm in numbers, as it is now. */
export interface RealmStats {
  /** Who this copy of the realm is: stamps of what is written here carry it. Another one after a client reset. */
  readonly replica: string;
  /** The server's history that it belongs to; `null` before the first bind, and for a local realm. */
  readonly history: string | null;
  /** Objects that readers see, by type: those of the schema, and those that only other versions of the app know. */
  readonly objects: Readonly<Record<string, number>>;
  /** Objects that do not fit the schema, and are not counted above: see `setAside$`. */
  readonly setAside: number;
  /** Deleted objects, of which only that is kept: later news of them must find out. */
  readonly tombstones: number;
  /**
   * What waits to be uploaded; nothing in a local realm. Bytes as pages count them: bodies, and 32 for the rest of
   * each.
   */
  readonly outbox: { readonly changesets: number; readonly bytes: number };
  /** Refused transactions that wait for a decision: see `rejectedWrites$`. */
  readonly rejectedWrites: number;
  readonly cursors: {
    /** The server version up to which everything is here. */
    readonly downloadedTo: Version;
    /** The client version up to which the server has everything. */
    readonly acknowledged: Version;
    /** The client version of the last write. */
    readonly written: Version;
  };
  /** Bytes of the history up to `seen`, as the server counts them. */
  readonly downloadedBytes: number;
}

/** Counts what is in memory: no storage is asked. */
export const statsOf = ({
  shapes,
  objects,
  outbox,
  outboxSize,
  rejectedList,
  durable,
  checkOpen,
}: CommitContext): RealmStats => {
  checkOpen();
  const { replica, history, downloadedTo, downloadedBytes } = durable();
  const living: Record<string, number> = Object.fromEntries([...shapes.keys()].map((type) => [type, 0]));
  let tombstones = 0;
  let setAside = 0;
  for (const [type, table] of objects.tables()) {
    let count = 0;
    for (const entry of table.values()) if (isVisible(entry)) count += 1;
    if (count > 0) living[type] = count;
    const aside = objects.setAside.count(type);
    setAside += aside;
    tombstones += table.size - count - aside;
  }
  const { head, floor } = outbox;
  return {
    replica,
    history,
    objects: living,
    setAside,
    tombstones,
    outbox: { changesets: head - floor, bytes: outboxSize.countBytesUpTo(head) - outboxSize.countBytesUpTo(floor) },
    rejectedWrites: rejectedList.count(),
    cursors: { downloadedTo, acknowledged: history === null ? 0 : floor, written: head },
    downloadedBytes,
  };
};
