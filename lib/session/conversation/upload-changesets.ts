import { filter, map, type Observable } from 'rxjs';
import { bytesOf } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Bound, ClientMessage } from '../../protocol/messages.js';
import type { FrameSizeLimit } from './frame-size-limit.js';
import { type UploadPart, splitPage } from './upload-parts.js';
import type { Conversation } from './conversation-ports.js';

const lastVersionOf = (piece: UploadPart | undefined): Version =>
  piece === undefined ? 0 : 'withdrawn' in piece ? piece.withdrawn.version : (piece.changesets.at(-1)?.version ?? 0);

const messageOf = ({ session, realm, cursors }: Conversation, piece: UploadPart): ClientMessage => {
  if (!('withdrawn' in piece)) return { type: 'upload', session, changesets: piece.changesets };
  const { withdrawn, bytesMax } = piece;
  const { version, body } = withdrawn;
  cursors.withdrawn ??= new Map();
  cursors.withdrawn.set(version, `its changes have ${body.byteLength} bytes, and at most ${bytesMax} can be sent`);
  return { type: 'withdraw', session, version, code: 'too-large', objects: realm.objectsOf(withdrawn) };
};

/** Takes note of what is about to be said. */
const preparePart = (conversation: Conversation, piece: UploadPart): ClientMessage => {
  const { cursors, uploadWindow, events } = conversation;
  cursors.sent = lastVersionOf(piece);
  uploadWindow.recordSent(cursors.sent);
  const bytes = 'withdrawn' in piece ? 0 : piece.changesets.reduce((sum, each) => sum + bytesOf(each), 0);
  events.next({ type: 'sent', version: cursors.sent, bytes });
  return messageOf(conversation, piece);
};

/**
 * What goes up after a bind, as it is written. Of a page that takes several messages only the first: the others follow
 * one by one, each when the one before has its answer, and no other page meanwhile, so that the window holds.
 */
export const uploadChangesets = (
  conversation: Conversation,
  bound: Bound,
  line: FrameSizeLimit,
): Observable<ClientMessage> => {
  const { realm, accepted, uploadWindow, cursors } = conversation;
  return realm
    .uploads(cursors.sent, accepted, () => (cursors.rest === null ? uploadWindow.pagesMax() : 0))
    .pipe(
      map((page): ClientMessage | null => {
        if (conversation.hasLeft()) return null;
        const [first = { changesets: page }, ...rest] = splitPage(page, bound, line);
        if (rest.length > 0) cursors.rest = rest;
        return preparePart(conversation, first);
      }),
      filter((message) => message !== null),
    );
};

/** Everything up to a version has its answer: goes on with the rest of a page. */
export const continueUploads = (conversation: Conversation, version: Version): void => {
  const { cursors, answers, accepted } = conversation;
  const [next, ...more] = version >= cursors.sent ? (cursors.rest ?? []) : [];
  if (next) {
    cursors.rest = more.length > 0 ? more : null;
    answers.next(preparePart(conversation, next));
  }
  accepted.next(version);
};
