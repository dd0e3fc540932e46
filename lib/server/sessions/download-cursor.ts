import { totalBytesOf } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { Download, MarkRequest, Marked } from '../../protocol/messages.js';
import { createDownload, type HistoryHead, type SharedPage } from './shared-page.js';

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
class PagesInFlight {
  bytes = 0;
  private versions: Version[] = noNumbers;
  private sizes: number[] = noNumbers;

  add(upTo: Version, bytes: number): void {
    if (this.versions === noNumbers) {
      this.versions = [];
      this.sizes = [];
    }
    this.versions.push(upTo);
    this.sizes.push(bytes + limits.downloadBytesMore);
    this.bytes += bytes + limits.downloadBytesMore;
  }

  /** Removes the pages up to a version. */
  remove(processedTo: Version): void {
    const { versions, sizes } = this;
    let count = 0;
    for (; (versions[count] ?? Infinity) <= processedTo; count += 1) this.bytes -= sizes[count] ?? 0;
    this.versions = count === versions.length ? noNumbers : versions.slice(count);
    this.sizes = count === sizes.length ? noNumbers : sizes.slice(count);
  }
}

/** Shared by all sessions without pages in flight. Nothing is added to it. */
const noNumbers: number[] = [];
const noMarks: readonly Marked[] = [];

/**
 * Tracks what a session was sent of the history. Plain state that one subscription owns.
 *
 * Withholds pages with nothing but the replica's own changesets. Such a page is done as soon as everything before it
 * is. An empty download moves the client's cursor after `limits.pageChangesetsMax` withheld versions, so that it does
 * not stay behind for ever, and when the client has caught up for the first time since its bind.
 *
 * A class, because a server has ten thousand sessions: a function for each member took 0.7 KiB.
 */
export class DownloadCursor {
  private readonly session: number;
  private readonly replica: string;
  private readonly announcedHead: Version;
  private withOwn: boolean;
  private covered: Version;
  private sent: Version;
  private stored: Version;
  /** Whether the client was sent a message with `remaining` 0. */
  private caughtUp: boolean;
  private waiting: Marked[] | null = null;
  private readonly inFlight = new PagesInFlight();

  constructor({ session, replica, downloadedTo, head, includeOwn }: DownloadCursorOptions) {
    this.session = session;
    this.replica = replica;
    this.announcedHead = head;
    this.withOwn = includeOwn;
    this.covered = downloadedTo;
    this.sent = downloadedTo;
    this.stored = downloadedTo;
    this.caughtUp = downloadedTo >= head;
  }

  /** A snapshot replaces everything up to its version. Returns the marks that waited for that version. */
  begin(version: Version): readonly Marked[] {
    this.withOwn = true;
    this.covered = version;
    this.sent = version;
    this.stored = version;
    this.caughtUp = version >= this.announcedHead;
    return this.takeReachedMarks();
  }

  /** Returns the marks that waited for the pages up to here, after `downloadOf`. */
  takeReachedMarks(): readonly Marked[] {
    const { waiting, covered } = this;
    if (waiting === null) return noMarks;
    const count = waiting.findIndex(({ version }) => version > covered);
    const reached = waiting.splice(0, count < 0 ? waiting.length : count);
    if (waiting.length === 0) this.waiting = null;
    return reached;
  }

  /** Returns the download for the next page, without the replica's own changesets; `null` if the page is withheld. */
  downloadOf(page: SharedPage, head: HistoryHead): Download | null {
    const { session, replica } = this;
    const { entries, upTo } = page;
    const isPartial = !this.withOwn && page.hasOrigin(replica);
    const changesets = isPartial ? entries.filter(({ origin }) => origin !== replica) : entries;
    if (head.version <= upTo) this.withOwn = false;
    const bytes = isPartial ? totalBytesOf(changesets) : page.bytes;
    if (!this.advance(upTo, head.version, changesets.length > 0, bytes)) return null;
    return isPartial ? createDownload(page, changesets, session, head) : page.downloadFor(session, head);
  }

  /**
   * Moves to a later version. Returns whether the client is sent a message that moves it there: the message has
   * content, or is the first one at the head, or the client would stay far behind.
   */
  advance(upTo: Version, head: Version, hasContent: boolean, bytes: number): boolean {
    const { inFlight } = this;
    this.covered = upTo;
    const isLast = head <= upTo;
    const isSent = hasContent || upTo - this.sent > limits.pageChangesetsMax || (isLast && !this.caughtUp);
    if (!isSent && this.stored < this.sent) inFlight.add(upTo, 0);
    if (!isSent) return false;
    this.sent = upTo;
    this.caughtUp ||= isLast;
    inFlight.add(upTo, bytes);
    return true;
  }

  /** Moves to a later version without a message: nothing up to there concerns the client. */
  skipTo(version: Version): void {
    this.covered = Math.max(this.covered, version);
  }

  /** Whether the client is behind a version and can be moved there, because it has stored all that it was sent. */
  mayMoveTo(version: Version): boolean {
    return this.sent < version && this.stored >= this.sent;
  }

  /** The server version up to which everything was sent. */
  get coveredTo(): Version {
    return this.covered;
  }

  /** Notes what the client has stored. Returns `false` if that was never sent. */
  noteReceived(version: Version): boolean {
    if (version > this.sent) return false;
    this.stored = Math.max(this.stored, version);
    this.inFlight.remove(this.confirmedTo);
    return true;
  }

  /** The server version up to which the client has everything, its own changesets included. */
  get confirmedTo(): Version {
    return this.stored >= this.sent ? this.covered : this.stored;
  }

  /** Whether this server version was sent in this session, or is older. */
  wasSent(version: Version): boolean {
    return version <= this.sent;
  }

  /** Answers a mark now, or with the page that reaches `head`. Returns `null` if too many marks wait. */
  answerMark({ request }: MarkRequest, head: Version): readonly Marked[] | null {
    const mark: Marked = { type: 'mark', session: this.session, request, version: head };
    if (head <= this.covered) return [mark];
    this.waiting ??= [];
    return this.waiting.length < serverLimits.marksWaitingMax && this.waiting.push(mark) > 0 ? [] : null;
  }

  /** Bytes of the pages that are not done, with a minimum for each. */
  unconfirmedBytes(): number {
    return this.inFlight.bytes;
  }
}
