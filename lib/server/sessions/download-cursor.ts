import type { LogPage } from '../../log/log.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { Download, MarkRequest, Marked } from '../../protocol/messages.js';
import type { HistoryRecord } from '../history/history-record.js';

/** Where a history ends. */
export interface HistoryHead {
  readonly version: Version;
  /** Bytes of all of it. */
  readonly bytes: number;
}

/** What a session has been sent of the history, and what follows from it. Plain state: one subscription owns it. */
export interface DownloadCursor {
  /** A snapshot is in the place of everything up to its version. The marks that waited for that. */
  readonly begin: (version: Version) => readonly Marked[];
  /** What a page becomes: a download without what the replica wrote itself, then the marks that waited for it. */
  readonly messagesOf: (page: LogPage<HistoryRecord>, head: HistoryHead) => readonly (Download | Marked)[];
  /** Notes what the client has stored; `false` when it was never sent that. */
  readonly noteReceived: (version: Version) => boolean;
  /** Whether this server version was sent in this session, or is older. */
  readonly wasSent: (version: Version) => boolean;
  /** The answer to a mark, now or with the page that reaches `head`; `null` when too many wait. */
  readonly answerMark: (mark: MarkRequest, head: Version) => readonly Marked[] | null;
  /** The server version up to which pages are done with: the client has them, or there was nothing in them for it. */
  readonly processedTo: () => Version;
}

export interface DownloadCursorOptions {
  readonly session: number;
  readonly replica: string;
  /**
   * Whether it is sent its own changesets as well, until nothing remains: it has put away what it had, for a snapshot.
   */
  readonly includeOwn: boolean;
  /** What the client has already. */
  readonly downloadedTo: Version;
  /** The head that it was told of. */
  readonly head: Version;
}

/**
 * A page with nothing but the replica's own changesets is withheld, and done with when what was sent before it is. But
 * the client's cursor must not stay behind for ever: past `limits.pageChangesetsMax` versions an empty download moves
 * it, and one tells it when it has caught up for the first time since its bind.
 */
export const createDownloadCursor = ({
  session,
  replica,
  downloadedTo,
  head: told,
  ...more
}: DownloadCursorOptions): DownloadCursor => {
  let withOwn = more.includeOwn;
  let covered = downloadedTo;
  let sent = downloadedTo;
  let stored = downloadedTo;
  let caughtUp = downloadedTo >= told; // The client has heard that nothing remains.
  const waiting: Marked[] = [];

  const reached = (): readonly Marked[] => {
    const count = waiting.findIndex(({ version }) => version > covered);
    return waiting.splice(0, count < 0 ? waiting.length : count);
  };

  return {
    begin: (version) => {
      withOwn = true;
      covered = version;
      sent = version;
      stored = version;
      caughtUp = version >= told;
      return reached();
    },
    messagesOf: ({ entries, upTo }, head) => {
      const isWithheld = ({ origin }: HistoryRecord): boolean => origin === replica && !withOwn;
      const changesets = entries.some(isWithheld) ? entries.filter((entry) => !isWithheld(entry)) : entries;
      covered = upTo;
      const remaining = Math.max(0, head.version - upTo);
      if (remaining === 0) withOwn = false;
      const tells = changesets.length > 0 || upTo - sent > limits.pageChangesetsMax || (remaining === 0 && !caughtUp);
      if (!tells) return reached();
      sent = upTo;
      caughtUp ||= remaining === 0;
      const bytes = entries.at(-1)?.total ?? head.bytes;
      const remainingBytes = Math.max(0, head.bytes - bytes);
      return [{ type: 'download', session, changesets, upTo, remaining, bytes, remainingBytes }, ...reached()];
    },
    noteReceived: (version) => {
      if (version > sent) return false;
      stored = Math.max(stored, version);
      return true;
    },
    wasSent: (version) => version <= sent,
    answerMark: ({ request }, head) => {
      const mark: Marked = { type: 'mark', session, request, version: head };
      if (head <= covered) return [mark];
      return waiting.length < limits.marksWaitingMax && waiting.push(mark) > 0 ? [] : null;
    },
    processedTo: () => (stored >= sent ? covered : stored),
  };
};
