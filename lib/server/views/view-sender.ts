import type { Version } from '../../model/version.js';
import type { ViewRejection } from '../../model/view.js';
import {
  closeCodes,
  type Marked,
  type MarkRequest,
  type ServerMessage,
  type WriteRejected,
} from '../../protocol/messages.js';
import { createCloseError } from '../../transport/wire.js';
import type { History } from '../history/history.js';
import { serverLimits } from '../server-limits.js';
import { DownloadCursor, type DownloadCursorOptions } from '../sessions/download-cursor.js';
import type { Bootstrap, ScanPosition } from './bootstrap.js';
import { EarlyStates } from './early-states.js';
import type { MembersDraft } from './members-draft.js';
import { PartsPage } from './parts-page.js';
import type { ViewDifference } from './view-difference.js';

const createTooManyMarksError = (): Error =>
  createCloseError(closeCodes.tooMuch, `More than ${serverLimits.marksWaitingMax} marks wait for an answer.`);

/** Sends the pages and marks of a session with a view, and tracks what was sent. Plain state that one feed owns. */
export class ViewSender {
  readonly cursor: DownloadCursor;
  /** The states of rejections that are later than the view. */
  readonly early = new EarlyStates();
  private readonly session: number;
  /** Marks that wait for the members of a view. */
  private marks: Marked[] = [];

  constructor(
    options: Omit<DownloadCursorOptions, 'head' | 'includeOwn'>,
    private readonly history: Pick<History, 'log' | 'bytes'>,
    private readonly send: (message: ServerMessage) => void,
  ) {
    this.session = options.session;
    this.cursor = new DownloadCursor({ ...options, head: history.log.head, includeOwn: false });
  }

  /** Answers a mark, as soon as everything up to the present head was sent. `isPlaced`: no other view is on the way. */
  answerMark(message: MarkRequest, isPlaced: boolean): void {
    const { head } = this.history.log;
    if (isPlaced) {
      const answer = this.cursor.answerMark(message, head);
      if (answer === null) throw createTooManyMarksError();
      for (const mark of answer) this.send(mark);
      return;
    }
    if (this.marks.length >= serverLimits.marksWaitingMax) throw createTooManyMarksError();
    this.marks.push({ type: 'mark', session: this.session, request: message.request, version: head });
  }

  /** Notes the states of a rejection, and returns the message with their version if that is later than the view. */
  noteRejection(message: WriteRejected, changes: ViewDifference | null, bootstrap: Bootstrap | null): WriteRejected {
    const { head } = this.history.log;
    if (this.cursor.coveredTo >= head || !this.early.add(message, head)) return message;
    this.early.addTo(changes, bootstrap);
    return { ...message, upTo: head };
  }

  /** Announces the members of a view. */
  announce(bootstrap: Bootstrap, rejections: readonly ViewRejection[]): void {
    this.send({
      ...{ type: 'view', session: this.session, number: bootstrap.number, version: bootstrap.options.version },
      ...{
        scope: bootstrap.options.target.scope,
        mode: bootstrap.mode,
        objects: bootstrap.estimateRemaining(),
        rejections,
      },
    });
  }

  /** Sends a page of members after which others follow. */
  sendPage(bootstrap: Bootstrap, { objects, leaves, size }: MembersDraft, at: ScanPosition): void {
    const bytes = bootstrap.noteSent(size, this.history.bytes);
    this.send({
      ...{ type: 'members', session: this.session, number: bootstrap.number, objects, leaves },
      ...{ position: bootstrap.toPositionText(at), upTo: null },
      ...{ remaining: Math.max(1, bootstrap.estimateRemaining()), bytes },
    });
  }

  /** Sends the last page of members, which is exact at the head of the history, and the marks that waited for it. */
  sendLastPage({ number }: Bootstrap, { objects, leaves, bytes: pageBytes }: MembersDraft): void {
    const { log, bytes } = this.history;
    const upTo = log.head;
    const { marks } = this;
    this.marks = [];
    this.early.endAt(upTo);
    this.cursor.advance(upTo, upTo, true, pageBytes);
    this.send({
      ...{ type: 'members', session: this.session, number, objects, leaves },
      ...{ position: null, upTo, remaining: 0, bytes },
    });
    for (const mark of [...this.cursor.takeReachedMarks(), ...marks]) this.send(mark);
  }

  /** Sends a page of changes, unless an empty one is not needed. `total`: the bytes of the history up to it. */
  sendParts(upTo: Version, total: number, draft: MembersDraft): void {
    this.sendShared(new PartsPage(upTo, total, draft));
  }

  /** Sends a page of changes, unless it is empty and not needed. `isNeeded`: in any case. */
  sendShared(page: PartsPage, isNeeded = page.size > 0): void {
    const { log, bytes } = this.history;
    const isAwaited = this.early.endAt(page.upTo);
    if (this.cursor.advance(page.upTo, log.head, isNeeded || isAwaited, page.bytes))
      this.send(page.partsFor(this.session, { version: log.head, bytes }));
    for (const mark of this.cursor.takeReachedMarks()) this.send(mark);
  }

  /** Moves the client to a version, if it is behind and has stored all that it was sent. */
  sendProgress(page: PartsPage): void {
    if (this.cursor.mayMoveTo(page.upTo)) this.sendShared(page, true);
  }
}
