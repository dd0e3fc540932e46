import { type CompensatingWriteError, SessionClosedError, type SyncError } from '../model/errors.js';
import type { Version } from '../model/version.js';
import { downloadOf, type Transfers, transferred, uploadOf } from './transfers.js';
import type { Ending, SessionEvent } from './events.js';
import type { Here, Outbox } from './realm.js';
import { noRestarts, type Restarts, restartsAfter } from './restarts.js';
import type { ConnectionStatus, Reason, SyncState, SyncStatus } from './status.js';
import { withTrouble } from './trouble.js';
import { transitions, wantsLine, type SyncInput } from './transitions.js';

/** All that is known of a session. */
export interface SessionState {
  readonly sync: SyncState;
  readonly connection: ConnectionStatus;
  readonly outbox: Outbox;
  readonly downloaded: SyncStatus['downloaded'];
  readonly lastSyncedAt: number | null;
  /** How far each direction is, for `progress$`. */
  readonly transfers: Transfers;
  /** The last client version that has been put on a line. */
  readonly sent: Version;
  /** The last writes that were refused, for those who ask for one of them. */
  readonly refused: readonly CompensatingWriteError[];
  /** Bytes of the largest page on its way up. */
  readonly largestSent: number;
  /** Since when nothing has moved, and how many lines have been found so since. */
  readonly stall: { readonly since: number | null; readonly times: number };
  /** The last mark that was asked for, and the last that was answered. */
  readonly marks: { readonly wanted: number; readonly answered: number };
  /** The last thing that broke the waits, and how often something has. */
  readonly broken: { readonly times: number; readonly by: Ending | null };
  readonly restarts: Restarts;
  /** What is wrong now; `null`: nothing that is known. */
  readonly trouble: SyncError | null;
  /** How often it has stopped wanting the line. */
  readonly leavings: number;
  /** Nobody is logged in: nothing but a log-in wants the line. */
  readonly loggedOut: boolean;
  /** The session is over: its streams complete. */
  readonly released: boolean;
}

const moving: SessionState['stall'] = { since: null, times: 0 };

/** Whether anything waits to be moved in either direction. */
export const hasWork = ({ outbox, marks, downloaded }: SessionState): boolean =>
  outbox.changesets > 0 || marks.wanted > marks.answered || (downloaded.behind ?? 0) > 0;

/** What has moved so far: another text, and something has. */
export const movement = ({ outbox, marks, downloaded, transfers }: SessionState): string =>
  `${outbox.acknowledged} ${downloaded.version} ${transfers.download?.bytes ?? 0} ${marks.answered}`;

export const initialState = (sync: SyncState, outbox: Outbox, here: Here, loggedOut = false): SessionState => ({
  sync,
  connection: { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null },
  outbox,
  ...startingOver,
  downloaded: { version: here.version, behind: null },
  transfers: {
    upload: transferred(null, uploadOf(outbox)),
    download:
      here.ofBytes === null
        ? null
        : transferred(null, { bytes: here.bytes, ofBytes: here.ofBytes, changesets: here.version, ofChangesets: null }),
  },
  stall: moving,
  marks: { wanted: 0, answered: 0 },
  broken: { times: 0, by: null },
  restarts: noRestarts,
  leavings: 0,
  trouble: null,
  loggedOut,
  released: false,
});

/** Nothing of what was known of the server holds. */
const startingOver = {
  downloaded: { version: 0, behind: null },
  lastSyncedAt: null,
  sent: 0,
  largestSent: 0,
  refused: [],
} as const;

const forgetful = (state: SessionState): SessionState => ({
  ...state,
  ...startingOver,
  transfers: { ...state.transfers, download: null },
});

/** A realm that has started over knows nothing of the server. */
const restarted = (state: SessionState, next: Outbox): SessionState => {
  const restarts = restartsAfter(state.restarts, state.outbox, next);
  return restarts === state.restarts ? state : { ...forgetful(state), restarts };
};

/** Refused writes that are remembered for `written$`: whoever waits for one hears of it at once. */
const refusedKept = 100;

const disconnected = (reason: Reason): ConnectionStatus => ({
  state: 'disconnected',
  reason,
  attempt: 0,
  retryAt: null,
});

/** Moves `syncState` by the table; a state that does not want the line has none from that moment on. */
const moved = (state: SessionState, input: SyncInput, reason: Reason): SessionState => {
  const wanted = transitions[state.sync][input];
  // What a user wrote is not sent as nobody's.
  const isNobodys = state.loggedOut && wantsLine(wanted);
  const sync = isNobodys ? 'inactive' : wanted;
  if (sync === state.sync) return state;
  if (wantsLine(sync)) return { ...state, sync };
  const leavings = state.leavings + (wantsLine(state.sync) ? 1 : 0);
  return { ...state, sync, leavings, connection: disconnected(isNobodys ? { kind: 'logged-out' } : reason) };
};

/** Somebody is logged in. */
const isIn = (state: SessionState): SessionState => (state.loggedOut ? { ...state, loggedOut: false } : state);

const brokenBy = (state: SessionState, by: Ending): SessionState => ({
  ...state,
  broken: { times: state.broken.times + 1, by },
});

const isSynced = ({ outbox, downloaded }: SessionState): boolean => outbox.changesets === 0 && downloaded.behind === 0;

const syncedAt = (state: SessionState, at: number): SessionState =>
  isSynced(state) ? { ...state, lastSyncedAt: at } : state;

/** The allowed ways of `connectionState`: anything else is the echo of a line that has been let go of. */
const connectedTo = (state: SessionState, connection: ConnectionStatus): SessionState =>
  !wantsLine(state.sync) || (connection.state === 'connecting' && state.connection.state !== 'disconnected')
    ? state
    : { ...state, connection };

const closed = (state: SessionState, immediately: boolean, by: SessionClosedError): SessionState => {
  const finishing = !immediately && state.outbox.changesets > 0 && wantsLine(state.sync);
  const next = moved(state, finishing ? 'closeUnsent' : 'close', { kind: 'closed' });
  if (next.sync === 'dying') return next;
  return { ...brokenBy(next, by), released: true };
};

/** A dying session ends when nothing is left to upload: its upload waits see that first (`stages`). */
const uploaded = (state: SessionState): SessionState => {
  if (state.sync !== 'dying' || state.outbox.changesets > 0) return state;
  const by = new SessionClosedError('The realm was closed, and everything in it has been uploaded.');
  return { ...brokenBy(moved(state, 'uploaded', { kind: 'closed' }), by), released: true };
};

/**
 * The states that observers see of one step, in the order that is promised: what is known, then `connectionState$`, then
 * the waits, then `syncState$` (and then `errors$`).
 */
export const stages = (before: SessionState, after: SessionState): readonly SessionState[] => {
  // Progress is told before what it completes.
  const moved = before.transfers !== after.transfers && before.outbox.acknowledged < after.outbox.acknowledged;
  if (before.broken === after.broken) return moved ? [{ ...before, transfers: after.transfers }, after] : [after];
  const known: SessionState = {
    ...before,
    outbox: after.outbox,
    transfers: after.transfers,
    marks: after.marks,
    downloaded: after.downloaded,
  };
  const connected: SessionState = { ...known, connection: after.connection };
  return [known, connected, { ...connected, broken: after.broken }, after];
};

type Of<Type extends SessionEvent['type']> = Extract<SessionEvent, { readonly type: Type }>;

/**
 * A mark may know of more than pages have brought: what this replica wrote itself does not come back, and moves no cursor. What was known once
 * stays known.
 */
const knownBy = ({ downloaded }: SessionState, version: Version): Version => Math.max(downloaded.version, version);

const bound = (known: SessionState, event: Of<'bound'>): SessionState => {
  if (!wantsLine(known.sync)) return known;
  const state = event.isFresh ? forgetful(known) : known;
  const behind = Math.max(0, event.bound.head - event.seen);
  const next = connectedTo(state, { state: 'connected', since: event.at, roundTripMs: null });
  const { head, headBytes } = event.bound;
  const bytes = behind === 0 ? headBytes : (state.transfers.download?.bytes ?? 0);
  const download = { bytes, ofBytes: headBytes, changesets: event.seen, ofChangesets: head };
  const transfers = { ...state.transfers, download: transferred(state.transfers.download, download) };
  return syncedAt({ ...next, downloaded: { version: knownBy(state, event.seen), behind }, transfers }, event.at);
};

const downloaded = (state: SessionState, event: Of<'downloaded'>): SessionState => {
  const { version, behind, at } = event;
  const download = transferred(state.transfers.download, downloadOf(event));
  return syncedAt(
    { ...state, downloaded: { version: knownBy(state, version), behind }, transfers: { ...state.transfers, download } },
    at,
  );
};

/** Nothing of it is here yet, but it has come that far. */
const collected = (state: SessionState, { bytes, remainingBytes }: Of<'collected'>): SessionState => {
  const { version, behind } = state.downloaded;
  const download = downloadOf({ version, behind: behind ?? 0, bytes, remainingBytes });
  return {
    ...state,
    transfers: { ...state.transfers, download: transferred(state.transfers.download, download) },
  };
};

/** What moves, or has nothing to move, is not stuck. */
const unlessMoving = (before: SessionState, after: SessionState): SessionState =>
  after.stall.since !== null && (!wantsLine(after.sync) || !hasWork(after) || movement(before) !== movement(after))
    ? { ...after, stall: moving }
    : after;

/** The whole state machine: pure and total; the very same object when nothing changed. */
export const step = (state: SessionState, event: SessionEvent): SessionState =>
  withTrouble(state, unlessMoving(state, folded(state, event)), event);

const folded = (state: SessionState, event: SessionEvent): SessionState => {
  if (state.released) return state;
  switch (event.type) {
    case 'input':
      return moved(event.input === 'logIn' ? isIn(state) : state, event.input, { kind: 'paused' });
    case 'closed':
      return closed(state, event.immediately, event.by);
    case 'loggedOut':
      return { ...ended(state, 'logOut', { kind: 'logged-out' }, event.by), loggedOut: true };
    case 'markWanted':
      return { ...state, marks: { ...state.marks, wanted: state.marks.wanted + 1 } };
    case 'outbox': {
      const next = restarted(state, event.outbox);
      const before = next.restarts === state.restarts ? state.transfers.upload : null;
      const upload = transferred(before, uploadOf(event.outbox));
      return uploaded({ ...next, outbox: event.outbox, transfers: { ...next.transfers, upload } });
    }
    case 'sent':
      return {
        ...state,
        sent: Math.max(state.sent, event.version),
        largestSent: Math.max(state.outbox.acknowledged < state.sent ? state.largestSent : 0, event.bytes),
      };
    case 'reset':
      return forgetful(state);
    case 'refused':
      return { ...state, refused: [...state.refused, event.error].slice(-refusedKept) };
    case 'stalled':
      return { ...state, stall: { since: state.stall.since ?? event.since, times: state.stall.times + 1 } };
    case 'connection':
      return connectedTo(state, event.connection);
    case 'roundTrip':
      return state.connection.state === 'connected' && state.connection.roundTripMs !== event.ms
        ? { ...state, connection: { ...state.connection, roundTripMs: event.ms } }
        : state;
    case 'bound':
      return bound(state, event);
    case 'accepted':
      return syncedAt(state, event.at);
    case 'downloaded':
      return downloaded(state, event);
    case 'collected':
      return collected(state, event);
    case 'marked': {
      const marks = { ...state.marks, answered: Math.max(state.marks.answered, event.request) };
      const version = Math.max(state.downloaded.version, event.version);
      return syncedAt({ ...state, marks, downloaded: { version, behind: state.downloaded.behind ?? 0 } }, event.at);
    }
    case 'trouble':
      return state;
    case 'fatal':
      return ended(state, 'fatal', { kind: 'failed', code: event.error.code }, event.error);
  }
};

/** Log-out and fatal errors break the waits of every session but an inactive one; a paused one stays paused. */
const ended = (state: SessionState, input: 'logOut' | 'fatal', reason: Reason, by: Ending): SessionState => {
  if (state.sync === 'inactive') return state;
  const wasDying = state.sync === 'dying';
  const next = brokenBy(moved(state, input, reason), by);
  return wasDying ? { ...next, released: true } : next;
};
