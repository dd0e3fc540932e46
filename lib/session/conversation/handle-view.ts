import { concat, of } from 'rxjs';
import { totalBytesOf } from '../../model/changeset.js';
import { SyncError } from '../../model/errors.js';
import type { PlacedView } from '../../model/view.js';
import type { SyncedView } from '../../model/view-port.js';
import type { Bound, ServerMessage } from '../../protocol/messages.js';
import type { Members, Parts, ViewStart } from '../../protocol/view-messages.js';
import { createFatalDisconnect, createProtocolViolation } from '../connection/disconnect.js';
import type { Conversation } from './conversation-ports.js';
import { sendReceived, showDownloaded, storePage } from './handle-download.js';
import { finishWork, runBeside } from './message-work.js';
import type { ArrivingView, ViewExchange } from './view-exchange.js';

/*
 * A conversation about the objects of a view, instead of the whole history. The client asks for a view, fetches its
 * members page by page, and then receives its changes.
 */

interface ViewConversation {
  readonly view: ViewExchange;
  readonly port: SyncedView;
}

/** Returns the view of a conversation. Throws a `Disconnect` for a message that belongs to one, when it has none. */
const requireView = ({ view, realm }: Conversation, { type }: ServerMessage): ViewConversation => {
  if (view === null || realm.view === undefined) throw createProtocolViolation(`${type} in a session without a view`);
  return { view, port: realm.view };
};

/** Throws a `Disconnect` when the server has answered the bind as if the realm had no view, or as if it had one. */
export const checkBoundView = ({ greeting, view }: Conversation, bound: Bound): void => {
  if (greeting.view === undefined || view === null) {
    if (bound.view !== undefined) throw createProtocolViolation('bound with a view that this realm does not have');
    return;
  }
  if (bound.view === undefined)
    throw createFatalDisconnect(
      new SyncError('no-subscriptions', 'The server does not know subscriptions, and would send the whole realm.'),
    );
  if (bound.snapshot !== null) throw createProtocolViolation('bound with a snapshot for a realm that has a view');
  view.isFollowed = bound.view.mode === 'continue';
  if (view.isFollowed && view.placed.number === null)
    throw createProtocolViolation('bound as if this realm had a view already');
};

/** Asks for the views that the app wants, from now on. `onRequested` is called when the server knows the latest one. */
export const followWantedViews = (conversation: Conversation, onRequested: () => void): void => {
  const { view, realm } = conversation;
  if (view === null || realm.view === undefined) return;
  runBeside(conversation, realm.view.wanted$, (wanted) => {
    view.wanted = wanted;
    askForView(conversation, view);
    if (!view.isBehind()) onRequested();
  });
};

/** Runs an action when everything that the app has changed of its subscriptions is stored. */
export const afterEdits = (conversation: Conversation, action: () => void): void => {
  const { view, realm } = conversation;
  if (view === null || realm.view === undefined) action();
  else if (!view.isMarkWaiting) {
    view.isMarkWaiting = true;
    runBeside(conversation, concat(realm.view.edited$, of(null)), () => {
      view.isMarkWaiting = false;
      if (!view.isBehind()) action();
    });
  }
};

/** Notes that the connection is over. */
export const leaveView = ({ view, realm, ports }: Conversation): void => {
  if (view?.arriving && !view.isOvertaken(view.arriving.view.number))
    realm.view?.noteDisconnect(ports.membersBuffer.hasPages());
};

/**
 * Asks for the latest view, unless the server knows it. While objects arrive that it needs, too, it is asked for after
 * these: so an app that changes its subscriptions again and again gets the objects in the end.
 */
const askForView = ({ channel, session, ports }: Conversation, view: ViewExchange): void => {
  const { wanted, requested } = view;
  if (wanted === null || !view.isBehind()) return;
  if (requested === null && view.isFollowed && view.isPlaced()) {
    view.requested = wanted;
    return;
  }
  if (view.needsArriving() || ports.hasLeft()) return;
  view.requested = wanted;
  const { number, filters } = wanted;
  // Otherwise this number may be that of a view that the server has announced already, or of pages that are kept.
  const isAhead = view.fetchedAhead === null && number !== view.placed.number && !ports.membersBuffer.hasPages();
  if (isAhead) view.fetchedAhead = wanted;
  channel.send({ type: 'subscribe', session, number, filters });
  // Another view may be wanted by now, because an answer may come synchronously.
  if (isAhead && view.requested === wanted && !ports.hasLeft())
    channel.send({ type: 'next', session, number, position: null });
};

const createMembersId = ({ bound }: Conversation, message: ViewStart): string =>
  JSON.stringify([message.number, message.mode, message.version, message.scope, bound?.history]);

const arrivingOf = (
  { number, mode, scope, rejections }: ViewStart,
  { filters }: Pick<PlacedView, 'filters'>,
): ArrivingView => {
  const rejected = new Set(rejections.map(({ id }) => id));
  return { mode, view: { number, scope, filters: filters.filter(({ id }) => !rejected.has(id)) } };
};

/**
 * Handles the answer to a view: fetches its members, from where an earlier connection has ended, unless the first page
 * was requested with the view.
 */
export const handleView = (conversation: Conversation, message: ViewStart): void => {
  const { view, port } = requireView(conversation, message);
  const { channel, session, ports } = conversation;
  const { number, mode, objects, rejections } = message;
  const ahead = view.takeAhead(number);
  if (view.isOvertaken(number)) {
    if (ahead !== null) {
      view.arriving = arrivingOf(message, ahead); // Its first page may be its last one, which counts.
      ports.membersBuffer.begin(createMembersId(conversation, message));
    }
    finishWork(conversation);
    return;
  }
  const isKnown = number === (view.requested?.number ?? view.placed.number);
  if (!isKnown || (mode === 'difference' && view.placed.number === null))
    throw createProtocolViolation(`the view ${number} (${mode}), which was not asked for`);
  if (view.arriving?.view.number === number) ports.membersBuffer.drop(); // The server begins again.
  view.arriving = arrivingOf(message, view.requested?.number === number ? view.requested : view.placed);
  port.noteAnswer({ number, objects, rejections });
  const position = ports.membersBuffer.begin(createMembersId(conversation, message));
  if (ahead === null) channel.send({ type: 'next', session, number, position });
  finishWork(conversation);
};

/**
 * Handles a page of members. They are collected until the last one, because reads see the whole view or nothing. After
 * a later request no further page is fetched. But a last page that was pending then is placed all the same: the server
 * has sent it before it read that request, and sends the difference from that view to the later one.
 */
export const handleMembers = (conversation: Conversation, page: Members): void => {
  const { view, port } = requireView(conversation, page);
  const { channel, session, ports, bound, cursors, dispatch } = conversation;
  const { number, position, upTo, bytes } = page;
  const { arriving } = view;
  const isOvertaken = view.isOvertaken(number);
  if (isOvertaken && arriving?.view.number !== number) {
    finishWork(conversation);
    return;
  }
  if (arriving?.view.number !== number)
    throw createProtocolViolation(`members of the view ${number} without a request`);
  const contradiction = ports.membersBuffer.add(page);
  if (contradiction !== null) throw createProtocolViolation(`invalid members: ${contradiction}`);
  const { head = 0, headBytes = 0 } = bound ?? {};
  const remainingBytes = Math.max(0, headBytes - bytes);
  if (position !== null || upTo === null) {
    dispatch({ type: 'collected', bytes, remainingBytes });
    if (!isOvertaken) channel.send({ type: 'next', session, number, position });
    finishWork(conversation);
    return;
  }
  if (upTo < cursors.downloadedTo)
    throw createProtocolViolation(`members up to ${upTo}, but this realm has ${cursors.downloadedTo}`);
  cursors.downloadedTo = upTo;
  const members = { ...ports.membersBuffer.content(), placed: arriving.view, mode: arriving.mode, upTo };
  storePage(conversation, port.place({ ...members, bytes, remainingBytes }), () => {
    ports.membersBuffer.drop();
    view.placed = arriving.view;
    view.arriving = null;
    view.isFollowed = true;
    const behind = Math.max(0, head - upTo);
    showDownloaded(conversation, { version: upTo, behind, bytes, remainingBytes });
    // At 0 the realm is empty, and there is nothing to confirm.
    if (upTo > 0) sendReceived(conversation, upTo);
    askForView(conversation, view);
    if (!view.isBehind()) conversation.handlers.requestMark(conversation);
  });
};

/** Handles a page of changes of the placed view: stores it, shows it, and confirms it to the server. */
export const handleParts = (conversation: Conversation, page: Parts): void => {
  const { view, port } = requireView(conversation, page);
  const { receipts, cursors } = conversation;
  const { upTo, changesets, states, leaves, bytes, remaining, remainingBytes } = page;
  if (!view.isFollowed) throw createProtocolViolation('parts before the members of the view');
  if (upTo <= cursors.downloadedTo)
    throw createProtocolViolation(`parts up to ${upTo}, but this realm has ${cursors.downloadedTo}`);
  cursors.downloadedTo = upTo;
  const size = states.reduce((sum, { state }) => sum + state.byteLength, totalBytesOf(changesets));
  storePage(conversation, port.integrate({ changesets, states, leaves, upTo, bytes, remainingBytes }), () => {
    showDownloaded(conversation, { version: upTo, behind: remaining, bytes, remainingBytes });
    receipts.add(upTo, size);
  });
};
