import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  finalize,
  forkJoin,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  queueScheduler,
  startWith,
  subscribeOn,
  switchMap,
  take,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { runAction } from '../../model/operators.js';
import { endOfTurn$ } from '../../clock.js';
import type { ObjectName, RejectedChangeset, RejectedWrite } from '../../model/changeset.js';
import { CompensatingWriteError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { Bound, ClientMessage, WriteRejected, ServerMessage } from '../../protocol/messages.js';
import { resetReceiveProgress, processMessage } from './receive-progress.js';
import { requestSnapshotPage, handleDownload, handleSnapshot, reportSetAside } from './handle-download.js';
import {
  createCopyDisconnect,
  convertWireError,
  createUnansweredDisconnect,
  createProtocolViolation,
} from '../connection/disconnect.js';
import type { SessionEvent } from '../state/session-events.js';
import type { FrameSizeLimit } from './frame-size-limit.js';
import type { Channel } from '../connection/mux.js';
import { serverClockReadingOf } from './clock-offset.js';
import { type ConversationPorts, type Conversation, createConversation } from './conversation-ports.js';
import { continueUploads, uploadChangesets } from './upload-changesets.js';

/**
 * Runs one session on one channel, from its bind on.
 *
 * Applies the received messages one by one, and emits the event of each after its effects are stored. Cold. Never
 * completes. Errors with a `Disconnect`, or with the error of a realm operation.
 */
export const runConversation = (channel: Channel, ports: ConversationPorts): Observable<SessionEvent> =>
  ports.realm.greeting$.pipe(
    switchMap((greeting) => {
      const { session, wire, inbox } = channel;
      const conversation = createConversation(session, greeting, ports);
      resetReceiveProgress(ports.receiveProgress, channel);
      const received$ = wire(outgoingMessagesOf(conversation, channel.frames)).pipe(
        timeout({
          first: ports.timeouts.connect,
          scheduler: ports.clock.scheduler,
          with: () => throwError(() => createUnansweredDisconnect('bind')),
        }),
        // Processing that takes no time must not nest in that of the message before.
        concatMap(() =>
          processMessage(ports.receiveProgress, () => handleNextMessage(conversation, inbox)).pipe(
            subscribeOn(queueScheduler),
          ),
        ),
      );
      return merge(conversation.events, forgetTombstones(conversation), received$).pipe(
        finalize(conversation.receipts.stop),
      );
    }),
  );

/** Emits all messages to the server: the bind, and after its answer the unsent changesets and marks. */
const outgoingMessagesOf = (conversation: Conversation, frames: FrameSizeLimit): Observable<ClientMessage> => {
  const { session, realmName, token, greeting, bound, answers, mark$, cursors } = conversation;
  const marks = mark$.pipe(
    tap((request) => (cursors.lastMark = request)),
    map((request): ClientMessage => ({ type: 'mark', session, request })),
  );
  return merge(
    answers,
    bound.pipe(switchMap((message) => merge(uploadChangesets(conversation, message, frames), marks))),
    of<ClientMessage>({ type: 'bind', session, realm: realmName, token, ...greeting }),
  );
};

/** Removes the tombstones that the server has removed, once everything is stored that may refer to them. */
const forgetTombstones = ({ bound, answers, realm, cursors }: Conversation): Observable<never> =>
  bound.pipe(
    switchMap(({ retentionCutoff }) => {
      if (!retentionCutoff) return EMPTY;
      const stored$ = answers.pipe(
        map((answer) => (answer.type === 'received' ? answer.version : 0)),
        startWith(cursors.fetching === null ? cursors.downloadedTo : 0),
      );
      return stored$.pipe(
        filter((version) => version >= retentionCutoff.version),
        take(1),
        switchMap(() => realm.forget(retentionCutoff)),
      );
    }),
  );

/** Whether a message is invalid now: a session is bound once, and nothing else comes before that. */
const isUnexpected = ({ cursors }: Conversation, { type }: ServerMessage): boolean =>
  type !== 'error' && type !== 'copied' && (type === 'bound') === cursors.isBound;

const handleMessage = (conversation: Conversation, message: ServerMessage): Observable<SessionEvent> => {
  if (isUnexpected(conversation, message)) {
    return throwError(() =>
      createProtocolViolation(`${message.type} ${conversation.cursors.isBound ? 'twice' : 'before bound'}`),
    );
  }
  switch (message.type) {
    case 'bound':
      return handleBound(conversation, message);
    case 'accepted':
      return handleAccepted(conversation, message.version);
    case 'refused':
      return handleRejections(conversation, [message]);
    case 'download':
      return handleDownload(conversation, message);
    case 'mark': {
      const { request, version } = message;
      const { lastMark } = conversation.cursors;
      if (request > lastMark)
        return throwError(() => createProtocolViolation(`mark ${request}, but only ${lastMark} was requested`));
      return of({ type: 'marked', request, version, at: conversation.clock.now() });
    }
    case 'error':
      return throwError(() => convertWireError(message));
    case 'snapshot':
      return handleSnapshot(conversation, message);
    case 'copied':
      return throwError(() => createCopyDisconnect(message.version));
    // The answer to an `unbind` is never delivered here, because the session has left the channel by then.
    case 'unbound':
      return throwError(() => createProtocolViolation('unbound without a request'));
    case 'pong':
      return EMPTY;
  }
};

/** Rejections that are rolled back together, at most. A batch of this size takes some milliseconds. */
const rejectionsAtOnceMax = 100;

/** Removes the leading rejections from the inbox, and returns them. */
const takeRejections = (inbox: ServerMessage[]): readonly WriteRejected[] => {
  const end = inbox.findIndex(({ type }) => type !== 'refused');
  return inbox.splice(0, Math.min(rejectionsAtOnceMax, end === -1 ? inbox.length : end)) as WriteRejected[];
};

/**
 * Processes the next message of the inbox, unless it was processed with one before. Rejections that arrived together
 * are rolled back together.
 */
const handleNextMessage = (conversation: Conversation, inbox: ServerMessage[]): Observable<SessionEvent> => {
  const isRejection = (): boolean => conversation.cursors.isBound && inbox[0]?.type === 'refused';
  if (!isRejection()) {
    const message = inbox.length === 1 ? inbox.pop() : inbox.shift();
    return message ? handleMessage(conversation, message) : EMPTY;
  }
  return concat(
    endOfTurn$.pipe(ignoreElements()),
    defer(() => handleRejections(conversation, takeRejections(inbox))),
    // After a full batch other work gets its turn.
    defer(() => (isRejection() ? timer(0, conversation.clock.scheduler) : EMPTY)).pipe(ignoreElements()),
  );
};

/**
 * Errors when this realm turns out to be a copy.
 *
 * First case: the server has accepted another changeset than this realm wrote, or more of them. Two processes may have
 * the same run after a running machine was cloned. Second case: another copy uses the replica at the same time, and
 * this realm has nothing left to upload. Its later changes are then its own.
 */
const checkNotCopied = (
  { realm, greeting, replacedLimit }: Conversation,
  { accepted, stamp }: Bound,
): Observable<never> =>
  forkJoin([realm.outbox$.pipe(take(1)), realm.stampOf(accepted)]).pipe(
    mergeMap(([{ written }, own]) => {
      const isOther = stamp !== null && own !== null && (stamp.time !== own.time || stamp.count !== own.count);
      if (accepted > written || isOther) return throwError(() => createCopyDisconnect(greeting.acknowledged));
      return replacedLimit.isExceeded() && written === accepted
        ? throwError(() => createCopyDisconnect(accepted))
        : EMPTY;
    }),
  );

const handleBound = (conversation: Conversation, message: Bound): Observable<SessionEvent> => {
  const { realm, greeting, bound, cursors, snapshotBuffer, bindSentAt, clock } = conversation;
  const { accepted, head, history, snapshot, retentionCutoff } = message;
  const reading = {
    ...serverClockReadingOf(message.serverTime, bindSentAt, clock.now()),
    ...(retentionCutoff && { retentionCutoff: retentionCutoff.time }),
  };
  if (accepted < greeting.acknowledged || head < greeting.downloadedTo) {
    return throwError(() =>
      createProtocolViolation(`bound with accepted ${accepted} and head ${head}, behind this realm`),
    );
  }
  if (snapshot !== null && (snapshot <= greeting.downloadedTo || snapshot > head)) {
    return throwError(() =>
      createProtocolViolation(
        `bound with a snapshot of ${snapshot}, but this realm has ${greeting.downloadedTo} of ${head}`,
      ),
    );
  }
  cursors.isBound = true;
  cursors.sent = accepted;
  cursors.head = message;
  cursors.fetching = snapshot;
  return concat(
    checkNotCopied(conversation, message),
    greeting.history === null ? realm.adopt(history) : EMPTY,
    accepted > greeting.acknowledged ? realm.acknowledge(accepted) : EMPTY,
    realm.limit(message.limits),
    // Before any upload, because a changeset that another replica has received keeps its stamp.
    realm.correct({ ...reading, decided: message.decided }),
    // Acknowledgements of the previous connection may have been stored since this session was bound. These changesets
    // are not uploaded again.
    realm.outbox$.pipe(
      take(1),
      tap(({ acknowledged }) => (cursors.sent = Math.max(accepted, acknowledged))),
      ignoreElements(),
    ),
    of<SessionEvent>({
      type: 'bound',
      bound: message,
      downloadedTo: greeting.downloadedTo,
      isFresh: greeting.history === null,
      at: clock.now(),
    }),
    runAction(() => {
      bound.next(message);
      bound.complete(); // No other bound follows. Streams that waited for it are released.
      if (snapshot === null) snapshotBuffer.drop();
      else requestSnapshotPage(conversation, snapshot, snapshotBuffer.begin(history, snapshot));
    }),
  );
};

const handleAccepted = (conversation: Conversation, version: Version): Observable<SessionEvent> => {
  const { realm, uploadWindow, cursors, clock } = conversation;
  return version > cursors.sent
    ? throwError(() => createProtocolViolation(`accepted ${version}, but only ${cursors.sent} was uploaded`))
    : concat(
        runAction(() => {
          uploadWindow.recordAccepted(version);
          continueUploads(conversation, version);
        }),
        realm.acknowledge(version),
        defer(() => of<SessionEvent>({ type: 'accepted', at: clock.now() })),
      );
};

/** Returns the reasons of a changeset that this client withdrew itself. Only the client knows them. */
const withdrawnWritesOf = (serverStates: readonly ObjectName[], reason: string): readonly RejectedWrite[] =>
  serverStates.slice(0, limits.rejectedReasonsMax).map(({ type, key }) => ({ type, key, reason }));

/**
 * Handles rejections. Their `rejected` events come before the rollback, so that no observer takes the writes for
 * accepted. Their errors come after it (E9).
 */
const handleRejections = (conversation: Conversation, messages: readonly WriteRejected[]): Observable<SessionEvent> => {
  const { realm, cursors } = conversation;
  // Rejections up to this version are repeated, because the server did not know that they had arrived.
  let before = cursors.rejected;
  const fresh = messages.filter(({ version }) => version > before && (before = version));
  const last = fresh.at(-1);
  if (last === undefined) return EMPTY;
  if (last.version > cursors.sent) {
    return throwError(() =>
      createProtocolViolation(`a rejection of ${last.version}, but only ${cursors.sent} was uploaded`),
    );
  }
  cursors.rejected = last.version;
  const all = fresh.map((message): RejectedChangeset => {
    const { version, writes, serverStates, code } = message;
    const withdrawnReason = cursors.withdrawn?.get(version);
    return {
      version,
      serverStates,
      code,
      writes: withdrawnReason === undefined ? writes : withdrawnWritesOf(serverStates, withdrawnReason),
    };
  });
  const errors = all.map(({ version, writes, code }) => new CompensatingWriteError(version, writes, code));
  return concat(
    from(errors).pipe(map((error): SessionEvent => ({ type: 'rejected', error }))),
    runAction(() => continueUploads(conversation, last.version)),
    // A server state has no version that was sent to this replica.
    realm.rollBack(...all).pipe(reportSetAside(conversation, false)),
    from(errors).pipe(map((error): SessionEvent => ({ type: 'trouble', error }))),
  );
};
