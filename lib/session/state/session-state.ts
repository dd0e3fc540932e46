import type { CompensatingWriteError, SyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { InitialDownload, OutboxState } from '../sync-port.js';
import type { SessionEndError } from './session-events.js';
import type { ConnectionStatus, SyncState, SyncStatus } from './status.js';
import { type Transfers, updateBatch, uploadOf } from './transfer-progress.js';
import { noShift, type VersionShift } from './version-shift.js';

/** All that is known of a session. */
export interface SessionState {
  readonly sync: SyncState;
  readonly connection: ConnectionStatus;
  readonly outbox: OutboxState;
  readonly downloaded: SyncStatus['downloaded'];
  readonly lastSyncedAt: number | null;
  /** How far each direction is, for `progress$`. */
  readonly transfers: Transfers;
  /** The last client version that has been put on a line. */
  readonly sent: Version;
  /** The last writes that were refused, for those who ask for one of them. */
  readonly rejected: readonly CompensatingWriteError[];
  /** Bytes of the largest page on its way up. */
  readonly largestSentBytes: number;
  /** Since when nothing has moved, and how many lines have been found so since. */
  readonly stall: { readonly since: number | null; readonly times: number };
  /** The last mark that was asked for, and the last that was answered. */
  readonly marks: { readonly wanted: number; readonly answered: number };
  /** The last thing that broke the waits, and how often something has. */
  readonly interruption: { readonly times: number; readonly by: SessionEndError | null };
  readonly versionShift: VersionShift;
  /** What is wrong now; `null`: nothing that is known. */
  readonly trouble: SyncError | null;
  /** How often it has stopped wanting the line. */
  readonly leaveCount: number;
  /** Nobody is logged in: nothing but a log-in wants the line. */
  readonly loggedOut: boolean;
  /** The session is over: its streams complete. */
  readonly released: boolean;
}

export const noStall: SessionState['stall'] = { since: null, times: 0 };

/** Whether anything waits to be moved in either direction. */
export const hasWork = ({ outbox, marks, downloaded }: SessionState): boolean =>
  outbox.changesets > 0 || marks.wanted > marks.answered || (downloaded.behind ?? 0) > 0;

/** What has moved so far: another text, and something has. */
export const movementOf = ({ outbox, marks, downloaded, transfers }: SessionState): string =>
  `${outbox.acknowledged} ${downloaded.version} ${transfers.download?.bytes ?? 0} ${marks.answered}`;

export const createInitialState = (
  sync: SyncState,
  outbox: OutboxState,
  here: InitialDownload,
  loggedOut = false,
): SessionState => ({
  sync,
  connection: { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null },
  outbox,
  ...unknownServerState,
  downloaded: { version: here.version, behind: null },
  transfers: {
    upload: updateBatch(null, uploadOf(outbox)),
    download:
      here.ofBytes === null
        ? null
        : updateBatch(null, { bytes: here.bytes, ofBytes: here.ofBytes, changesets: here.version, ofChangesets: null }),
  },
  stall: noStall,
  marks: { wanted: 0, answered: 0 },
  interruption: { times: 0, by: null },
  versionShift: noShift,
  leaveCount: 0,
  trouble: null,
  loggedOut,
  released: false,
});

/** Nothing of what was known of the server holds. */
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
