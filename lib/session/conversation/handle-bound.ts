import { concat, EMPTY, forkJoin, ignoreElements, mergeMap, type Observable, of, take, tap, throwError } from 'rxjs';
import type { Bound } from '../../protocol/messages.js';
import { createCopyDisconnect, createProtocolViolation } from '../connection/disconnect.js';
import type { SessionEvent } from '../state/session-events.js';
import { serverClockReadingOf } from './clock-offset.js';
import type { Conversation } from './conversation-ports.js';
import { checkBoundView } from './handle-view.js';

/**
 * Errors when this realm turns out to be a copy.
 *
 * First case: the server has accepted another changeset than this realm wrote, or more of them. Two processes may have
 * the same run after a running machine was cloned. Second case: another copy uses the replica at the same time, and
 * this realm has nothing left to upload. Its later changes are then its own.
 */
const checkNotCopied = ({ realm, greeting, owner }: Conversation, { accepted, stamp }: Bound): Observable<never> =>
  forkJoin([realm.outbox$.pipe(take(1)), realm.stampOf(accepted)]).pipe(
    mergeMap(([{ written }, own]) => {
      const isOther = stamp !== null && own !== null && (stamp.time !== own.time || stamp.count !== own.count);
      if (accepted > written || isOther) return throwError(() => createCopyDisconnect(greeting.acknowledged));
      return owner.replacedLimit.isExceeded() && written === accepted
        ? throwError(() => createCopyDisconnect(accepted))
        : EMPTY;
    }),
  );

/** Prepares the realm for the server that has answered the bind, and then emits the event `bound`. */
export const handleBound = (conversation: Conversation, message: Bound): Observable<SessionEvent> => {
  const { realm, greeting, cursors, bindSentAt, clock } = conversation;
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
  checkBoundView(conversation, message);
  conversation.bound = message;
  cursors.sent = accepted;
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
  );
};
