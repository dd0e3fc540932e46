import { distinctUntilChanged, map, type Observable, pairwise } from 'rxjs';
import type { AnySyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { ConnectionState, SyncState, SyncStatus } from '../state/status.js';
import type { SessionState } from '../state/session-state.js';
import { observeProgress, type Progress, type ProgressOptions } from './progress.js';
import { waitForDownload, waitForUpload } from './completion.js';
import { observeWrite, type WriteStage } from './write-status.js';

/** One change of `connectionState`. */
export interface ConnectionChange {
  readonly previous: ConnectionState;
  readonly current: ConnectionState;
}

/**
 * How one realm syncs. It runs from the moment the realm is opened, whether or not anybody looks: unsubscribing from
 * its streams stops nothing. Its state streams give the present value on subscription, then every change, in order;
 * they never error, and complete when the session is over. Its commands take effect before they return, can be called
 * from inside an observer, and do nothing the second time.
 */
export interface SyncSession {
  /** Everything there is to know: the one record that the other state streams are views of. */
  readonly status$: Observable<SyncStatus>;
  readonly status: SyncStatus;
  /** Whether it can sync right now. */
  readonly connectionState$: Observable<ConnectionState>;
  readonly connectionState: ConnectionState;
  /**
   * Each change from the subscription on: nothing is emitted before the next one. Completes when the session is over.
   */
  readonly connectionChanges$: Observable<ConnectionChange>;
  /** Whether it wants to sync. */
  readonly syncState$: Observable<SyncState>;
  readonly syncState: SyncState;
  /**
   * Emits once and completes, when everything written before the subscription is durable on the server and the
   * acknowledgement is stored here; at once when it already is, offline and after the end of the session, too. Emits
   * the client version reached. Later writes do not extend it. Silent while offline or paused, and goes on later.
   * Errors when the session ends: with a `SessionClosedError`, or with the error that ended it. Cold: each subscription
   * is its own wait.
   */
  readonly uploadComplete$: Observable<Version>;
  /**
   * Emits once and completes, when everything the server had at some moment after the subscription is here and visible
   * to reads. Takes one round trip. Emits the server version reached. Silent, erroring and cold like `uploadComplete$`.
   */
  readonly downloadComplete$: Observable<Version>;
  /**
   * How far uploading or downloading is, in bytes and changesets: the present value on subscription if any is known,
   * then every change. Indefinitely, until the session is over; or for the work that is outstanding at the
   * subscription, to its end: then its last value has an `estimate` of exactly 1, it completes, and errors like a wait
   * when the session ends before.
   */
  readonly progress$: (options: ProgressOptions) => Observable<Progress>;
  /**
   * What becomes of one write, by the version that `realm.write` gave: where it is now, then each stage it reaches,
   * `saved`, `sent`, `accepted`; then it completes. `accepted` is durable on the server, never merely received. Cold;
   * errors like a wait.
   */
  readonly written$: (version: Version) => Observable<WriteStage>;
  /** What went wrong, each error once. Hot, never errors; completes when the session is over. */
  readonly errors$: Observable<AnySyncError>;
  /**
   * What is wrong now, or `null`: for a banner that goes away by itself. The latest of `errors$` that is not over. It
   * is over when the session is bound again, when it is paused, logged out or closed, an error of the user at the next
   * log-in, and `stalled` as soon as something moves. Rejected writes and objects that are set aside are no trouble of
   * the session: `rejectedWrites$` and `setAside$` list them. A state stream.
   */
  readonly trouble$: Observable<AnySyncError | null>;
  readonly trouble: AnySyncError | null;
  /** Stops syncing: `paused` and `disconnected` from now on. Only `resume` leaves it. */
  readonly pause: () => void;
  /** Starts syncing again, after a pause or an error. */
  readonly resume: () => void;
  /**
   * Makes all sessions of the client try now: ends waits and starts the backoff over. A line that looks alive is only
   * probed.
   */
  readonly reconnect: () => void;
}

/** The record that people see of a state. Frozen: parts of it are the session's own. */
const statusOf = ({ sync, connection, outbox, downloaded, lastSyncedAt, stall }: SessionState): SyncStatus => {
  if ('reason' in connection) Object.freeze(connection.reason);
  return Object.freeze({
    sync,
    connection: Object.freeze(connection),
    pending: Object.freeze({ changesets: outbox.changesets, bytes: outbox.bytes }),
    downloaded: Object.freeze(downloaded),
    lastSyncedAt,
    stalledSince: stall.since,
  });
};

const isSameStatus = (a: SessionState, b: SessionState): boolean =>
  a.sync === b.sync &&
  a.connection === b.connection &&
  a.outbox.changesets === b.outbox.changesets &&
  a.outbox.bytes === b.outbox.bytes &&
  a.downloaded.version === b.downloaded.version &&
  a.downloaded.behind === b.downloaded.behind &&
  a.lastSyncedAt === b.lastSyncedAt &&
  a.stall.since === b.stall.since;

/** A machine as people see it. */
export const toSyncSession = (machine: SessionStore, reconnect: () => void): SyncSession => {
  const { dispatch, getState, state$, error$ } = machine;
  const view = <T>(of: (state: SessionState) => T): Observable<T> => state$.pipe(map(of), distinctUntilChanged());
  const connectionState$ = view(({ connection }) => connection.state);
  return {
    status$: state$.pipe(distinctUntilChanged(isSameStatus), map(statusOf)),
    get status() {
      return statusOf(getState());
    },
    connectionState$,
    get connectionState() {
      return getState().connection.state;
    },
    connectionChanges$: connectionState$.pipe(
      pairwise(),
      map(([previous, current]) => ({ previous, current })),
    ),
    syncState$: view(({ sync }) => sync),
    get syncState() {
      return getState().sync;
    },
    uploadComplete$: waitForUpload(machine),
    downloadComplete$: waitForDownload(machine),
    progress$: (options) => observeProgress(machine, options),
    written$: (version) => observeWrite(machine, version),
    errors$: error$ as Observable<AnySyncError>, // The codes that have a class of their own are only made as that.
    trouble$: view(({ trouble }) => trouble as AnySyncError | null),
    get trouble() {
      return getState().trouble as AnySyncError | null;
    },
    pause: () => dispatch({ type: 'input', input: 'pause' }),
    resume: () => dispatch({ type: 'input', input: 'resume' }),
    reconnect,
  };
};
