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

/** The commands of a session that a fake session records. */
export type SessionCommand = 'pause' | 'resume' | 'reconnect';

/**
 * The streams of a fake session. `progress$` and `written$`, which take an argument, are functions.
 *
 * @example
 * ```ts
 * const streams: FakeStreams = { syncState$: of('paused'), written$: () => of({ state: 'saved' }) };
 * ```
 */
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

/**
 * A session without a realm and a server, for tests of components.
 *
 * @example
 * ```ts
 * const session = fakeSession({ connectionState$: of('connected') });
 * session.pause();
 * expect(session.commands).toEqual(['pause']);
 * ```
 */
export interface FakeSession extends SyncSession {
  /** The commands so far, in order. */
  readonly commands: readonly SessionCommand[];
  /**
   * Observes the commands. Hot. Replays the last 1 000, then emits each command at its call. Never completes. Never
   * errors. Each value is one command.
   */
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

const commandsMax = 1_000; // More than a test of one component calls.

const connectionStatuses: Readonly<Record<ConnectionState, ConnectionStatus>> = {
  disconnected: { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null },
  connecting: { state: 'connecting', attempt: 1 },
  connected: { state: 'connected', since: 0, roundTripMs: null },
};

/**
 * Parts of a status. The other parts are those of an idle, disconnected session.
 *
 * @see {@link status}
 */
export interface StatusParts extends Partial<Omit<SyncStatus, 'connection' | 'pending' | 'downloaded'>> {
  /** The whole connection status, or only its state. */
  readonly connection?: ConnectionState | ConnectionStatus;
  /** The unsent changesets: 0 of 0 bytes by default. */
  readonly pending?: Partial<SyncStatus['pending']>;
  /** The downloaded version and the changesets that follow: 0 and `null` by default. */
  readonly downloaded?: Partial<SyncStatus['downloaded']>;
}

/**
 * Builds a `SyncStatus` of the parts that matter to a test.
 *
 * @param parts - The parts that differ from an idle, disconnected session.
 * @returns A complete status.
 * @throws InvalidArgumentError for an unknown part.
 *
 * @example
 * ```ts
 * fakeSession({ status$: of(status({ connection: 'connected', pending: { changesets: 3 } })) });
 * ```
 */
export const status = (parts: StatusParts = {}): SyncStatus => {
  const whole = statusOf('active', 'disconnected');
  const {
    connection = 'disconnected',
    pending,
    downloaded,
    ...rest
  } = checkOptions('parts', parts, ['sync', 'connection', 'pending', 'downloaded', 'lastSyncedAt', 'stalledSince']);
  const found: unknown = typeof connection === 'string' ? connectionStatuses[connection] : connection;
  if (!isRecord(found) || !Object.hasOwn(connectionStatuses, String(found['state'])))
    throw new InvalidArgumentError(
      'parts.connection',
      'disconnected, connecting, connected or a whole connection status',
      connection,
    );
  const part = <K extends 'pending' | 'downloaded'>(name: K, given: StatusParts[K] = {}): SyncStatus[K] => ({
    ...whole[name],
    ...checkOptions(`parts.${name}`, given as SyncStatus[K], Object.keys(whole[name]) as never),
  });
  return {
    ...whole,
    ...rest,
    connection: found as unknown as ConnectionStatus,
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

/** A state that never changes. */
const holdState = <T>(state: T): Observable<T> => concat(of(state), NEVER);

/** A stream, and its latest value. */
interface ReadableState<T> {
  readonly stream$: Observable<T>;
  readonly getLatest: () => T;
}

/** Makes the latest value of a stream readable: the last that any subscriber received, or `first` before that. */
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

/** The state streams of a session with a status. The streams that are not given are views of the status. */
const viewsOf = (status: ReadableState<SyncStatus>, { connectionState$, syncState$ }: FakeStreams): States => ({
  status,
  connection: connectionState$
    ? toReadable(connectionState$, 'disconnected')
    : viewOf(status, ({ connection }) => connection.state),
  sync: syncState$ ? toReadable(syncState$, 'active') : viewOf(status, ({ sync }) => sync),
});

/**
 * The state streams of a session without a status. The status is made of the given streams and completes with them.
 */
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
    const hasArgument = name === 'progress$' || name === 'written$';
    const isValid = hasArgument ? typeof stream === 'function' : isObservable(stream);
    if (stream !== undefined && !isValid)
      throw new InvalidArgumentError(
        `streams.${name}`,
        hasArgument ? 'a function that returns an observable' : 'an observable',
        stream,
      );
  }
};

/**
 * Creates a session of given streams, for tests of components. It has no realm and no server.
 *
 * Streams that are not given follow from those that are: `connectionState$` from `status$`, and the reverse. Without
 * any state stream the session stays `active` and `disconnected`. Waits, progress and errors that are not given never
 * emit. Commands do nothing but are recorded. A property without a stream (`connectionState`, `syncState`, `status`)
 * has the latest value that any subscriber of its stream received.
 *
 * @param streams - The streams of the session.
 * @returns A session with a record of its commands.
 * @throws InvalidArgumentError for an unknown name, and for a value that is not a stream.
 *
 * @example
 * ```ts
 * const session = fakeSession({ connectionState$: cold('d-c-C', connectionLetters) });
 * ```
 */
export const fakeSession = (streams: FakeStreams = {}): FakeSession => {
  checkStreams(streams);
  const { status$ } = streams;
  const {
    status: readableStatus,
    connection,
    sync,
  } = status$ ? viewsOf(toReadable(status$, statusOf('active', 'disconnected')), streams) : partsOf(streams);
  const trouble = toReadable<AnySyncError | null>(streams.trouble$ ?? holdState(null), null);
  const commands: SessionCommand[] = [];
  const commandLog = new ReplaySubject<SessionCommand>(commandsMax);
  const command = (name: SessionCommand) => (): void => {
    commands.push(name);
    commandLog.next(name);
  };
  const changes$ = connection.stream$.pipe(
    pairwise(),
    map(([previous, current]) => ({ previous, current })),
  );
  return {
    status$: readableStatus.stream$,
    get status() {
      return readableStatus.getLatest();
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
    commands$: commandLog.asObservable(),
  };
};
