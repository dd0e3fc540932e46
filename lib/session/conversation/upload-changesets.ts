import { filter, map, type Observable } from 'rxjs';
import { bytesOf } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Bound, ClientMessage } from '../../protocol/messages.js';
import type { FrameSizeLimit } from './frame-size-limit.js';
import { type UploadPart, splitPage } from './upload-parts.js';
import type { Conversation } from './conversation-ports.js';

const lastVersionOf = (part: UploadPart | undefined): Version =>
  part === undefined ? 0 : 'withdrawn' in part ? part.withdrawn.version : (part.changesets.at(-1)?.version ?? 0);

const messageOf = ({ session, realm, cursors }: Conversation, part: UploadPart): ClientMessage => {
  if (!('withdrawn' in part)) return { type: 'upload', session, changesets: part.changesets };
  const { withdrawn, bytesMax } = part;
  const { version, body } = withdrawn;
  cursors.withdrawn ??= new Map();
  cursors.withdrawn.set(version, `its changes have ${body.byteLength} bytes, and at most ${bytesMax} can be sent`);
  return { type: 'withdraw', session, version, code: 'too-large', objects: realm.objectsOf(withdrawn) };
};

/** Prepares a part to be sent: advances the cursors and emits the `sent` event. */
const preparePart = (conversation: Conversation, part: UploadPart): ClientMessage => {
  const { cursors, uploadWindow, events } = conversation;
  cursors.sent = lastVersionOf(part);
  uploadWindow.recordSent(cursors.sent);
  const bytes = 'withdrawn' in part ? 0 : part.changesets.reduce((sum, each) => sum + bytesOf(each), 0);
  events.next({ type: 'sent', version: cursors.sent, bytes });
  return messageOf(conversation, part);
};

/**
 * Emits the uploads after a bind, as changesets are written.
 *
 * Emits only the first part of a page that needs several messages. The others follow one by one, each after the answer
 * to the one before, and no other page is sent meanwhile. So the upload window holds.
 */
export const uploadChangesets = (
  conversation: Conversation,
  bound: Bound,
  frames: FrameSizeLimit,
): Observable<ClientMessage> => {
  const { realm, accepted, uploadWindow, cursors } = conversation;
  return realm
    .uploads(cursors.sent, accepted, () => (cursors.rest === null ? uploadWindow.pagesMax() : 0))
    .pipe(
      map((page): ClientMessage | null => {
        if (conversation.hasLeft()) return null;
        const [first = { changesets: page }, ...rest] = splitPage(page, bound, frames);
        if (rest.length > 0) cursors.rest = rest;
        return preparePart(conversation, first);
      }),
      filter((message) => message !== null),
    );
};

/** Everything up to this version is answered: sends the next part of a page. */
export const continueUploads = (conversation: Conversation, version: Version): void => {
  const { cursors, answers, accepted } = conversation;
  const [next, ...more] = version >= cursors.sent ? (cursors.rest ?? []) : [];
  if (next) {
    cursors.rest = more.length > 0 ? more : null;
    answers.next(preparePart(conversation, next));
  }
  accepted.next(version);
};
