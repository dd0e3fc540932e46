import { distinctUntilChanged, map, type Observable, pairwise } from 'rxjs';
import type { AnySyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { ConnectionState, SyncState, SyncStatus } from '../state/status.js';
import type { SessionState } from '../state/session-state.js';
import { observeProgress, type Progress, type ProgressOptions } from './progress.js';
import { waitForDownload, waitForUpload } from './completion.js';
import { observeWrite, type WriteStage } from './write-status.js';

/**
 * A change of `connectionState`.
 *
 * @example
 * ```ts
 * session.connectionChanges$.subscribe(({ previous, current }) => {
 *   if (previous === 'connected') showBanner(`The connection was lost: ${current}`);
 * });
 * ```
 */
export interface ConnectionChange {
  /** The state before the change. */
  readonly previous: ConnectionState;
  /** The state after the change. */
  readonly current: ConnectionState;
}

/**
 * Keeps one open realm in sync.
 *
 * A session begins when its realm is opened. It ends when the client is closed, or after the last handle of the realm
 * is closed: at once or after the last upload, by `stopPolicy`. While a handle is open, an error, a pause or a log-out
 * does not end it. To unsubscribe from its streams stops nothing.
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
  /**
   * Observes the whole status of the session. The other state streams are views of this record.
   *
   * Hot. Emits the current status on subscription, then every change, in order. Completes when the session ends. Never
   * errors. Each value is a frozen record.
   */
  readonly status$: Observable<SyncStatus>;
  /** The whole status of the session at this moment. */
  readonly status: SyncStatus;
  /**
   * Observes whether the session can sync now.
   *
   * Hot. Emits the current state on subscription, then every change, in order. Completes when the session ends. Never
   * errors. Each value is the name of a state.
   */
  readonly connectionState$: Observable<ConnectionState>;
  /** Whether the session can sync at this moment. */
  readonly connectionState: ConnectionState;
  /**
   * Observes the changes of `connectionState`.
   *
   * Hot. Emits each change after the subscription, and nothing on subscription. Completes when the session ends. Never
   * errors. Each value has the previous and the current state.
   *
   * @example
   * ```ts
   * session.connectionChanges$.subscribe(({ previous, current }) => console.log(`${previous} → ${current}`));
   * ```
   */
  readonly connectionChanges$: Observable<ConnectionChange>;
  /**
   * Observes whether the realm is to be kept in sync.
   *
   * Hot. Emits the current state on subscription, then every change, in order. Completes when the session ends. Never
   * errors. Each value is the name of a state.
   */
  readonly syncState$: Observable<SyncState>;
  /** Whether the realm is to be kept in sync at this moment. */
  readonly syncState: SyncState;
  /**
   * Waits until the server has stored or rejected everything that was written before the subscription.
   *
   * Cold: each subscription is its own wait, and later writes do not extend it. Emits once, when the server's answer is
   * stored on this device. If there is nothing to wait for, emits at once, also offline and after the end of the
   * session. Emits nothing while offline or paused, and continues later. Completes after its value. Errors with a
   * `SessionClosedError` or with the `SyncError` that made the session inactive, and with a `SyncError` when a client
   * reset discarded the changes. The value is the client version reached.
   *
   * A rejected write does not error this stream: see `written$` for one write, and `realm.rejectedWrites$`.
   *
   * @example
   * ```ts
   * await realm.write((tx) => tx.create('Task', { id: 'milk', title: 'Buy milk' }));
   * await firstValueFrom(realm.session.uploadComplete$); // Nothing is left to upload.
   * ```
   */
  readonly uploadComplete$: Observable<Version>;
  /**
   * Waits until everything that the server had at some moment after the subscription is stored here and visible to
   * reads.
   *
   * Cold: each subscription is its own wait. Emits once, after one round trip at least. Emits nothing while offline or
   * paused, and continues later. Completes after its value. Errors with a `SessionClosedError` or with the `SyncError`
   * that made the session inactive. The value is the server version reached.
   *
   * @example
   * ```ts
   * await firstValueFrom(realm.session.downloadComplete$);
   * render(realm.objects('Task'));
   * ```
   */
  readonly downloadComplete$: Observable<Version>;
  /**
   * Observes the progress of uploading or downloading.
   *
   * Cold. Emits the current value on subscription if the numbers are known, then every change. Completes and errors by
   * the mode: `reportIndefinitely` completes when the session ends, and never errors. `forCurrentlyOutstandingWork`
   * completes when the work that was outstanding at the subscription is done; its last value has an `estimate` of
   * exactly 1. This mode errors like `uploadComplete$` when the session cannot do that work. Values are in bytes and
   * changesets.
   *
   * @param options - The direction and the mode.
   * @returns A stream of the progress of that direction.
   * @throws InvalidArgumentError for invalid options, at the call.
   *
   * @example
   * ```ts
   * session
   *   .progress$({ direction: 'upload', mode: 'reportIndefinitely' })
   *   .subscribe(({ estimate }) => (bar.value = estimate));
   * ```
   */
  readonly progress$: (options: ProgressOptions) => Observable<Progress>;
  /**
   * Observes the stages of one write: `saved`, `sent`, and then `accepted` or `rejected`.
   *
   * Cold. Emits the current stage on subscription, then each later one that the write reaches. Emits nothing before the
   * version is written. Completes after `accepted`, which means durable on the server, or after `rejected`, when the
   * server rejected the write and it was rolled back. Errors like `uploadComplete$`. Each value is one stage.
   *
   * @param version - The version that `realm.write` returned.
   * @returns A stream of the stages of that write.
   * @throws InvalidArgumentError when the version is not a whole number from 1, at the call.
   *
   * @example
   * ```ts
   * const { version } = await realm.write((tx) => tx.create('Task', { id: 'milk', title: 'Buy milk' }));
   * session.written$(version).subscribe(({ state }) => showIcon(state));
   * ```
   */
  readonly written$: (version: Version) => Observable<WriteStage>;
  /**
   * Observes the errors of the session.
   *
   * Hot. Emits each error once, when it happens; a later subscriber does not receive it. Completes when the session
   * ends. Never errors. Each value is one `SyncError`; switch on its `code`.
   *
   * @see `trouble$` for the error that is not resolved yet.
   *
   * @example
   * ```ts
   * session.errors$.subscribe((error) => console.warn(error.code, error.message));
   * ```
   */
  readonly errors$: Observable<AnySyncError>;
  /**
   * Observes the current error of the session, for a banner that disappears by itself.
   *
   * Hot. Emits the current error on subscription, then every change, in order. Completes when the session ends. Never
   * errors. Each value is the latest error of `errors$` that is not resolved, or `null`.
   *
   * An error is resolved when the session is bound again, paused, logged out or closed. An error of the user is
   * resolved by the next log-in, and `stalled` as soon as something moves. Rejected writes and objects that are set
   * aside are not errors of the session: see `rejectedWrites$` and `setAside$`.
   *
   * @example
   * ```ts
   * session.trouble$.subscribe((error) => showBanner(error?.advice ?? ''));
   * ```
   */
  readonly trouble$: Observable<AnySyncError | null>;
  /** The error of the session that is not resolved at this moment, or `null`. */
  readonly trouble: AnySyncError | null;
  /**
   * Stops syncing. The session is `paused` and `disconnected` from now on, until `resume` is called.
   *
   * @example
   * ```ts
   * session.pause();
   * ```
   */
  readonly pause: () => void;
  /**
   * Starts syncing again after a pause or an error. While no user is logged in, the session stays inactive.
   *
   * @example
   * ```ts
   * session.resume();
   * ```
   */
  readonly resume: () => void;
  /**
   * Makes all sessions of the client try at once: ends waits and resets the backoff. A connection that looks alive is
   * only probed.
   *
   * @example
   * ```ts
   * retryButton.onclick = () => session.reconnect();
   * ```
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

/**
 * The public view of a session's state. Each stream is created when it is first read, and then stays the same one: an
 * app reads two or three of them.
 */
class SessionView implements SyncSession {
  #members: Map<keyof SyncSession, unknown> | null = null;

  constructor(
    private readonly store: SessionStore,
    private readonly reconnectClient: () => void,
  ) {}

  get status$() {
    return this.#once('status$', () => this.store.state$.pipe(distinctUntilChanged(isSameStatus), map(statusOf)));
  }
  get status() {
    return statusOf(this.store.getState());
  }
  get connectionState$() {
    return this.#once('connectionState$', () => this.#view(({ connection }) => connection.state));
  }
  get connectionState() {
    return this.store.getState().connection.state;
  }
  get connectionChanges$() {
    return this.#once('connectionChanges$', () =>
      this.connectionState$.pipe(
        pairwise(),
        map(([previous, current]) => ({ previous, current })),
      ),
    );
  }
  get syncState$() {
    return this.#once('syncState$', () => this.#view(({ sync }) => sync));
  }
  get syncState() {
    return this.store.getState().sync;
  }
  get uploadComplete$() {
    return this.#once('uploadComplete$', () => waitForUpload(this.store));
  }
  get downloadComplete$() {
    return this.#once('downloadComplete$', () => waitForDownload(this.store));
  }
  get progress$() {
    return this.#once('progress$', () => (options: ProgressOptions) => observeProgress(this.store, options));
  }
  get written$() {
    return this.#once('written$', () => (version: Version) => observeWrite(this.store, version));
  }
  get errors$() {
    // Codes with an error class of their own are only created as that class.
    return this.#once('errors$', () => this.store.error$ as Observable<AnySyncError>);
  }
  get trouble$() {
    return this.#once('trouble$', () => this.#view(({ trouble }) => trouble as AnySyncError | null));
  }
  get trouble() {
    return this.store.getState().trouble as AnySyncError | null;
  }
  get pause() {
    return this.#once('pause', () => () => {
      this.store.dispatch({ type: 'input', input: 'pause' });
    });
  }
  get resume() {
    return this.#once('resume', () => () => {
      this.store.dispatch({ type: 'input', input: 'resume' });
    });
  }
  get reconnect() {
    return this.reconnectClient;
  }

  #view<T>(of: (state: SessionState) => T): Observable<T> {
    return this.store.state$.pipe(map(of), distinctUntilChanged());
  }

  /** Returns a member that is created at its first use. */
  #once<T>(name: keyof SyncSession, create: () => T): T {
    const members = (this.#members ??= new Map());
    const found = members.get(name) as T | undefined;
    if (found !== undefined) return found;
    const created = create();
    members.set(name, created);
    return created;
  }
}

/** Returns the public view of a session's state. */
export const toSyncSession = (store: SessionStore, reconnect: () => void): SyncSession =>
  new SessionView(store, reconnect);
