import type { LogPage } from '../../log/log.js';
import { totalBytesOf } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Download } from '../../protocol/messages.js';
import { objectTextOf } from '../../model/object-key.js';
import type { HistoryRecord } from '../history/history-record.js';
import { operationSpansOf, type OperationSpans } from '../history/operation-spans.js';
import { touchesOf, type Touch } from '../history/touches.js';

/** The end of a history. */
export interface HistoryHead {
  readonly version: Version;
  /** Bytes of the whole history. */
  readonly bytes: number;
}

/** The effect of a changeset on one object of a watched type. */
export interface NamedTouch extends Touch {
  /** The text of the object. */
  readonly text: string;
}

/**
 * A page of a history for all sessions that read it. What they have in common is computed once: a page of one change
 * goes to a hundred readers.
 */
export interface SharedPage extends LogPage<HistoryRecord> {
  /** The version before the page. */
  readonly after: Version;
  /** Bytes of all entries, by `bytesOf`. */
  readonly bytes: number;
  /** Whether a replica has written one of the entries. */
  readonly hasOrigin: (replica: string) => boolean;
  /** Returns the download of all entries: one message, encoded once, for all sessions with the same number. */
  readonly downloadFor: (session: number, head: HistoryHead) => Download;
  /**
   * Returns the touches of each entry, decoded once for all sessions; `null` for an entry that has none. Throws a
   * `StorageError` for damaged bytes.
   */
  readonly readTouches: () => readonly (readonly NamedTouch[] | null)[];
  /** Returns the operations of all entries, read once for all sessions; `null` for a damaged entry. */
  readonly readSpans: () => OperationSpans | null;
}

/** Number of session numbers whose download is kept. Clients number few sessions. */
const sessionsMax = 8;

/** Creates a download of the given entries of a page. */
export const createDownload = (
  { entries, upTo }: LogPage<HistoryRecord>,
  changesets: readonly HistoryRecord[],
  session: number,
  head: HistoryHead,
): Download => {
  const bytes = entries.at(-1)?.total ?? head.bytes;
  const remaining = Math.max(0, head.version - upTo);
  return {
    type: 'download',
    session,
    changesets,
    upTo,
    remaining,
    bytes,
    remainingBytes: Math.max(0, head.bytes - bytes),
  };
};

export const createSharedPage = (after: Version, page: LogPage<HistoryRecord>): SharedPage => {
  const { entries, upTo } = page;
  const origins = new Set(entries.map(({ origin }) => origin));
  let downloads: Download[] = [];
  let madeFor: Version = -1;
  let touches: readonly (readonly NamedTouch[] | null)[] | null = null;
  let spans: OperationSpans | null | undefined;
  return {
    after,
    entries,
    upTo,
    bytes: totalBytesOf(entries),
    hasOrigin: (replica) => origins.has(replica),
    downloadFor: (session, head) => {
      if (head.version !== madeFor || downloads.length >= sessionsMax) downloads = [];
      madeFor = head.version;
      for (const download of downloads) if (download.session === session) return download;
      const download = createDownload(page, entries, session, head);
      downloads.push(download);
      return download;
    },
    readTouches: () =>
      (touches ??= entries.map(
        (entry) => touchesOf(entry)?.map((touch) => ({ ...touch, text: objectTextOf(touch.type, touch.key) })) ?? null,
      )),
    readSpans: () => (spans === undefined ? (spans = operationSpansOf(entries)) : spans),
  };
};
