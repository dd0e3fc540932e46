import type { LogPage } from '../log/log.js';
import type { ServerChangeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Download, Mark, Marked } from '../protocol/messages.js';

/** What a session has been sent of the history, and what follows from it. Plain state: one subscription owns it. */
export interface Downloads {
  /** What a page becomes: a download without what the replica wrote itself, then the marks that waited for it. */
  readonly page: (page: LogPage<ServerChangeset>, head: Version) => readonly (Download | Marked)[];
  /** Notes what the client has stored; `false` when it was never sent that. */
  readonly received: (version: Version) => boolean;
  /** The answer to a mark, now or with the page that reaches `head`; `null` when too many wait. */
  readonly mark: (mark: Mark, head: Version) => readonly Marked[] | null;
  /** The server version up to which pages are done with: the client has them, or there was nothing in them for it. */
  readonly done: () => Version;
}

export interface DownloadsOptions {
  readonly session: number;
  readonly replica: string;
  /** What the client has already. */
  readonly seen: Version;
}

/**
 * A page with nothing but the replica's own changesets is withheld, and done with when what was sent before it is. But the
 * client's cursor must not stay behind for ever: past `limits.pageChangesetsMax` versions an empty download moves it.
 */
export const createDownloads = ({ session, replica, seen }: DownloadsOptions): Downloads => {
  let covered = seen;
  let sent = seen;
  let stored = seen;
  const waiting: Marked[] = [];

  const reached = (): readonly Marked[] => {
    const count = waiting.findIndex(({ version }) => version > covered);
    return waiting.splice(0, count < 0 ? waiting.length : count);
  };

  return {
    page: ({ entries, upTo }, head) => {
      const hasOwn = entries.some(({ origin }) => origin === replica);
      const changesets = hasOwn ? entries.filter(({ origin }) => origin !== replica) : entries;
      covered = upTo;
      if (changesets.length === 0 && upTo - sent <= limits.pageChangesetsMax) return reached();
      sent = upTo;
      return [{ type: 'download', session, changesets, upTo, remaining: Math.max(0, head - upTo) }, ...reached()];
    },
    received: (version) => {
      if (version > sent) return false;
      stored = Math.max(stored, version);
      return true;
    },
    mark: ({ request }, head) => {
      const mark: Marked = { type: 'mark', session, request, version: head };
      if (head <= covered) return [mark];
      return waiting.length < limits.marksWaitingMax && waiting.push(mark) > 0 ? [] : null;
    },
    done: () => (stored >= sent ? covered : stored),
  };
};
