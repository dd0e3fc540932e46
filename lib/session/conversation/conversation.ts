import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
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
import { type ConversationPorts, runAction, type Conversation, createConversation } from './conversation-ports.js';
import { continueUploads, uploadChangesets } from './upload-changesets.js';

/**
 * One session on one lane, from its bind on: everything it hears is taken to heart, one message at a time, and told as
 * an event only then. Cold; never completes; errors with a `Drop`, or with what the realm could not do.
 */
export const runConversation = (channel: Channel, ports: ConversationPorts): Observable<SessionEvent> =>
  ports.realm.greeting$.pipe(
    switchMap((greeting) => {
      const { session, wire, inbox } = channel;
      const conversation = createConversation(session, greeting, ports);
      resetReceiveProgress(ports.receiveProgress, channel);
      const heard$ = wire(outgoingMessagesOf(conversation, channel.frames)).pipe(
        timeout({
          first: ports.timeouts.connect,
          scheduler: ports.clock.scheduler,
          with: () => throwError(() => createUnansweredDisconnect('bind')),
        }),
        // One that takes no time must not nest in the one before.
        concatMap(() =>
          processMessage(ports.receiveProgress, () => handleNextMessage(conversation, inbox)).pipe(
            subscribeOn(queueScheduler),
          ),
        ),
      );
      return merge(conversation.events, forgetTombstones(conversation), heard$);
    }),
  );

/** All we have to say to a fresh lane: the bind, and once it is answered what the server lacks, as it is written. */
const outgoingMessagesOf = (conversation: Conversation, frames: FrameSizeLimit): Observable<ClientMessage> => {
  const { session, realmName, token, greeting, bound, answers, mark$, cursors } = conversation;
  const marks = mark$.pipe(
    tap((request) => (cursors.asked = request)),
    map((request): ClientMessage => ({ type: 'mark', session, request })),
  );
  return merge(
    answers,
    bound.pipe(switchMap((message) => merge(uploadChangesets(conversation, message, frames), marks))),
    of<ClientMessage>({ type: 'bind', session, realm: realmName, token, ...greeting }),
  );
};

/**
 * Forgets what the server has forgotten, beside everything else, as soon as everything is stored that may still speak
 * of it.
 */
const forgetTombstones = ({ bound, answers, realm, cursors }: Conversation): Observable<never> =>
  bound.pipe(
    switchMap(({ retentionCutoff }) => {
      if (!retentionCutoff) return EMPTY;
      const stored$ = answers.pipe(
        map((answer) => (answer.type === 'received' ? answer.version : 0)),
        startWith(cursors.fetching === null ? cursors.seen : 0),
      );
      return stored$.pipe(
        filter((version) => version >= retentionCutoff.version),
        take(1),
        switchMap(() => realm.forget(retentionCutoff)),
      );
    }),
  );

/** Whether a message makes no sense here: a session is bound once, and before it is there is nothing to say of it. */
const isUnexpected = ({ cursors }: Conversation, { type }: ServerMessage): boolean =>
  type !== 'error' && type !== 'copied' && (type === 'bound') === cursors.isBound;

const handleMessage = (conversation: Conversation, message: ServerMessage): Observable<SessionEvent> => {
  if (isUnexpected(conversation, message)) {
    return throwError(() =>
      createProtocolViolation(
        `${message.type}: it came ${conversation.cursors.isBound ? 'a second time' : 'before bound'}`,
      ),
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
      const { asked } = conversation.cursors;
      if (request > asked)
        return throwError(() => createProtocolViolation(`mark: ${request}, but only ${asked} was asked for`));
      return of({ type: 'marked', request, version, at: conversation.clock.now() });
    }
    case 'error':
      return throwError(() => convertWireError(message));
    case 'snapshot':
      return handleSnapshot(conversation, message);
    case 'copied':
      return throwError(() => createCopyDisconnect(message.version));
    case 'unbound': // Its answer to an `unbind` comes to nobody: that is said when the lane is left.
      return throwError(() => createProtocolViolation('unbound: nobody asked for it'));
    case 'pong':
      return EMPTY;
  }
};

/** Refusals that are taken back together at most: what comes in a turn, and no more than takes some milliseconds. */
const rejectionsAtOnceMax = 100;

/** Refusals that have come one after the other. */
const takeRejections = (inbox: ServerMessage[]): readonly WriteRejected[] => {
  const end = inbox.findIndex(({ type }) => type !== 'refused');
  return inbox.splice(0, Math.min(rejectionsAtOnceMax, end === -1 ? inbox.length : end)) as WriteRejected[];
};

/**
 * Takes the next message, which may have been taken with one before it. Refusals that have come together are taken back
 * together.
 */
const handleNextMessage = (conversation: Conversation, inbox: ServerMessage[]): Observable<SessionEvent> => {
  const isRefused = (): boolean => conversation.cursors.isBound && inbox[0]?.type === 'refused';
  if (!isRefused()) {
    const message = inbox.length === 1 ? inbox.pop() : inbox.shift();
    return message ? handleMessage(conversation, message) : EMPTY;
  }
  return concat(
    endOfTurn$.pipe(ignoreElements()),
    defer(() => handleRejections(conversation, takeRejections(inbox))),
    // So many at once are to give way to what else goes on.
    defer(() => (isRefused() ? timer(0, conversation.clock.scheduler) : EMPTY)).pipe(ignoreElements()),
  );
};

/**
 * Errors when the server has accepted another changeset than this realm wrote, or more: two processes may have drawn
 * one run, when a running machine was cloned. And when this realm is a copy beside another one, and has nothing left to
 * upload: what it writes from now on is its own.
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
  const told = {
    ...serverClockReadingOf(message.serverTime, bindSentAt, clock.now()),
    ...(retentionCutoff && { retentionCutoff: retentionCutoff.time }),
  };
  if (accepted < greeting.acknowledged || head < greeting.downloadedTo) {
    return throwError(() =>
      createProtocolViolation(`bound: accepted ${accepted} and head ${head} are behind what this realm knows`),
    );
  }
  if (snapshot !== null && (snapshot <= greeting.downloadedTo || snapshot > head)) {
    return throwError(() =>
      createProtocolViolation(`bound: a snapshot of ${snapshot}, but ${greeting.downloadedTo} of ${head} are here`),
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
    // Before anything goes out: what somebody has seen keeps its stamp.
    realm.correct({ ...told, decided: message.decided }),
    // What the line before was told may have been stored since this one was bound: that waits no more.
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
      bound.complete(); // There is no other; what has waited for it is let go.
      if (snapshot === null) snapshotBuffer.drop();
      else requestSnapshotPage(conversation, snapshot, snapshotBuffer.begin(history, snapshot));
    }),
  );
};

const handleAccepted = (conversation: Conversation, version: Version): Observable<SessionEvent> => {
  const { realm, uploadWindow, cursors, clock } = conversation;
  return version > cursors.sent
    ? throwError(() => createProtocolViolation(`accepted: ${version}, but only ${cursors.sent} was uploaded`))
    : concat(
        runAction(() => {
          uploadWindow.recordAccepted(version);
          continueUploads(conversation, version);
        }),
        realm.acknowledge(version),
        defer(() => of<SessionEvent>({ type: 'accepted', at: clock.now() })),
      );
};

/** Only this client knows what it has withdrawn a changeset for. */
const withdrawnWritesOf = (standing: readonly ObjectName[], reason: string): readonly RejectedWrite[] =>
  standing.slice(0, limits.rejectedReasonsMax).map(({ type, key }) => ({ type, key, reason }));

/** Told before they are taken back, so that nobody takes them for accepted; shown as errors after (E9). */
const handleRejections = (conversation: Conversation, heard: readonly WriteRejected[]): Observable<SessionEvent> => {
  const { realm, cursors } = conversation;
  let before = cursors.refused; // Up to it they are said again, because the server did not know that we know.
  const fresh = heard.filter(({ version }) => version > before && (before = version));
  const last = fresh.at(-1);
  if (last === undefined) return EMPTY;
  if (last.version > cursors.sent) {
    return throwError(() => createProtocolViolation(`refused: ${last.version}, but only ${cursors.sent} was uploaded`));
  }
  cursors.refused = last.version;
  const all = fresh.map((message): RejectedChangeset => {
    const { version, writes, serverStates, code } = message;
    const why = cursors.withdrawn?.get(version);
    return { version, serverStates, code, writes: why === undefined ? writes : withdrawnWritesOf(serverStates, why) };
  });
  const errors = all.map(({ version, writes, code }) => new CompensatingWriteError(version, writes, code));
  return concat(
    from(errors).pipe(map((error): SessionEvent => ({ type: 'refused', error }))),
    runAction(() => continueUploads(conversation, last.version)),
    realm.rollBack(...all).pipe(reportSetAside(conversation, false)), // What stands is no version that was sent.
    from(errors).pipe(map((error): SessionEvent => ({ type: 'trouble', error }))),
  );
};
