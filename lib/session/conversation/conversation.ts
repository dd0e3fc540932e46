import { finalize, Observable, observeOn, queueScheduler, switchMap, take, tap, throwError, timeout } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { Marked, ServerMessage } from '../../protocol/messages.js';
import type { Channel } from '../connection/mux.js';
import {
  createCopyDisconnect,
  convertWireError,
  createUnansweredDisconnect,
  createProtocolViolation,
} from '../connection/disconnect.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';
import {
  Conversation,
  type ConversationHandlers,
  type ConversationOwner,
  type SessionPorts,
} from './conversation-ports.js';
import { handleBound } from './handle-bound.js';
import {
  forgetTombstones,
  handleDownload,
  handleSnapshot,
  requestSnapshotPage,
  sendReceived,
} from './handle-download.js';
import { handleRejections } from './handle-rejections.js';
import { cutView } from './bind-view.js';
import { afterEdits, followWantedViews, handleMembers, handleParts, handleView, leaveView } from './handle-view.js';
import { finishWork, handleWaiting, runBeside, runWork } from './message-work.js';
import { abandonMessages, recordProcessed, resetReceiveProgress } from './receive-progress.js';
import { continueUploads, pagesToUpload, uploadPage } from './upload-changesets.js';

/**
 * Binds one session on one channel.
 *
 * A stream of the events of the bind, which completes when the session is bound. Then `exchangeMessages` goes on. Cold.
 * Errors with a `Disconnect`, or with the error of a realm operation.
 */
export const bindConversation = (
  channel: Channel,
  ports: SessionPorts,
  owner: ConversationOwner,
  onBound: (conversation: Conversation) => void,
): Observable<SessionEvent> =>
  ports.realm.greeting$.pipe(
    switchMap((greeting) => {
      const conversation = new Conversation(channel, cutView(greeting), ports, owner, handlers);
      let isBound = false;
      resetReceiveProgress(ports.receiveProgress, channel);
      return bind(conversation).pipe(
        tap({
          complete: () => {
            isBound = true;
            onBound(conversation);
          },
        }),
        finalize(() => {
          if (!isBound) endConversation(conversation);
        }),
      );
    }),
  );

/** Ends a conversation, and gives up its unprocessed messages. */
export const endConversation = (conversation: Conversation): void => {
  conversation.end();
  leaveView(conversation);
  abandonMessages(conversation.receiveProgress);
};

/** Sends the bind, and handles its answer. Completes when the session is bound. */
const bind = (conversation: Conversation): Observable<SessionEvent> =>
  new Observable<void>((subscriber) => {
    const { channel, session, greeting, ports, owner } = conversation;
    channel.read({ onMessage: () => subscriber.next() });
    channel.send({ type: 'bind', session, realm: ports.realmName, token: owner.token, ...greeting });
  }).pipe(
    timeout({
      first: conversation.ports.timeouts.connect,
      scheduler: conversation.clock.scheduler,
      with: () => throwError(() => createUnansweredDisconnect('bind')),
    }),
    observeOn(queueScheduler), // The answer may come synchronously, while the bind is being sent.
    take(1),
    switchMap(() => handleAnswer(conversation, conversation.channel.inbox.shift())),
  );

const handleAnswer = (conversation: Conversation, message: ServerMessage | undefined): Observable<SessionEvent> => {
  switch (message?.type) {
    case 'bound':
      return handleBound(conversation, message);
    case 'error':
      throw convertWireError(message);
    case 'copied':
      throw createCopyDisconnect(message.version);
    default:
      throw createProtocolViolation(`${String(message?.type)} before bound`);
  }
};

/**
 * Exchanges messages with the server from now on. A plain function: what stays subscribed in an idle session is the
 * outbox alone, because an operator costs a kilobyte.
 */
export const exchangeMessages = (conversation: Conversation): void => {
  const { channel, cursors, snapshotBuffer, bound } = conversation;
  if (bound === null) throw new Error('Defect: messages were exchanged before the session was bound.');
  cursors.forgetAt = bound.retentionCutoff;
  // The whole realm, or the whole view, comes again: tombstones go with it.
  const isReplaced = cursors.fetching !== null || bound.view?.mode === 'resync';
  forgetTombstones(conversation, isReplaced ? 0 : cursors.downloadedTo);
  runBeside(conversation, pagesToUpload(conversation), (page) => {
    uploadPage(conversation, bound, page);
  });
  followWantedViews(conversation, () => requestMark(conversation));
  requestMark(conversation);
  if (bound.snapshot === null) snapshotBuffer.drop();
  else requestSnapshotPage(conversation, bound.snapshot, snapshotBuffer.begin(bound.history, bound.snapshot));
  if (conversation.running.closed) return; // It has failed meanwhile.
  recordProcessed(conversation.receiveProgress, 1);
  channel.read(conversation);
  handleWaiting(conversation);
};

/** Requests a mark that the session waits for. One mark answers all requests that were made before it was sent. */
export const requestMark = (conversation: Conversation, state = conversation.ports.getShown()): void => {
  if (!isMarkWanted(conversation, state)) return;
  if (conversation.view === null) sendMark(conversation, state);
  else
    afterEdits(conversation, () => {
      const latest = conversation.ports.getShown();
      if (isMarkWanted(conversation, latest)) sendMark(conversation, latest);
    });
};

const isMarkWanted = ({ cursors }: Conversation, { marks }: SessionState): boolean =>
  marks.wanted > Math.max(marks.answered, cursors.lastMark);

const sendMark = ({ cursors, channel, session }: Conversation, { marks }: SessionState): void => {
  cursors.lastMark = marks.wanted;
  channel.send({ type: 'mark', session, request: marks.wanted });
};

const handleMark = (conversation: Conversation, { request, version }: Marked): void => {
  const { cursors, clock, dispatch, owner } = conversation;
  if (request > cursors.lastMark)
    throw createProtocolViolation(`mark ${request}, but only ${cursors.lastMark} was requested`);
  owner.onProgress('marked');
  dispatch({ type: 'marked', request, version, at: clock.now() });
  finishWork(conversation);
};

const handleAccepted = (conversation: Conversation, version: Version): void => {
  const { realm, uploadWindow, cursors, clock, dispatch } = conversation;
  if (version > cursors.sent)
    throw createProtocolViolation(`accepted ${version}, but only ${cursors.sent} was uploaded`);
  uploadWindow.recordAccepted(version);
  continueUploads(conversation, version);
  runWork(conversation, realm.acknowledge(version), {
    onDone: () => {
      dispatch({ type: 'accepted', at: clock.now() });
    },
  });
};

const handleMessage = (conversation: Conversation): void => {
  const { inbox } = conversation.channel;
  if (inbox[0]?.type === 'refused') {
    handleRejections(conversation);
    return;
  }
  const message = inbox.length === 1 ? inbox.pop() : inbox.shift();
  switch (message?.type) {
    case 'download':
      handleDownload(conversation, message);
      return;
    case 'accepted':
      handleAccepted(conversation, message.version);
      return;
    case 'mark':
      handleMark(conversation, message);
      return;
    case 'snapshot':
      handleSnapshot(conversation, message);
      return;
    case 'view':
      handleView(conversation, message);
      return;
    case 'members':
      handleMembers(conversation, message);
      return;
    case 'parts':
      handleParts(conversation, message);
      return;
    case 'bound':
      throw createProtocolViolation('bound twice');
    case 'error':
      throw convertWireError(message);
    case 'copied':
      throw createCopyDisconnect(message.version);
    // The answer to an `unbind` is never delivered here, because the session has left the channel by then.
    case 'unbound':
      throw createProtocolViolation('unbound without a request');
    default:
      finishWork(conversation);
  }
};

const handlers: ConversationHandlers = { handleMessage, handleWaiting, sendReceived, requestMark };
