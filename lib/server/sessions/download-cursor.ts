import { totalBytesOf } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { Download, MarkRequest, Marked } from '../../protocol/messages.js';
import { createDownload, type HistoryHead, type SharedPage } from './shared-page.js';

/** Tracks what a session was sent of the history. Plain state that one subscription owns. */
export interface DownloadCursor {
  /** A snapshot replaces everything up to its version. Returns the marks that waited for that version. */
  readonly begin: (version: Version) => readonly Marked[];
  /** Returns the download for the next page, without the replica's own changesets; `null` if the page is withheld. */
  readonly downloadOf: (page: SharedPage, head: HistoryHead) => Download | null;
  /** Returns the marks that waited for the pages up to here, after `downloadOf`. */
  readonly takeReachedMarks: () => readonly Marked[];
  /** Notes what the client has stored. Returns `false` if that was never sent. */
  readonly noteReceived: (version: Version) => boolean;
  /** Whether this server version was sent in this session, or is older. */
  readonly wasSent: (version: Version) => boolean;
  /** Answers a mark now, or with the page that reaches `head`. Returns `null` if too many marks wait. */
  readonly answerMark: (mark: MarkRequest, head: Version) => readonly Marked[] | null;
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
 * Versions and bytes are kept in two lists of numbers, because live sessions add a page for each change.
 */
const createPagesInFlight = () => {
  let versions: Version[] = [];
  let sizes: number[] = [];
  let sum = 0;
  return {
    bytes: () => sum,
    add: (upTo: Version, bytes: number): void => {
      versions.push(upTo);
      sizes.push(bytes + limits.downloadBytesMore);
      sum += bytes + limits.downloadBytesMore;
    },
    /** Removes the pages up to a version. */
    remove: (processedTo: Version): void => {
      let count = 0;
      for (; (versions[count] ?? Infinity) <= processedTo; count += 1) sum -= sizes[count] ?? 0;
      versions = versions.slice(count);
      sizes = sizes.slice(count);
    },
  };
};

const noMarks: readonly Marked[] = [];

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
  const takeReachedMarks = (): readonly Marked[] => {
    if (waiting.length === 0) return noMarks;
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
      return takeReachedMarks();
    },
    takeReachedMarks,
    downloadOf: (page, head) => {
      const { entries, upTo } = page;
      const isPartial = !withOwn && page.hasOrigin(replica);
      const changesets = isPartial ? entries.filter(({ origin }) => origin !== replica) : entries;
      covered = upTo;
      const isLast = head.version <= upTo;
      if (isLast) withOwn = false;
      const isSent = changesets.length > 0 || upTo - sent > limits.pageChangesetsMax || (isLast && !caughtUp);
      if (!isSent && stored < sent) inFlight.add(upTo, 0);
      if (!isSent) return null;
      sent = upTo;
      caughtUp ||= isLast;
      inFlight.add(upTo, isPartial ? totalBytesOf(changesets) : page.bytes);
      return isPartial ? createDownload(page, changesets, session, head) : page.downloadFor(session, head);
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
    unconfirmedBytes: inFlight.bytes,
  };
};
