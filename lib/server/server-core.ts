import { createMetrics } from '#server/server-metrics';
import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  isObservable,
  map,
  of,
  ReplaySubject,
  share,
  switchMap,
  take,
  tap,
  type Observable,
} from 'rxjs';
import { runAction } from '../model/operators.js';
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import type { Storage } from '../storage/storage.js';
import { wireOf, type Acceptor, type Wire } from '../transport/wire.js';
import { createServerConnection, type ServerConnection, type ClientInfo } from './connections/server-connection.js';
import { createClockWatch } from './realms/clock-watch.js';
import { createHealth, type Readiness } from './http/health.js';
import type { Metrics } from './http/metrics.js';
import type { CheckedServerOptions } from './check-server-options.js';
import { createRealms } from './realms/realms.js';
import { createThrottledLog } from './http/server-events.js';
import { createServerCounters, type ServerCounters } from './http/counters.js';
import { createConnectedUsers } from './connections/user-limits.js';

/** A server without sockets. */
export interface ServerCore {
  /** A complete transport: `of(wire)` is a `Dial`. Each subscription is one connection. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /** The same in callback form, for a client about which the acceptor learns more as the connection goes on. */
  readonly createAcceptor: (client: ClientInfo) => Acceptor<ClientMessage, ServerMessage>;
  /** The open connections. */
  readonly connections: ReadonlySet<ServerConnection>;
  /** Logs that a token was rejected with this code. */
  readonly logInvalidToken: (code: string) => void;
  readonly serverCounters: ServerCounters;
  readonly metrics: Metrics;
  /** Emits the present readiness once. Cold. */
  readonly readiness$: Observable<Readiness>;
  /** Opens the storage if it is not open yet, and emits it once. Errors with its `StorageError`. */
  readonly opened$: Observable<Storage>;
  /** Sends every client `restarting`, and does so to all later connections too. Cold; completes synchronously. */
  readonly closing$: Observable<never>;
  /** Completes when no client is connected, all uploads are in their histories, and the storage is closed. */
  readonly closed$: Observable<never>;
}

const isZero = (count: number): boolean => count === 0;

/**
 * Shares one storage, opened at the first subscription. After a failed opening the next subscription opens it again.
 */
const openStorageOnce = ({
  storage,
}: CheckedServerOptions): { readonly storage$: Observable<Storage>; readonly close$: Observable<never> } => {
  if (!isObservable(storage)) return { storage$: of(storage), close$: EMPTY };
  let isRequested = false;
  const storage$ = storage.pipe(
    tap({ subscribe: () => (isRequested = true), error: () => (isRequested = false) }),
    take(1),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: true,
      resetOnRefCountZero: false,
    }),
  );
  const close$ = defer(() =>
    isRequested
      ? storage$.pipe(
          catchError(() => EMPTY),
          switchMap((open) => open.close()),
        )
      : EMPTY,
  );
  return { storage$, close$ };
};

/** Emits the storage synchronously once it is open. */
const cacheStorage = (opening$: Observable<Storage>): Observable<Storage> => {
  let storage: Storage | null = null;
  return defer(() => (storage ? of(storage) : opening$.pipe(tap((opened) => (storage = opened)))));
};

export const createServerCore = (options: CheckedServerOptions): ServerCore => {
  const { storage$: opening$, close$ } = openStorageOnce(options);
  const { authenticate, authorize, scope, permit, schemaOf, clock, limits, log } = options;
  const connections = new Set<ServerConnection>();
  const connected = new BehaviorSubject(0);
  let isClosing = false;
  const serverCounters = createServerCounters();
  const metrics: Metrics = createMetrics({
    ...{ serverCounters, countOpenRealms: () => realms.count(), countViewGroups: () => realms.countViewGroups() },
  });
  const { written } = metrics;
  const health = createHealth({ storage$: opening$, isClosing: () => isClosing, clock, onBatchWritten: written });
  const watch = createClockWatch({ clock, stampAheadMsMax: limits.stampAheadMsMax, log });
  const storage$ = cacheStorage(opening$.pipe(switchMap((opened) => watch.watchStorage(health.watchStorage(opened)))));
  const realmOptions = { storage$, limits, clock, permit, isScoped: scope !== null, schemaOf, log };
  const realms = createRealms({ ...realmOptions, stamped: watch.stamped });
  const throttledLog = createThrottledLog(log, clock.now);
  const users = createConnectedUsers({ limits, now: clock.now });
  const ports = {
    ...{ authenticate, authorize, scope, schemaOf, realms, clock, limits, log, serverCounters, users },
    ...throttledLog,
    waiting: { count: 0 },
  };
  const forgetConnection = (connection: ServerConnection): void => {
    connections.delete(connection);
    connected.next(connections.size);
  };
  const createAcceptor: ServerCore['createAcceptor'] = (client) => (sink) => {
    const connection = createServerConnection(ports, { client, sink, closed: forgetConnection });
    connections.add(connection);
    connected.next(connections.size);
    if (isClosing) connection.restart();
    return connection;
  };

  return {
    wire: (messages$) => wireOf(createAcceptor({ user: null, sessions: 0 }))(messages$),
    createAcceptor,
    connections,
    logInvalidToken: throttledLog.logInvalidToken,
    ...{
      serverCounters,
      metrics,
      readiness$: health.readiness$.pipe(
        map((state) => (state === 'ready' && watch.isBehind() ? 'clock-behind' : state)),
      ),
    },
    opened$: storage$.pipe(take(1)),
    closing$: runAction(() => {
      isClosing = true;
      for (const connection of [...connections]) connection.restart();
    }),
    closed$: concat(connected.pipe(filter(isZero), take(1)), realms.idle$, close$).pipe(ignoreElements()),
  };
};
