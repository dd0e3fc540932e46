import type { Version } from '../model/version.js';
import type { Desk } from './desk.js';
import { isSeen } from './packed.js';

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
  /** What waits to be uploaded; nothing in a local realm. Bytes as pages count them: bodies, and 32 for the rest of each. */
  readonly outbox: { readonly changesets: number; readonly bytes: number };
  /** Refused transactions that wait for a decision: see `refused$`. */
  readonly refused: number;
  readonly cursors: {
    /** The server version up to which everything is here. */
    readonly seen: Version;
    /** The client version up to which the server has everything. */
    readonly acknowledged: Version;
    /** The client version of the last write. */
    readonly written: Version;
  };
  /** Bytes of the history up to `seen`, as the server counts them. */
  readonly downloadedBytes: number;
}

/** Counts what is in memory: no storage is asked. */
export const statsOf = ({ shapes, objects, outbox, pending, refusals, present, whileOpen }: Desk): RealmStats => {
  whileOpen();
  const { replica, history, seen, seenBytes } = present();
  const living: Record<string, number> = Object.fromEntries([...shapes.keys()].map((type) => [type, 0]));
  let tombstones = 0;
  let setAside = 0;
  for (const [type, table] of objects.tables()) {
    let count = 0;
    for (const entry of table.values()) if (isSeen(entry)) count += 1;
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
    outbox: { changesets: head - floor, bytes: pending.bytesUpTo(head) - pending.bytesUpTo(floor) },
    refused: refusals.count(),
    cursors: { seen, acknowledged: history === null ? 0 : floor, written: head },
    downloadedBytes: seenBytes,
  };
};
