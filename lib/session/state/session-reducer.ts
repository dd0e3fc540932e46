import { SessionClosedError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import { downloadOf, updateBatch, uploadOf } from './transfer-progress.js';
import type { SessionEndError, SessionEvent } from './session-events.js';
import type { OutboxState } from '../../model/sync-port.js';
import { forgetServerState, hasMoved, hasWork, noStall, type SessionState } from './session-state.js';
import { updateVersionShift } from './version-shift.js';
import type { ConnectionStatus, Reason } from './status.js';
import { updateTrouble } from './trouble.js';
import { transitions, needsConnection, type SyncInput } from './transitions.js';

/** Discards all knowledge of the server when the realm went through a client reset. */
const applyReset = (state: SessionState, next: OutboxState): SessionState => {
  const versionShift = updateVersionShift(state.versionShift, state.outbox, next);
  return versionShift === state.versionShift ? state : { ...forgetServerState(state), versionShift };
};

/** Rejected writes that are remembered for `written$`: its pending subscribers read the latest rejection at once. */
const rejectionsKept = 100;

const disconnectedStatusOf = (reason: Reason): ConnectionStatus => ({
  state: 'disconnected',
  reason,
  attempt: 0,
  retryAt: null,
});

/** Moves `syncState` by the table. A state that needs no connection is disconnected from that moment on. */
const applyInput = (state: SessionState, input: SyncInput, reason: Reason): SessionState => {
  const wanted = transitions[state.sync][input];
  // Changes of a logged-out user are never sent without a user.
  const isUserless = state.loggedOut && needsConnection(wanted);
  const sync = isUserless ? 'inactive' : wanted;
  if (sync === state.sync) return state;
  if (needsConnection(sync)) return { ...state, sync };
  const leaveCount = state.leaveCount + (needsConnection(state.sync) ? 1 : 0);
  return {
    ...state,
    sync,
    leaveCount,
    connection: disconnectedStatusOf(isUserless ? { kind: 'logged-out' } : reason),
  };
};

const markLoggedIn = (state: SessionState): SessionState => (state.loggedOut ? { ...state, loggedOut: false } : state);

const interruptWaits = (state: SessionState, by: SessionEndError): SessionState => ({
  ...state,
  interruption: { times: state.interruption.times + 1, by },
});

const isSynced = ({ outbox, downloaded }: SessionState): boolean => outbox.changesets === 0 && downloaded.behind === 0;

const updateLastSynced = (state: SessionState, at: number): SessionState =>
  isSynced(state) ? { ...state, lastSyncedAt: at } : state;

/**
 * Applies the transitions that `connectionState` allows. Any other one comes late, from a connection that was released.
 */
const applyConnection = (state: SessionState, connection: ConnectionStatus): SessionState =>
  !needsConnection(state.sync) || (connection.state === 'connecting' && state.connection.state !== 'disconnected')
    ? state
    : { ...state, connection };

const applyClose = (state: SessionState, immediately: boolean, by: SessionClosedError): SessionState => {
  const isFinishing = !immediately && state.outbox.changesets > 0 && needsConnection(state.sync);
  const next = applyInput(state, isFinishing ? 'closeUnsent' : 'close', { kind: 'closed' });
  if (next.sync === 'dying') return next;
  return { ...interruptWaits(next, by), released: true };
};

/**
 * Ends a dying session when nothing is left to upload. Its upload waits see the empty outbox first (see `stagesOf`).
 */
const endIfUploaded = (state: SessionState): SessionState => {
  if (state.sync !== 'dying' || state.outbox.changesets > 0) return state;
  const by = new SessionClosedError('The realm was closed, and everything in it has been uploaded.');
  return { ...interruptWaits(applyInput(state, 'uploaded', { kind: 'closed' }), by), released: true };
};

/**
 * Returns the states that observers see of one event, in the documented order.
 *
 * The order is: progress and versions, `connectionState$`, the waits, `syncState$`, and then `errors$`.
 */
export const stagesOf = (before: SessionState, after: SessionState): readonly SessionState[] => {
  // Progress is shown before the waits that it completes.
  const moved = before.transfers !== after.transfers && before.outbox.acknowledged < after.outbox.acknowledged;
  if (before.interruption === after.interruption)
    return moved ? [{ ...before, transfers: after.transfers }, after] : [after];
  const known: SessionState = {
    ...before,
    outbox: after.outbox,
    transfers: after.transfers,
    marks: after.marks,
    downloaded: after.downloaded,
  };
  const connected: SessionState = { ...known, connection: after.connection };
  return [known, connected, { ...connected, interruption: after.interruption }, after];
};

type EventOf<Type extends SessionEvent['type']> = Extract<SessionEvent, { readonly type: Type }>;

/**
 * Returns the larger of the known server version and a new one.
 *
 * A mark may report a later version than the pages did: the server does not send a replica its own changes again, so
 * these move no cursor.
 */
const knownVersionOf = ({ downloaded }: SessionState, version: Version): Version =>
  Math.max(downloaded.version, version);

const applyBound = (known: SessionState, event: EventOf<'bound'>): SessionState => {
  if (!needsConnection(known.sync)) return known;
  const state = event.isFresh ? forgetServerState(known) : known;
  const behind = Math.max(0, event.bound.head - event.downloadedTo);
  const next = applyConnection(state, { state: 'connected', since: event.at, roundTripMs: null });
  const { head, headBytes } = event.bound;
  const bytes = behind === 0 ? headBytes : (state.transfers.download?.bytes ?? 0);
  const download = { bytes, ofBytes: headBytes, changesets: event.downloadedTo, ofChangesets: head };
  const transfers = { ...state.transfers, download: updateBatch(state.transfers.download, download) };
  return updateLastSynced(
    { ...next, downloaded: { version: knownVersionOf(state, event.downloadedTo), behind }, transfers },
    event.at,
  );
};

const applyDownloaded = (state: SessionState, event: EventOf<'downloaded'>): SessionState => {
  const { version, behind, at } = event;
  const download = updateBatch(state.transfers.download, downloadOf(event));
  return updateLastSynced(
    {
      ...state,
      downloaded: { version: knownVersionOf(state, version), behind },
      transfers: { ...state.transfers, download },
    },
    at,
  );
};

/** Advances the progress of a snapshot that is still incomplete. None of its objects is in the realm yet. */
const applyCollected = (state: SessionState, { bytes, remainingBytes }: EventOf<'collected'>): SessionState => {
  const { version, behind } = state.downloaded;
  const download = downloadOf({ version, behind: behind ?? 0, bytes, remainingBytes });
  return {
    ...state,
    transfers: { ...state.transfers, download: updateBatch(state.transfers.download, download) },
  };
};

/** Ends a stall when something moved, or when nothing waits any more. */
const clearStallIfMoving = (before: SessionState, after: SessionState): SessionState =>
  after.stall.since !== null && (!needsConnection(after.sync) || !hasWork(after) || hasMoved(before, after))
    ? { ...after, stall: noStall }
    : after;

/**
 * Returns the state after an event. Pure, and total: every event is valid in every state.
 *
 * Returns the same object when nothing changed.
 */
export const reduceSession = (state: SessionState, event: SessionEvent): SessionState =>
  updateTrouble(state, clearStallIfMoving(state, applyEvent(state, event)), event);

const applyEvent = (state: SessionState, event: SessionEvent): SessionState => {
  if (state.released) return state;
  switch (event.type) {
    case 'input':
      return applyInput(event.input === 'logIn' ? markLoggedIn(state) : state, event.input, { kind: 'paused' });
    case 'closed':
      return applyClose(state, event.immediately, event.by);
    case 'loggedOut':
      return { ...endSession(state, 'logOut', { kind: 'logged-out' }, event.by), loggedOut: true };
    case 'markWanted':
      return { ...state, marks: { ...state.marks, wanted: state.marks.wanted + 1 } };
    case 'outbox': {
      const next = applyReset(state, event.outbox);
      const before = next.versionShift === state.versionShift ? state.transfers.upload : null;
      const upload = updateBatch(before, uploadOf(event.outbox));
      return endIfUploaded({ ...next, outbox: event.outbox, transfers: { ...next.transfers, upload } });
    }
    case 'sent':
      return {
        ...state,
        sent: Math.max(state.sent, event.version),
        largestSentBytes: Math.max(state.outbox.acknowledged < state.sent ? state.largestSentBytes : 0, event.bytes),
      };
    case 'reset':
      return forgetServerState(state);
    case 'rejected':
      return { ...state, rejected: [...state.rejected, event.error].slice(-rejectionsKept) };
    case 'stalled':
      return { ...state, stall: { since: state.stall.since ?? event.since, times: state.stall.times + 1 } };
    case 'connection':
      return applyConnection(state, event.connection);
    case 'roundTrip':
      return state.connection.state === 'connected' && state.connection.roundTripMs !== event.ms
        ? { ...state, connection: { ...state.connection, roundTripMs: event.ms } }
        : state;
    case 'bound':
      return applyBound(state, event);
    case 'accepted':
      return updateLastSynced(state, event.at);
    case 'downloaded':
      return applyDownloaded(state, event);
    case 'collected':
      return applyCollected(state, event);
    case 'marked': {
      const marks = { ...state.marks, answered: Math.max(state.marks.answered, event.request) };
      const version = Math.max(state.downloaded.version, event.version);
      return updateLastSynced(
        { ...state, marks, downloaded: { version, behind: state.downloaded.behind ?? 0 } },
        event.at,
      );
    }
    case 'trouble':
      return state;
    case 'fatal':
      return endSession(state, 'fatal', { kind: 'failed', code: event.error.code }, event.error);
  }
};

/** Ends the waits after a log-out or a fatal error. An inactive session ignores both, and a paused one stays paused. */
const endSession = (
  state: SessionState,
  input: 'logOut' | 'fatal',
  reason: Reason,
  by: SessionEndError,
): SessionState => {
  if (state.sync === 'inactive') return state;
  const wasDying = state.sync === 'dying';
  const next = interruptWaits(applyInput(state, input, reason), by);
  return wasDying ? { ...next, released: true } : next;
};
