import {
  combineLatest,
  concat,
  distinctUntilChanged,
  map,
  NEVER,
  of,
  pairwise,
  ReplaySubject,
  tap,
  type Observable,
} from 'rxjs';
import { checkedOptions } from '../model/limits.js';
import type { ConnectionState, ConnectionStatus, SyncState, SyncStatus } from '../session/status.js';
import type { SyncSession } from '../session/syncsession.js';

export type SessionCommand = 'pause' | 'resume' | 'reconnect';

/** What a fake session can be given: its streams, and those that are asked for with an argument as functions. */
export type FakeStreams = Partial<
  Pick<
    SyncSession,
    | 'status$'
    | 'connectionState$'
    | 'connectionChanges$'
    | 'syncState$'
    | 'uploadComplete$'
    | 'downloadComplete$'
    | 'progress$'
    | 'written$'
    | 'errors$'
  >
>;

/** A session that nobody syncs behind. */
export interface FakeSession extends SyncSession {
  /** What was asked of it so far, in order. */
  readonly commands: readonly SessionCommand[];
  /** The same as it happens, the last thousand first; never completes. */
  readonly commands$: Observable<SessionCommand>;
}

const names: Readonly<Record<keyof FakeStreams, true>> = {
  status$: true,
  connectionState$: true,
  connectionChanges$: true,
  syncState$: true,
  uploadComplete$: true,
  downloadComplete$: true,
  progress$: true,
  written$: true,
  errors$: true,
};

const commandsMax = 1_000; // More than a test of one component gives.

const connections: Readonly<Record<ConnectionState, ConnectionStatus>> = {
  disconnected: { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null },
  connecting: { state: 'connecting', attempt: 1 },
  connected: { state: 'connected', since: 0, roundTripMs: null },
};

const statusOf = (sync: SyncState, connection: ConnectionState): SyncStatus => ({
  sync,
  connection: connections[connection],
  pending: { changesets: 0, bytes: 0 },
  downloaded: { version: 0, behind: null },
  lastSyncedAt: null,
  stalledSince: null,
});

/** A state that stays as it is. */
const staying = <T>(state: T): Observable<T> => concat(of(state), NEVER);

/** A stream whose latest value can be read: the last that any subscriber was given, `first` before that. */
const readable = <T>(
  stream: Observable<T>,
  first: T,
): { readonly stream$: Observable<T>; readonly present: () => T } => {
  let present = first;
  return { stream$: stream.pipe(tap((value) => (present = value))), present: () => present };
};

const viewed = <T>(status$: Observable<SyncStatus>, of: (status: SyncStatus) => T): Observable<T> =>
  status$.pipe(map(of), distinctUntilChanged());

/** The state streams: each that is not given follows from those that are. */
const statesOf = ({ status$, connectionState$, syncState$ }: FakeStreams) => {
  const connection$ =
    connectionState$ ??
    (status$ ? viewed(status$, ({ connection }) => connection.state) : staying('disconnected' as const));
  const sync$ = syncState$ ?? (status$ ? viewed(status$, ({ sync }) => sync) : staying('active' as const));
  return {
    connection: readable<ConnectionState>(connection$, 'disconnected'),
    sync: readable<SyncState>(sync$, 'active'),
    both$: status$ ?? combineLatest([sync$, connection$]).pipe(map(([sync, connection]) => statusOf(sync, connection))),
  };
};

/**
 * A session for tests of components: it has the streams that it is given and nothing behind them. What is not given follows from what is
 * (`connectionState$` from `status$`, and the other way about); without either it is `active` and `disconnected` for good. Waits, progress
 * and errors that are not given stay silent. Its commands do nothing and are recorded. What is read without a stream
 * (`connectionState`, `state`, `status`) is the latest value that anybody was given of that stream. Throws an `InvalidArgumentError`
 * for a stream that a session does not have.
 */
export const fakeSession = (streams: FakeStreams = {}): FakeSession => {
  checkedOptions('streams', streams, Object.keys(names) as (keyof FakeStreams)[]);
  const { connection, sync, both$ } = statesOf(streams);
  const status = readable<SyncStatus | null>(both$, null);
  const commands: SessionCommand[] = [];
  const asked = new ReplaySubject<SessionCommand>(commandsMax);
  const command = (name: SessionCommand) => (): void => {
    commands.push(name);
    asked.next(name);
  };
  const changes$ = connection.stream$.pipe(
    pairwise(),
    map(([previous, current]) => ({ previous, current })),
  );
  return {
    status$: status.stream$ as Observable<SyncStatus>, // Null only before its first value.
    get status() {
      return status.present() ?? statusOf(sync.present(), connection.present());
    },
    connectionState$: connection.stream$,
    get connectionState() {
      return connection.present();
    },
    connectionChanges$: streams.connectionChanges$ ?? changes$,
    syncState$: sync.stream$,
    get state() {
      return sync.present();
    },
    uploadComplete$: streams.uploadComplete$ ?? NEVER,
    downloadComplete$: streams.downloadComplete$ ?? NEVER,
    progress$: streams.progress$ ?? (() => NEVER),
    written$: streams.written$ ?? (() => NEVER),
    errors$: streams.errors$ ?? NEVER,
    pause: command('pause'),
    resume: command('resume'),
    reconnect: command('reconnect'),
    get commands() {
      return [...commands];
    },
    commands$: asked.asObservable(),
  };
};
