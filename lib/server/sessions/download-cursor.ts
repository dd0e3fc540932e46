import type { LogPage } from '../../log/log.js';
import { totalBytesOf } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { Download, MarkRequest, Marked } from '../../protocol/messages.js';
import type { HistoryRecord } from '../history/history-record.js';

/** The end of a history. */
export interface HistoryHead {
  readonly version: Version;
  /** Bytes of the whole history. */
  readonly bytes: number;
}

/** Tracks what a session was sent of the history. Plain state that one subscription owns. */
export interface DownloadCursor {
  /** A snapshot replaces everything up to its version. Returns the marks that waited for that version. */
  readonly begin: (version: Version) => readonly Marked[];
  /**
   * Returns the messages for a page: a download without the replica's own changesets, then the marks that waited for
   * the page.
   */
  readonly messagesOf: (page: LogPage<HistoryRecord>, head: HistoryHead) => readonly (Download | Marked)[];
  /** Notes what the client has stored. Returns `false` if that was never sent. */
  readonly noteReceived: (version: Version) => boolean;
  /** Whether this server version was sent in this session, or is older. */
  readonly wasSent: (version: Version) => boolean;
  /** Answers a mark now, or with the page that reaches `head`. Returns `null` if too many marks wait. */
  readonly answerMark: (mark: MarkRequest, head: Version) => readonly Marked[] | null;
  /**
   * The server version up to which pages are done: the client has stored them, or they contained nothing for the
   * client.
   */
  readonly processedTo: () => Version;
  /** Bytes of the pages that are not done, with a minimum for each. */
  readonly unconfirmedBytes: () => number;
}

export interface DownloadCursorOptions {
  readonly session: number;
  readonly replica: string;
  /** Whether the replica also gets its own changesets until nothing remains, because a snapshot replaced its data. */
  readonly includeOwn: boolean;
  /** The server version up to which the client has everything. */
  readonly downloadedTo: Version;
  /** The head that the client was sent in `bound`. */
  readonly head: Version;
}

/**
 * The pages of a session that are not done. Each counts a kilobyte at least, so that their bytes bound their number.
 */
const createPagesInFlight = () => {
  const pages: { readonly upTo: Version; readonly bytes: number }[] = [];
  let sum = 0;
  return {
    bytes: () => sum,
    add: (upTo: Version, bytes: number): void => {
      pages.push({ upTo, bytes: bytes + limits.downloadBytesMore });
      sum += bytes + limits.downloadBytesMore;
    },
    /** Removes the pages up to a version. */
    remove: (processedTo: Version): void => {
      const end = pages.findIndex(({ upTo }) => upTo > processedTo);
      for (const { bytes } of pages.splice(0, end < 0 ? pages.length : end)) sum -= bytes;
    },
  };
};

/**
 * Creates a cursor that withholds pages with nothing but the replica's own changesets. Such a page is done as soon as
 * everything before it is. An empty download moves the client's cursor after `limits.pageChangesetsMax` withheld
 * versions, so that it does not stay behind for ever, and when the client has caught up for the first time since its
 * bind.
 */
export const createDownloadCursor = ({
  session,
  replica,
  downloadedTo,
  head: announcedHead,
  ...more
}: DownloadCursorOptions): DownloadCursor => {
  let withOwn = more.includeOwn;
  let covered = downloadedTo;
  let sent = downloadedTo;
  let stored = downloadedTo;
  let caughtUp = downloadedTo >= announcedHead; // The client was sent a message with `remaining` 0.
  const waiting: Marked[] = [];
  const inFlight = createPagesInFlight();

  const processedTo = (): Version => (stored >= sent ? covered : stored);
  const takeReached = (): readonly Marked[] => {
    const count = waiting.findIndex(({ version }) => version > covered);
    return waiting.splice(0, count < 0 ? waiting.length : count);
  };

  return {
    begin: (version) => {
      withOwn = true;
      covered = version;
      sent = version;
      stored = version;
      caughtUp = version >= announcedHead;
      return takeReached();
    },
    messagesOf: ({ entries, upTo }, head) => {
      const isWithheld = ({ origin }: HistoryRecord): boolean => origin === replica && !withOwn;
      const changesets = entries.some(isWithheld) ? entries.filter((entry) => !isWithheld(entry)) : entries;
      covered = upTo;
      const remaining = Math.max(0, head.version - upTo);
      if (remaining === 0) withOwn = false;
      const isSent = changesets.length > 0 || upTo - sent > limits.pageChangesetsMax || (remaining === 0 && !caughtUp);
      if (!isSent && stored < sent) inFlight.add(upTo, 0);
      if (!isSent) return takeReached();
      sent = upTo;
      caughtUp ||= remaining === 0;
      inFlight.add(upTo, totalBytesOf(changesets));
      const bytes = entries.at(-1)?.total ?? head.bytes;
      const remainingBytes = Math.max(0, head.bytes - bytes);
      return [{ type: 'download', session, changesets, upTo, remaining, bytes, remainingBytes }, ...takeReached()];
    },
    noteReceived: (version) => {
      if (version > sent) return false;
      stored = Math.max(stored, version);
      inFlight.remove(processedTo());
      return true;
    },
    wasSent: (version) => version <= sent,
    answerMark: ({ request }, head) => {
      const mark: Marked = { type: 'mark', session, request, version: head };
      if (head <= covered) return [mark];
      return waiting.length < serverLimits.marksWaitingMax && waiting.push(mark) > 0 ? [] : null;
    },
    processedTo,
    unconfirmedBytes: inFlight.bytes,
  };
};
