import { concat, finalize, Observable, observeOn, queueScheduler, switchMap, take, throwError, timeout } from 'rxjs';
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
import { type ConversationPorts, type Conversation, createConversation } from './conversation-ports.js';
import { handleBound } from './handle-bound.js';
import {
  forgetTombstones,
  handleDownload,
  handleSnapshot,
  requestSnapshotPage,
  sendReceived,
} from './handle-download.js';
import { handleRejections } from './handle-rejections.js';
import { finishWork, handleWaiting, runBeside, runWork } from './message-work.js';
import { abandonMessages, recordProcessed, resetReceiveProgress } from './receive-progress.js';
import { continueUploads, pagesToUpload, uploadPage } from './upload-changesets.js';

/**
 * Runs one session on one channel, from its bind on.
 *
 * The bind is a stream, which emits `bound`. After it each message is handled by plain functions, one by one, and its
 * event is dispatched after its effects are stored. Cold. Never completes. Errors with a `Disconnect`, or with the
 * error of a realm operation.
 */
export const runConversation = (channel: Channel, ports: ConversationPorts): Observable<SessionEvent> =>
  ports.realm.greeting$.pipe(
    switchMap((greeting) => {
      const conversation = createConversation(channel, greeting, ports, { handleMessage, sendReceived });
      resetReceiveProgress(ports.receiveProgress, channel);
      return concat(bind(conversation), exchangeMessages(conversation)).pipe(
        finalize(() => {
          conversation.running.unsubscribe();
          ports.observers.onMarks = null;
          channel.close();
          conversation.receipts.stop();
          abandonMessages(conversation.receiveProgress);
        }),
      );
    }),
  );

/** Sends the bind, and handles its answer. Completes when the session is bound. */
const bind = (conversation: Conversation): Observable<SessionEvent> =>
  new Observable<void>((subscriber) => {
    const { channel, session, realmName, token, greeting } = conversation;
    channel.read(() => subscriber.next());
    channel.send({ type: 'bind', session, realm: realmName, token, ...greeting });
  }).pipe(
    timeout({
      first: conversation.timeouts.connect,
      scheduler: conversation.clock.scheduler,
      with: () => throwError(() => createUnansweredDisconnect('bind')),
    }),
    take(1),
    observeOn(queueScheduler), // The answer may come synchronously, while the bind is being sent.
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

/** Exchanges messages with the server from now on. Emits nothing and never completes. */
const exchangeMessages = (conversation: Conversation): Observable<never> =>
  new Observable((subscriber) => {
    const { channel, cursors, snapshotBuffer } = conversation;
    const { bound } = conversation;
    if (bound === null) throw new Error('Defect: messages were exchanged before the session was bound.');
    conversation.fail = (thrown) => subscriber.error(thrown);
    cursors.forgetAt = bound.retentionCutoff;
    forgetTombstones(conversation, cursors.fetching === null ? cursors.downloadedTo : 0);
    runBeside(conversation, pagesToUpload(conversation), (page) => {
      uploadPage(conversation, bound, page);
    });
    conversation.observers.onMarks = (state) => {
      requestMark(conversation, state);
    };
    requestMark(conversation, conversation.getShown());
    if (bound.snapshot === null) snapshotBuffer.drop();
    else requestSnapshotPage(conversation, bound.snapshot, snapshotBuffer.begin(bound.history, bound.snapshot));
    recordProcessed(conversation.receiveProgress, 1);
    channel.read(() => {
      handleWaiting(conversation);
    });
    handleWaiting(conversation);
  });

/** Requests a mark that the session waits for. One mark answers all requests that were made before it was sent. */
const requestMark = ({ cursors, channel, session }: Conversation, { marks }: SessionState): void => {
  if (marks.wanted <= Math.max(marks.answered, cursors.lastMark)) return;
  cursors.lastMark = marks.wanted;
  channel.send({ type: 'mark', session, request: marks.wanted });
};

const handleMark = (conversation: Conversation, { request, version }: Marked): void => {
  const { cursors, clock, dispatch, onProgress } = conversation;
  if (request > cursors.lastMark)
    throw createProtocolViolation(`mark ${request}, but only ${cursors.lastMark} was requested`);
  onProgress('marked');
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
