import {
  combineLatest,
  concat,
  distinctUntilChanged,
  isObservable,
  map,
  NEVER,
  of,
  pairwise,
  ReplaySubject,
  tap,
  type Observable,
} from 'rxjs';
import { type AnySyncError, InvalidArgumentError } from '../model/errors.js';
import { checkOptions } from '../model/limits.js';
import { isRecord } from '../model/value.js';
import type { ConnectionState, ConnectionStatus, SyncState, SyncStatus } from '../session/state/status.js';
import type { SyncSession } from '../session/api/sync-session.js';

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
    | 'trouble$'
  >
>;

/** A session that nobody syncs behind. */
export interface FakeSession extends SyncSession {
  /** What was asked of it so far, in order. */
  readonly commands: readonly SessionCommand[];
  /** The same as it happens, the last thousand first; never completes. */
  readonly commands$: Observable<SessionCommand>;
}

const streamNames: Readonly<Record<keyof FakeStreams, true>> = {
  status$: true,
  connectionState$: true,
  connectionChanges$: true,
  syncState$: true,
  uploadComplete$: true,
  downloadComplete$: true,
  progress$: true,
  written$: true,
  errors$: true,
  trouble$: true,
};

const commandsMax = 1_000; // More than a test of one component gives.

const connectionStatuses: Readonly<Record<ConnectionState, ConnectionStatus>> = {
  disconnected: { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null },
  connecting: { state: 'connecting', attempt: 1 },
  connected: { state: 'connected', since: 0, roundTripMs: null },
};

/** Parts of a status; what is left out is as in a session that has nothing to do and is not connected. */
export interface StatusParts extends Partial<Omit<SyncStatus, 'connection' | 'pending' | 'downloaded'>> {
  /** A whole record, or only its state. */
  readonly connection?: ConnectionState | ConnectionStatus;
  readonly pending?: Partial<SyncStatus['pending']>;
  readonly downloaded?: Partial<SyncStatus['downloaded']>;
}

/**
 * Builds a `SyncStatus` for a test from what the test is about. Throws an `InvalidArgumentError` for parts that a
 * status does not have.
 *
 * @example fakeSession({ status$: of(status({ connection: 'connected', pending: { changesets: 3 } })) });
 */
export const status = (parts: StatusParts = {}): SyncStatus => {
  const whole = statusOf('active', 'disconnected');
  const {
    connection = 'disconnected',
    pending,
    downloaded,
    ...rest
  } = checkOptions('parts', parts, ['sync', 'connection', 'pending', 'downloaded', 'lastSyncedAt', 'stalledSince']);
  const known: unknown = typeof connection === 'string' ? connectionStatuses[connection] : connection;
  if (!isRecord(known) || !Object.hasOwn(connectionStatuses, String(known['state'])))
    throw new InvalidArgumentError(
      'parts.connection',
      'disconnected, connecting, connected, or a whole record',
      connection,
    );
  const part = <K extends 'pending' | 'downloaded'>(name: K, given: StatusParts[K] = {}): SyncStatus[K] => ({
    ...whole[name],
    ...checkOptions(`parts.${name}`, given as SyncStatus[K], Object.keys(whole[name]) as never),
  });
  return {
    ...whole,
    ...rest,
    connection: known as unknown as ConnectionStatus,
    pending: part('pending', pending),
    downloaded: part('downloaded', downloaded),
  };
};

const statusOf = (sync: SyncState, connection: ConnectionState): SyncStatus => ({
  sync,
  connection: connectionStatuses[connection],
  pending: { changesets: 0, bytes: 0 },
  downloaded: { version: 0, behind: null },
  lastSyncedAt: null,
  stalledSince: null,
});

/** A state that stays as it is. */
const holdState = <T>(state: T): Observable<T> => concat(of(state), NEVER);

/** A stream, and what is read without it. */
interface ReadableState<T> {
  readonly stream$: Observable<T>;
  readonly getLatest: () => T;
}

/** A stream whose latest value can be read: the last that any subscriber was given, `first` before that. */
const toReadable = <T>(stream: Observable<T>, first: T): ReadableState<T> => {
  let present = first;
  return { stream$: stream.pipe(tap((value) => (present = value))), getLatest: () => present };
};

const viewOf = <T>(status: ReadableState<SyncStatus>, of: (status: SyncStatus) => T): ReadableState<T> => ({
  stream$: status.stream$.pipe(map(of), distinctUntilChanged()),
  getLatest: () => of(status.getLatest()),
});

interface States {
  readonly status: ReadableState<SyncStatus>;
  readonly connection: ReadableState<ConnectionState>;
  readonly sync: ReadableState<SyncState>;
}

/** The state streams where there is a status: what is not given beside it is a view of it. */
const viewsOf = (status: ReadableState<SyncStatus>, { connectionState$, syncState$ }: FakeStreams): States => ({
  status,
  connection: connectionState$
    ? toReadable(connectionState$, 'disconnected')
    : viewOf(status, ({ connection }) => connection.state),
  sync: syncState$ ? toReadable(syncState$, 'active') : viewOf(status, ({ sync }) => sync),
});

/** The state streams where there is none: it is made of those that are given, and over when they are. */
const partsOf = ({ connectionState$, syncState$ }: FakeStreams): States => {
  const connection = toReadable<ConnectionState>(connectionState$ ?? holdState('disconnected'), 'disconnected');
  const sync = toReadable<SyncState>(syncState$ ?? holdState('active'), 'active');
  const present = (): SyncStatus => statusOf(sync.getLatest(), connection.getLatest());
  const both$ = combineLatest([sync.stream$, connection.stream$]).pipe(map((both) => statusOf(...both)));
  const connected$ = connection.stream$.pipe(map((state) => statusOf('active', state)));
  const synced$ = sync.stream$.pipe(map((state) => statusOf(state, 'disconnected')));
  const status$ = connectionState$ && syncState$ ? both$ : connectionState$ ? connected$ : synced$;
  return { connection, sync, status: { stream$: status$, getLatest: present } };
};

const checkStreams = (streams: FakeStreams): void => {
  checkOptions('streams', streams, Object.keys(streamNames) as (keyof FakeStreams)[]);
  for (const [name, stream] of Object.entries(streams) as [keyof FakeStreams, unknown][]) {
    const isAsked = name === 'progress$' || name === 'written$';
    const isRight = isAsked ? typeof stream === 'function' : isObservable(stream);
    if (stream !== undefined && !isRight)
      throw new InvalidArgumentError(
        `streams.${name}`,
        isAsked ? 'a function that gives an observable' : 'an observable',
        stream,
      );
  }
};

/**
 * A session for tests of components: it has the streams that it is given and nothing behind them. What is not given
 * follows from what is (`connectionState$` from `status$`, and the other way about); without either it is `active` and
 * `disconnected` for good. Waits, progress and errors that are not given stay silent. Its commands do nothing and are
 * recorded. What is read without a stream (`connectionState`, `state`, `status`) is the latest value that anybody was
 * given of that stream, or of one that it follows from. Throws an `InvalidArgumentError` for a stream that a session
 * does not have, and for what is no stream.
 */
export const fakeSession = (streams: FakeStreams = {}): FakeSession => {
  checkStreams(streams);
  const { status$ } = streams;
  const {
    status: shown,
    connection,
    sync,
  } = status$ ? viewsOf(toReadable(status$, statusOf('active', 'disconnected')), streams) : partsOf(streams);
  const trouble = toReadable<AnySyncError | null>(streams.trouble$ ?? holdState(null), null);
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
    status$: shown.stream$,
    get status() {
      return shown.getLatest();
    },
    connectionState$: connection.stream$,
    get connectionState() {
      return connection.getLatest();
    },
    connectionChanges$: streams.connectionChanges$ ?? changes$,
    syncState$: sync.stream$,
    get syncState() {
      return sync.getLatest();
    },
    uploadComplete$: streams.uploadComplete$ ?? NEVER,
    downloadComplete$: streams.downloadComplete$ ?? NEVER,
    progress$: streams.progress$ ?? (() => NEVER),
    written$: streams.written$ ?? (() => NEVER),
    errors$: streams.errors$ ?? NEVER,
    trouble$: trouble.stream$,
    get trouble() {
      return trouble.getLatest();
    },
    pause: command('pause'),
    resume: command('resume'),
    reconnect: command('reconnect'),
    get commands() {
      return [...commands];
    },
    commands$: asked.asObservable(),
  };
};
