import type { CompensatingWriteError, SyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { InitialDownload, OutboxState } from '../../model/sync-port.js';
import type { SessionEndError } from './session-events.js';
import type { ConnectionStatus, SyncState, SyncStatus } from './status.js';
import { type Transfers, updateBatch, uploadOf } from './transfer-progress.js';
import { noShift, type VersionShift } from './version-shift.js';

/** The whole state of a session. */
export interface SessionState {
  readonly sync: SyncState;
  readonly connection: ConnectionStatus;
  readonly outbox: OutboxState;
  readonly downloaded: SyncStatus['downloaded'];
  readonly lastSyncedAt: number | null;
  /** Progress of both directions, for `progress$`. */
  readonly transfers: Transfers;
  /** The last client version that was sent on a connection. */
  readonly sent: Version;
  /** The last rejected writes, for `written$`. */
  readonly rejected: readonly CompensatingWriteError[];
  /** Bytes of the largest unacknowledged page. */
  readonly largestSentBytes: number;
  /** Time since which nothing has moved, and the number of connections that stalled since then. */
  readonly stall: { readonly since: number | null; readonly times: number };
  /** Number of the last mark that was requested, and of the last one that the server answered. */
  readonly marks: { readonly wanted: number; readonly answered: number };
  /** The last error that ended the pending waits, and how many times that has happened. */
  readonly interruption: { readonly times: number; readonly by: SessionEndError | null };
  readonly versionShift: VersionShift;
  /** The current error of the session. `null`: none is known. */
  readonly trouble: SyncError | null;
  /** Number of times that the session stopped needing a connection. */
  readonly leaveCount: number;
  /** No user is logged in. Only a log-in makes the session need a connection. */
  readonly loggedOut: boolean;
  /** The session has ended. Its streams complete. */
  readonly released: boolean;
}

export const noStall: SessionState['stall'] = { since: null, times: 0 };

/** Whether changes wait to be uploaded, downloaded or confirmed by a mark. */
export const hasWork = ({ outbox, marks, downloaded }: SessionState): boolean =>
  outbox.changesets > 0 || marks.wanted > marks.answered || (downloaded.behind ?? 0) > 0;

/** Whether something has moved between two states: an acknowledgement, a page or a mark. */
export const hasMoved = (before: SessionState, after: SessionState): boolean =>
  before.outbox.acknowledged !== after.outbox.acknowledged ||
  before.downloaded.version !== after.downloaded.version ||
  before.marks.answered !== after.marks.answered ||
  (before.transfers.download?.bytes ?? 0) !== (after.transfers.download?.bytes ?? 0);

export const createInitialState = (
  sync: SyncState,
  outbox: OutboxState,
  initial: InitialDownload,
  loggedOut = false,
  known: Partial<SessionState> = {},
): SessionState => ({
  sync,
  connection: { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null },
  outbox,
  ...unknownServerState,
  downloaded: { version: initial.version, behind: null },
  transfers: {
    upload: updateBatch(null, uploadOf(outbox)),
    download:
      initial.ofBytes === null
        ? null
        : updateBatch(null, {
            bytes: initial.bytes,
            ofBytes: initial.ofBytes,
            changesets: initial.version,
            ofChangesets: null,
          }),
  },
  stall: noStall,
  marks: { wanted: 0, answered: 0 },
  interruption: { times: 0, by: null },
  versionShift: noShift,
  leaveCount: 0,
  trouble: null,
  loggedOut,
  released: false,
  ...known,
});

/** Values of all fields that describe the server, before the first bind and after a client reset. */
const unknownServerState = {
  downloaded: { version: 0, behind: null },
  lastSyncedAt: null,
  sent: 0,
  largestSentBytes: 0,
  rejected: [],
} as const;

export const forgetServerState = (state: SessionState): SessionState => ({
  ...state,
  ...unknownServerState,
  transfers: { ...state.transfers, download: null },
});
