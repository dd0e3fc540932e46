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
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import type { Storage } from '../storage/storage.js';
import { wireOf, type Acceptor, type Wire } from '../transport/wire.js';
import { createServerConnection, type ServerConnection, type ClientInfo } from './connections/server-connection.js';
import { createClockWatch } from './realms/clock-watch.js';
import { createHealth, type Readiness } from './http/health.js';
import { createMetrics, type Metrics } from './http/metrics.js';
import type { CheckedServerOptions } from './server-options.js';
import { createRealms } from './realms/realms.js';
import { createThrottledLog } from './http/server-events.js';
import { createServerCounters, type ServerCounters } from './http/counters.js';
import { createConnectedUsers } from './connections/user-limits.js';

/** A server without a socket. */
export interface ServerCore {
  /** A complete transport: `of(wire)` is a dial. Each subscription is a connection. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /** The same in its plain form, telling what comes to be known of who calls. */
  readonly createAcceptor: (client: ClientInfo) => Acceptor<ClientMessage, ServerMessage>;
  readonly serverCounters: ServerCounters;
  readonly metrics: Metrics;
  /** How it is now: emits once. */
  readonly readiness$: Observable<Readiness>;
  /** Opens the storage, if nobody has yet. Emits once; errors with its `StorageError`. */
  readonly opened$: Observable<Storage>;
  /** Tells every client that the server goes away, and lets nobody in any more. Cold; completes at once. */
  readonly closing$: Observable<never>;
  /** Completes when nobody is connected, everything that was uploaded is in its history, and the storage is closed. */
  readonly closed$: Observable<never>;
}

const isZero = (count: number): boolean => count === 0;

/** One storage for all, opened when it is first asked for and kept; one that did not open is asked for again. */
const openStorageOnce = ({
  storage,
}: CheckedServerOptions): { readonly storage$: Observable<Storage>; readonly close$: Observable<never> } => {
  if (!isObservable(storage)) return { storage$: of(storage), close$: EMPTY };
  let asked = false;
  const storage$ = storage.pipe(
    tap({ subscribe: () => (asked = true), error: () => (asked = false) }),
    take(1),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: true,
      resetOnRefCountZero: false,
    }),
  );
  const close$ = defer(() =>
    asked
      ? storage$.pipe(
          catchError(() => EMPTY),
          switchMap((open) => open.close()),
        )
      : EMPTY,
  );
  return { storage$, close$ };
};

/** Once a storage is open, nobody waits for it. */
const cacheStorage = (opening$: Observable<Storage>): Observable<Storage> => {
  let storage: Storage | null = null;
  return defer(() => (storage ? of(storage) : opening$.pipe(tap((opened) => (storage = opened)))));
};

export const createServerCore = (options: CheckedServerOptions): ServerCore => {
  const { storage$: opening$, close$ } = openStorageOnce(options);
  const { authenticate, authorize, permit, schemaOf, clock, limits, log } = options;
  const connections = new Set<ServerConnection>();
  const connected = new BehaviorSubject(0);
  let isClosing = false;
  const serverCounters = createServerCounters();
  const metrics: Metrics = createMetrics({ serverCounters, countOpenRealms: () => realms.count() });
  const { written } = metrics;
  const health = createHealth({ storage$: opening$, isClosing: () => isClosing, clock, written });
  const watch = createClockWatch({ clock, stampAheadMsMax: limits.stampAheadMsMax, log });
  const storage$ = cacheStorage(opening$.pipe(switchMap((opened) => watch.watchStorage(health.watchStorage(opened)))));
  const realms = createRealms({ storage$, limits, clock, permit, schemaOf, log, stamped: watch.stamped });
  const seldomTold = createThrottledLog(log, clock.now);
  const users = createConnectedUsers({ limits, now: clock.now });
  const ports = {
    authenticate,
    authorize,
    realms,
    clock,
    limits,
    log,
    serverCounters,
    users,
    ...seldomTold,
    waiting: { count: 0 },
  };
  const answer: ServerCore['createAcceptor'] = (client) => (sink) => {
    const gone = (): void => {
      connections.delete(connection);
      connected.next(connections.size);
    };
    const connection = createServerConnection(ports, { client, sink, closed: gone });
    connections.add(connection);
    connected.next(connections.size);
    if (isClosing) connection.restart();
    return connection;
  };

  return {
    wire: (said) => wireOf(answer({ user: null, sessions: 0 }))(said),
    createAcceptor: answer,
    ...{
      serverCounters,
      metrics,
      readiness$: health.readiness$.pipe(map((is) => (is === 'ready' && watch.isBehind() ? 'clock-behind' : is))),
    },
    opened$: storage$.pipe(take(1)),
    closing$: defer(() => {
      isClosing = true;
      for (const connection of [...connections]) connection.restart();
      return EMPTY;
    }),
    closed$: concat(connected.pipe(filter(isZero), take(1)), realms.idle$, close$).pipe(ignoreElements()),
  };
};
