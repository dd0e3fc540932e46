import { concat, defer, EMPTY, ignoreElements, type Observable, timer } from 'rxjs';
import { endOfTurn$ } from '../../clock.js';
import { runAction } from '../../model/operators.js';
import type { ObjectName, RejectedChangeset, RejectedWrite } from '../../model/changeset.js';
import { CompensatingWriteError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { ServerMessage, WriteRejected } from '../../protocol/messages.js';
import { createProtocolViolation } from '../connection/disconnect.js';
import type { Conversation } from './conversation-ports.js';
import { runWork } from './message-work.js';
import { continueUploads } from './upload-changesets.js';

/** Rejections that are rolled back together, at most. A batch of this size takes some milliseconds. */
const rejectionsAtOnceMax = 100;

/** Removes the leading rejections from the inbox, and returns them. */
const takeRejections = (inbox: ServerMessage[]): readonly WriteRejected[] => {
  const end = inbox.findIndex(({ type }) => type !== 'refused');
  return inbox.splice(0, Math.min(rejectionsAtOnceMax, end === -1 ? inbox.length : end)) as WriteRejected[];
};

/** Handles the leading rejections of the inbox. Those that arrived together are rolled back together. */
export const handleRejections = (conversation: Conversation): void => {
  const { inbox } = conversation.channel;
  let taken = 0;
  const rejected$ = concat(
    endOfTurn$.pipe(ignoreElements()),
    defer(() => {
      const messages = takeRejections(inbox);
      taken = messages.length;
      return rollBack(conversation, messages);
    }),
    // After a full batch other work gets its turn.
    defer(() => (inbox[0]?.type === 'refused' ? timer(0, conversation.clock.scheduler) : EMPTY)).pipe(ignoreElements()),
  );
  runWork(conversation, rejected$, {
    onValue: ({ errors }) => {
      // A server state has no version that was sent to this replica, so nothing is reported to the server.
      for (const error of errors) conversation.dispatch({ type: 'trouble', error });
    },
    countMessages: () => taken,
  });
};

/** Returns the reasons of a changeset that this client withdrew itself. Only the client knows them. */
const withdrawnWritesOf = (serverStates: readonly ObjectName[], reason: string): readonly RejectedWrite[] =>
  serverStates.slice(0, limits.rejectedReasonsMax).map(({ type, key }) => ({ type, key, reason }));

/**
 * Rolls rejected changesets back. Their `rejected` events come before the rollback, so that no observer takes the
 * writes for accepted. Their errors come after it (E9).
 */
const rollBack = (conversation: Conversation, messages: readonly WriteRejected[]): Observable<SetAsideReport> => {
  const { realm, cursors, dispatch } = conversation;
  // Rejections up to this version are repeated, because the server did not know that they had arrived.
  let before = cursors.rejected;
  const fresh = messages.filter(({ version }) => version > before && (before = version));
  const last = fresh.at(-1);
  if (last === undefined) return EMPTY;
  if (last.version > cursors.sent)
    throw createProtocolViolation(`a rejection of ${last.version}, but only ${cursors.sent} was uploaded`);
  cursors.rejected = last.version;
  const all = fresh.map((message): RejectedChangeset => {
    const { version, writes, serverStates, code, upTo } = message;
    const withdrawnReason = cursors.withdrawn?.get(version);
    return {
      version,
      serverStates,
      code,
      ...(upTo !== undefined && { upTo }),
      writes: withdrawnReason === undefined ? writes : withdrawnWritesOf(serverStates, withdrawnReason),
    };
  });
  const errors = all.map(({ version, writes, code }) => new CompensatingWriteError(version, writes, code));
  for (const error of errors) dispatch({ type: 'rejected', error });
  continueUploads(conversation, last.version);
  return concat(
    realm.rollBack(...all),
    runAction(() => {
      for (const error of errors) dispatch({ type: 'trouble', error });
    }),
  );
};
