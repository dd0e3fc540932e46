import type { Observable } from 'rxjs';
import { totalBytesOf, type Changeset } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Bound, ClientMessage } from '../../protocol/messages.js';
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

/** Sends a part: advances the cursors, and shows that it was sent. */
const sendPart = (conversation: Conversation, part: UploadPart): void => {
  const { cursors, uploadWindow, channel, dispatch } = conversation;
  cursors.sent = lastVersionOf(part);
  uploadWindow.recordSent(cursors.sent);
  dispatch({ type: 'sent', version: cursors.sent, bytes: 'withdrawn' in part ? 0 : totalBytesOf(part.changesets) });
  channel.send(messageOf(conversation, part));
};

/** Emits the pages to upload after a bind, as changesets are written. */
export const pagesToUpload = (conversation: Conversation): Observable<readonly Changeset[]> => {
  const { realm, accepted$, cursors } = conversation;
  return realm.uploads(cursors.sent, accepted$, () =>
    cursors.rest === null ? conversation.uploadWindow.pagesMax() : 0,
  );
};

/**
 * Uploads a page.
 *
 * Sends only the first part of a page that needs several messages. The others follow one by one, each after the answer
 * to the one before, and no other page is sent meanwhile. So the upload window holds.
 */
export const uploadPage = (conversation: Conversation, bound: Bound, page: readonly Changeset[]): void => {
  if (conversation.ports.hasLeft()) return;
  const [first = { changesets: page }, ...rest] = splitPage(page, bound, conversation.channel.frames);
  if (rest.length > 0) conversation.cursors.rest = rest;
  sendPart(conversation, first);
};

/** Everything up to this version is answered: sends the next part of a page. */
export const continueUploads = (conversation: Conversation, version: Version): void => {
  const { cursors } = conversation;
  const [next, ...more] = version >= cursors.sent ? (cursors.rest ?? []) : [];
  if (next) {
    cursors.rest = more.length > 0 ? more : null;
    sendPart(conversation, next);
  }
  conversation.recordAnswer(version);
};
