import type { Version } from '../../model/version.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { Metadata } from '../metadata.js';
import type { Objects } from '../objects/objects.js';
import { isPending, isVisible } from '../objects/lazy-object.js';

/**
 * Numbers that describe a realm at the time of the call.
 *
 * @example
 * ```ts
 * const { outbox, rejectedWrites } = realm.stats();
 * console.log(`${outbox.changesets} unsent changes, ${rejectedWrites} rejected writes`);
 * ```
 */
export interface RealmStats {
  /** The id of this copy of the realm, which is part of the stamps of its writes. A client reset may change it. */
  readonly replica: string;
  /** The id of the server's history; `null` before the first bind and for a local realm. */
  readonly history: string | null;
  /** Number of visible objects by type, including types that only other versions of the app have. */
  readonly objects: Readonly<Record<string, number>>;
  /** Number of objects that do not fit the schema, not counted in `objects`: see `setAside$`. */
  readonly setAside: number;
  /** Number of deleted objects. They are kept as tombstones, so that older changes do not bring them back. */
  readonly tombstones: number;
  /** Unsent changesets; 0 in a local realm. Bytes include 32 for the header of each changeset. */
  readonly outbox: { readonly changesets: number; readonly bytes: number };
  /** Number of rejected transactions that were not retried or discarded yet: see `rejectedWrites$`. */
  readonly rejectedWrites: number;
  /** The versions that this replica has reached. */
  readonly cursors: {
    /** The server version up to which this replica has everything. */
    readonly downloadedTo: Version;
    /** The client version up to which the server has everything. */
    readonly acknowledged: Version;
    /** The client version of the last write. */
    readonly written: Version;
  };
  /** Bytes of the history up to `downloadedTo`, as the server counts them. */
  readonly downloadedBytes: number;
}

/** The sources of the numbers. */
export interface StatsParts extends Pick<CommitContext, 'shapes' | 'checkOpen'> {
  readonly objects: Pick<Objects, 'tables' | 'setAside'>;
  readonly outbox: Pick<CommitContext['outbox'], 'head' | 'floor'>;
  readonly outboxSize: Pick<CommitContext['outboxSize'], 'countBytesUpTo'>;
  readonly rejectedList: Pick<CommitContext['rejectedList'], 'count'>;
  readonly durable: () => Pick<Metadata, 'replica' | 'history' | 'downloadedTo' | 'downloadedBytes'>;
}

/** Computes the numbers from memory, without reading the storage. */
export const statsOf = ({
  shapes,
  objects,
  outbox,
  outboxSize,
  rejectedList,
  durable,
  checkOpen,
}: StatsParts): RealmStats => {
  checkOpen();
  const { replica, history, downloadedTo, downloadedBytes } = durable();
  const visible: Record<string, number> = Object.fromEntries([...shapes.keys()].map((type) => [type, 0]));
  let tombstones = 0;
  let setAside = 0;
  for (const [type, table] of objects.tables()) {
    let count = 0;
    let pending = 0;
    for (const entry of table.values()) {
      if (isVisible(entry)) count += 1;
      else if (isPending(entry)) pending += 1;
    }
    if (count > 0) visible[type] = count;
    const aside = objects.setAside.count(type);
    setAside += aside;
    tombstones += table.size - count - pending - aside;
  }
  const { head, floor } = outbox;
  return {
    replica,
    history,
    objects: visible,
    setAside,
    tombstones,
    outbox: { changesets: head - floor, bytes: outboxSize.countBytesUpTo(head) - outboxSize.countBytesUpTo(floor) },
    rejectedWrites: rejectedList.count(),
    cursors: { downloadedTo, acknowledged: history === null ? 0 : floor, written: head },
    downloadedBytes,
  };
};
