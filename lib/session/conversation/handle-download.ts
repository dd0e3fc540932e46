import type { Observable } from 'rxjs';
import { totalBytesOf, type ObjectName } from '../../model/changeset.js';
import { UnreadableChangeError } from '../../model/errors.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { Version } from '../../model/version.js';
import type { Download, Snapshot } from '../../protocol/messages.js';
import { createProtocolViolation } from '../connection/disconnect.js';
import type { SessionEvent } from '../state/session-events.js';
import type { Conversation } from './conversation-ports.js';
import { finishWork, runBeside, runWork } from './message-work.js';

export const requestSnapshotPage = (
  { channel, session }: Conversation,
  version: Version,
  after: ObjectName | null,
): void => {
  channel.send({ type: 'fetch', session, version, after });
};

/** Shows the errors of objects that a page has set aside, and reports the fault to the server. Nothing ends. */
const reportSetAside = ({ channel, session, dispatch }: Conversation, { version, errors }: SetAsideReport): void => {
  channel.send({ type: 'fault', session, version, code: 'schema' });
  for (const error of errors) dispatch({ type: 'trouble', error });
};

/**
 * Reports a change that cannot be applied to the server before the session ends (E10). The server's operator may know
 * more about it.
 */
const reportUnreadable = ({ channel, session }: Conversation, thrown: unknown): void => {
  if (thrown instanceof UnreadableChangeError)
    channel.send({ type: 'fault', session, version: thrown.version, code: 'unreadable' });
};

/** Confirms to the server that everything up to a version is stored. */
export const sendReceived = (conversation: Conversation, version: Version): void => {
  const { channel, session } = conversation;
  channel.send({ type: 'received', session, version });
  forgetTombstones(conversation, version);
};

/** Removes the tombstones that the server has removed, once everything is stored that may refer to them. */
export const forgetTombstones = (conversation: Conversation, storedTo: Version): void => {
  const { cursors, realm } = conversation;
  const { forgetAt } = cursors;
  if (!forgetAt || storedTo < forgetAt.version) return;
  cursors.forgetAt = null;
  runBeside(conversation, realm.forget(forgetAt));
};

/** Shows that everything up to a version is stored. */
export const showDownloaded = (
  { owner, dispatch, clock }: Conversation,
  event: Omit<Extract<SessionEvent, { type: 'downloaded' }>, 'type' | 'at'>,
): void => {
  owner.onProgress('downloaded');
  dispatch({ type: 'downloaded', ...event, at: clock.now() });
};

/** Stores a page, and reports what it sets aside. `onStored` is called when reads see it. */
export const storePage = (
  conversation: Conversation,
  stored$: Observable<SetAsideReport>,
  onStored: () => void,
): void => {
  runWork(conversation, stored$, {
    onValue: (report) => {
      reportSetAside(conversation, report);
    },
    onError: (thrown) => {
      reportUnreadable(conversation, thrown);
    },
    onDone: onStored,
  });
};

/**
 * Handles a page of a snapshot. Pages are buffered until the last one, because reads see the whole snapshot or nothing.
 */
export const handleSnapshot = (conversation: Conversation, page: Snapshot): void => {
  const { realm, bound, cursors, snapshotBuffer, dispatch } = conversation;
  const { version, objects, remaining, bytes } = page;
  if (version !== cursors.fetching) throw createProtocolViolation(`a snapshot of ${version} without a request`);
  const contradiction = snapshotBuffer.add(page);
  if (contradiction !== null) throw createProtocolViolation(`an invalid snapshot: ${contradiction}`);
  const { head = 0, headBytes = 0 } = bound ?? {};
  const remainingBytes = Math.max(0, headBytes - bytes);
  const last = objects.at(-1);
  if (remaining > 0 && last) {
    dispatch({ type: 'collected', bytes, remainingBytes });
    requestSnapshotPage(conversation, version, { type: last.type, key: last.key });
    finishWork(conversation);
    return;
  }
  cursors.fetching = null;
  cursors.downloadedTo = version;
  storePage(conversation, realm.replace({ version, objects: snapshotBuffer.objects(), bytes, remainingBytes }), () => {
    snapshotBuffer.drop();
    showDownloaded(conversation, { version, behind: head - version, bytes, remainingBytes });
    sendReceived(conversation, version);
  });
};

/** Handles a page of the history: stores it, shows it, and confirms it to the server. */
export const handleDownload = (conversation: Conversation, page: Download): void => {
  const { realm, receipts, cursors } = conversation;
  const { upTo: version, remaining: behind, bytes, remainingBytes, changesets } = page;
  checkDownload(conversation, page);
  cursors.downloadedTo = version;
  storePage(conversation, realm.integrate(page), () => {
    showDownloaded(conversation, { version, behind, bytes, remainingBytes });
    receipts.add(version, totalBytesOf(changesets));
  });
};

/** Throws a `Disconnect` for a page that is invalid now. */
const checkDownload = ({ cursors, view }: Conversation, { upTo, changesets }: Download): void => {
  if (view !== null) throw createProtocolViolation('a download for a realm that has a view');
  if (cursors.fetching !== null) throw createProtocolViolation(`a download before the snapshot of ${cursors.fetching}`);
  if (upTo <= cursors.downloadedTo)
    throw createProtocolViolation(`a download up to ${upTo}, but this realm has ${cursors.downloadedTo}`);
  const first = changesets[0]?.version ?? upTo;
  if (first <= cursors.downloadedTo)
    throw createProtocolViolation(`a download from ${first}, but this realm has ${cursors.downloadedTo}`);
};
