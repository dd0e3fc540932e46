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
import { wireOf, type Host, type Wire } from '../transport/wire.js';
import { createConnection, type Connection, type Guest } from './connection.js';
import { createClockWatch } from './clock-watch.js';
import { createHealth, type Readiness } from './health.js';
import { createMetrics, type Metrics } from './metrics.js';
import type { CheckedOptions } from './options.js';
import { createRealms } from './realms.js';
import { tellingSeldom } from './telling.js';
import { createTally, type Tally } from './tally.js';
import { createUsers } from './users.js';

/** A server without a socket. */
export interface Core {
  /** A complete transport: `of(wire)` is a dial. Each subscription is a connection. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /** The same in its plain form, telling what comes to be known of who calls. */
  readonly answer: (guest: Guest) => Host<ClientMessage, ServerMessage>;
  readonly tally: Tally;
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

const isNone = (count: number): boolean => count === 0;

/** One storage for all, opened when it is first asked for and kept; one that did not open is asked for again. */
const openedOnce = ({
  storage,
}: CheckedOptions): { readonly storage$: Observable<Storage>; readonly close$: Observable<never> } => {
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
const keptOpen = (opening$: Observable<Storage>): Observable<Storage> => {
  let storage: Storage | null = null;
  return defer(() => (storage ? of(storage) : opening$.pipe(tap((opened) => (storage = opened)))));
};

export const createCore = (options: CheckedOptions): Core => {
  const { storage$: opening$, close$ } = openedOnce(options);
  const { authenticate, authorize, permit, schemaOf, clock, limits, log: tell } = options;
  const connections = new Set<Connection>();
  const connected = new BehaviorSubject(0);
  let isClosing = false;
  const tally = createTally();
  const metrics: Metrics = createMetrics({ tally, realmsOpen: () => realms.count() });
  const { written } = metrics;
  const health = createHealth({ storage$: opening$, isClosing: () => isClosing, clock, written });
  const watch = createClockWatch({ clock, aheadMs: limits.stampAheadMsMax, tell });
  const storage$ = keptOpen(opening$.pipe(switchMap((opened) => watch.watched(health.watched(opened)))));
  const realms = createRealms({ storage$, limits, clock, permit, schemaOf, tell, stamped: watch.stamped });
  const seldomTold = tellingSeldom(tell, clock.now);
  const users = createUsers({ limits, now: clock.now });
  const ports = {
    authenticate,
    authorize,
    realms,
    clock,
    limits,
    tell,
    tally,
    users,
    ...seldomTold,
    waiting: { count: 0 },
  };
  const answer: Core['answer'] = (guest) => (mouth) => {
    const gone = (): void => {
      connections.delete(connection);
      connected.next(connections.size);
    };
    const connection = createConnection(ports, { guest, mouth, gone });
    connections.add(connection);
    connected.next(connections.size);
    if (isClosing) connection.restart();
    return connection;
  };

  return {
    wire: (said) => wireOf(answer({ user: null, sessions: 0 }))(said),
    answer,
    ...{
      tally,
      metrics,
      readiness$: health.readiness$.pipe(map((is) => (is === 'ready' && watch.isBehind() ? 'clock-behind' : is))),
    },
    opened$: storage$.pipe(take(1)),
    closing$: defer(() => {
      isClosing = true;
      for (const connection of [...connections]) connection.restart();
      return EMPTY;
    }),
    closed$: concat(connected.pipe(filter(isNone), take(1)), realms.idle$, close$).pipe(ignoreElements()),
  };
};
