import { distinctUntilChanged, map, type Observable, pairwise } from 'rxjs';
import type { AnySyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { ConnectionState, SyncState, SyncStatus } from '../state/status.js';
import type { SessionState } from '../state/session-state.js';
import { observeProgress, type Progress, type ProgressOptions } from './progress.js';
import { waitForDownload, waitForUpload } from './completion.js';
import { observeWrite, type WriteStage } from './write-status.js';

/** A change of `connectionState`. */
export interface ConnectionChange {
  readonly previous: ConnectionState;
  readonly current: ConnectionState;
}

/**
 * Keeps one open realm in sync.
 *
 * A session runs from the moment the realm is opened. To unsubscribe from its streams stops nothing.
 *
 * Its **state streams** are hot. They emit the current value on subscription, then every change, in order. They
 * complete when the session ends, and never error.
 *
 * Its commands take effect before they return, may be called inside an observer, and do nothing when they are repeated.
 *
 * @example
 * ```ts
 * const { session } = await openRealm({ schema, storage: 'tasks', sync: { client, realm: 'tasks' } });
 * session.connectionState$.subscribe((state) => showBanner(state));
 * session.trouble$.subscribe((error) => showError(error?.advice ?? ''));
 * await firstValueFrom(session.uploadComplete$);
 * ```
 */
export interface SyncSession {
  /** The whole status of the session. The other state streams are views of this record. A state stream. */
  readonly status$: Observable<SyncStatus>;
  readonly status: SyncStatus;
  /** Whether the session can sync now. A state stream. */
  readonly connectionState$: Observable<ConnectionState>;
  readonly connectionState: ConnectionState;
  /**
   * The changes of `connectionState`.
   *
   * Hot. Emits each change after the subscription, and nothing on subscription. Completes when the session ends, and
   * never errors.
   *
   * @example
   * ```ts
   * session.connectionChanges$.subscribe(({ previous, current }) => console.log(`${previous} → ${current}`));
   * ```
   */
  readonly connectionChanges$: Observable<ConnectionChange>;
  /** Whether the realm is to be kept in sync. A state stream. */
  readonly syncState$: Observable<SyncState>;
  readonly syncState: SyncState;
  /**
   * Waits until the server has stored everything that was written before the subscription.
   *
   * Cold: each subscription is its own wait, and later writes do not extend it. Emits once, when the server's
   * acknowledgement is stored on this device. If there is nothing to wait for, emits at once, also offline and after
   * the end of the session. Emits nothing while offline or paused, and continues later. Completes after its value.
   * Errors with a `SessionClosedError` or with the `SyncError` that ended the session, and with a `SyncError` when a
   * client reset discarded the changes. The value is the client version reached.
   *
   * @example
   * ```ts
   * await realm.write((tx) => tx.create('Task', { id: 'milk' }));
   * await firstValueFrom(realm.session.uploadComplete$); // The server has it.
   * ```
   */
  readonly uploadComplete$: Observable<Version>;
  /**
   * Waits until everything that the server had at some moment after the subscription is stored here and visible to
   * reads.
   *
   * Cold: each subscription is its own wait. Emits once, after one round trip at least. Emits nothing while offline or
   * paused, and continues later. Completes after its value. Errors with a `SessionClosedError` or with the `SyncError`
   * that ended the session. The value is the server version reached.
   *
   * @example
   * ```ts
   * await firstValueFrom(realm.session.downloadComplete$);
   * render(realm.objects('Task'));
   * ```
   */
  readonly downloadComplete$: Observable<Version>;
  /**
   * The progress of uploading or downloading.
   *
   * Cold. Emits the current value on subscription if any is known, then every change. With `reportIndefinitely`
   * completes when the session ends, and never errors. With `forCurrentlyOutstandingWork` completes when the work that
   * was outstanding at the subscription is done; the last value has an `estimate` of exactly 1. Then errors like
   * `uploadComplete$` when the session ends before that. Values are in bytes and changesets.
   *
   * @param options - The direction and the mode.
   * @returns The progress of that direction.
   * @throws {InvalidArgumentError} The options are invalid.
   * @example
   * ```ts
   * session
   *   .progress$({ direction: 'upload', mode: 'reportIndefinitely' })
   *   .subscribe(({ estimate }) => (bar.value = estimate));
   * ```
   */
  readonly progress$: (options: ProgressOptions) => Observable<Progress>;
  /**
   * The stages of one write: `saved`, `sent`, and then `accepted` or `refused`.
   *
   * Cold. Emits the current stage on subscription, then each later one that the write reaches. Completes after
   * `accepted`, which means durable on the server, or after `refused`, when the server rejected the write and it was
   * rolled back. Errors like `uploadComplete$`.
   *
   * @param version - The version that `realm.write` returned.
   * @returns The stages of that write.
   * @throws {InvalidArgumentError} The version is not a whole number from 1.
   * @example
   * ```ts
   * const { version } = await realm.write((tx) => tx.create('Task', { id: 'milk' }));
   * session.written$(version).subscribe(({ state }) => showIcon(state));
   * ```
   */
  readonly written$: (version: Version) => Observable<WriteStage>;
  /**
   * The errors of the session.
   *
   * Hot. Emits each error once. Completes when the session ends, and never errors.
   *
   * @example
   * ```ts
   * session.errors$.subscribe((error) => console.warn(error.code, error.message));
   * ```
   */
  readonly errors$: Observable<AnySyncError>;
  /**
   * The current error of the session, or `null`: for a banner that disappears by itself. A state stream.
   *
   * The value is the latest one of `errors$` that is not resolved. An error is resolved when the session is bound
   * again, paused, logged out or closed. An error of the user is resolved by the next log-in, and `stalled` as soon as
   * something moves. Rejected writes and objects that are set aside are not errors of the session: see
   * `rejectedWrites$` and `setAside$`.
   */
  readonly trouble$: Observable<AnySyncError | null>;
  readonly trouble: AnySyncError | null;
  /** Stops syncing. The session is `paused` and `disconnected` from now on, until `resume` is called. */
  readonly pause: () => void;
  /** Starts syncing again after a pause or an error. */
  readonly resume: () => void;
  /**
   * Makes all sessions of the client try at once: ends waits and resets the backoff. A connection that looks alive is
   * only probed.
   */
  readonly reconnect: () => void;
}

/** Returns the public record of a state. Frozen, because parts of it belong to the session. */
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

/** Returns the public view of a session's state. */
export const toSyncSession = (store: SessionStore, reconnect: () => void): SyncSession => {
  const { dispatch, getState, state$, error$ } = store;
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
    uploadComplete$: waitForUpload(store),
    downloadComplete$: waitForDownload(store),
    progress$: (options) => observeProgress(store, options),
    written$: (version) => observeWrite(store, version),
    // Codes with an error class of their own are only created as that class.
    errors$: error$ as Observable<AnySyncError>,
    trouble$: view(({ trouble }) => trouble as AnySyncError | null),
    get trouble() {
      return getState().trouble as AnySyncError | null;
    },
    pause: () => dispatch({ type: 'input', input: 'pause' }),
    resume: () => dispatch({ type: 'input', input: 'resume' }),
    reconnect,
  };
};
