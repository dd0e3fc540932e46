import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  type Observable,
  race,
  repeat,
  Subject,
  switchMap,
  takeUntil,
  tap,
  throwError,
  throwIfEmpty,
  timeout,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { messageOf, TidemarkError } from '../../model/errors.js';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.js';
import { closeCodes } from '../../protocol/messages.js';
import { type Dial, ConnectionError, type Wire } from '../../transport/wire.js';
import {
  Disconnect,
  convertWireError,
  createSilenceDisconnect,
  createUnansweredDisconnect,
  toDisconnect,
} from './disconnect.js';
import type { FrameSizeTracker } from '../conversation/frame-size-limit.js';
import { createHeartbeat } from './heartbeat.js';
import { createInFlightBytes, type InFlightBytes } from '../conversation/in-flight-bytes.js';
import { createMux, type Channel, type Mux, type RoundTrip } from './mux.js';
import type { SyncTimeouts } from './timeouts.js';

/** An open connection, shared by sessions. */
export interface OpenConnection {
  readonly state: 'open';
  /** Time of its opening, by the scheduler. */
  readonly since: number;
  readonly openChannel: () => Channel;
  /** Emits for each answered ping. Hot. */
  readonly roundTrip$: Observable<RoundTrip>;
  /** Sends a ping at once. */
  readonly probe: () => void;
  /** Closes the connection for all its sessions, because it answers but no work progresses. */
  readonly close: () => void;
}

export interface ConnectionAttemptPorts {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
  /** Each emission sends a ping on the open connection at once. */
  readonly probe$: Observable<unknown>;
  /** Tokens to be sent on the open connection, for all its sessions. */
  readonly token$: Observable<string>;
  /** The fault of the network that is simulated, or `null`: the present value on subscription. Never completes. */
  readonly fault$: Observable<SimulatedFault | null>;
  /** Called when a probe was answered. */
  readonly onAlive: () => void;
  /** Tracks the size of the largest frame that the connection accepts. */
  readonly frames: FrameSizeTracker;
}

/** Converts any error of an app's dial into a `ConnectionError`, so that the client reconnects. */
const toConnectionError = (thrown: unknown): unknown =>
  thrown instanceof ConnectionError || thrown instanceof TidemarkError
    ? thrown
    : new ConnectionError({ kind: 'unreachable', detail: messageOf(thrown) }, { cause: thrown });

/** Errors of a network that the inspector simulates. */
export interface SimulatedFault {
  /** Ends a connection attempt, also one that is under way. */
  readonly attempt: ConnectionError;
  /** Ends an open connection. */
  readonly connection: ConnectionError;
}

/** Errors with a fault as soon as there is one. Emits nothing. */
const throwFault = (kind: keyof SimulatedFault) =>
  filter((fault: SimulatedFault | null): fault is never => {
    if (fault) throw fault[kind];
    return false;
  });

/**
 * Makes one connection attempt, and keeps its connection open. Cold.
 *
 * Emits the connection when it is open. Errors with a `Disconnect` when the attempt fails or the connection ends.
 */
export const connect = ({ dial, ...ports }: ConnectionAttemptPorts): Observable<OpenConnection> =>
  race(ports.fault$.pipe(throwFault('attempt')), dial).pipe(
    catchError((thrown: unknown) => throwError(() => toConnectionError(thrown))),
    timeout({
      first: ports.timeouts.connect,
      scheduler: ports.clock.scheduler,
      with: () => throwError(() => createUnansweredDisconnect('connect')),
    }),
    throwIfEmpty(() => new ConnectionError({ kind: 'unreachable', detail: 'the dial completed without a connection' })),
    switchMap((wire) => runConnection(wire, ports)),
  );

const runConnection = (
  wire: Wire<ClientMessage, ServerMessage>,
  { timeouts, clock, probe$, token$, onAlive, frames, fault$ }: Omit<ConnectionAttemptPorts, 'dial'>,
): Observable<OpenConnection> =>
  defer(() => {
    const { scheduler } = clock;
    const inFlight = createInFlightBytes();
    const mux = createMux(token$, frames, (message) => {
      frames.recordSent(message);
      inFlight.recordSent(message);
    });
    const probes = new Subject<void>();
    const closed = new Subject<never>();
    const { answered$, openChannel } = mux;
    const roundTrip$ = new Subject<RoundTrip>();
    const received = createReceiver(clock, { mux, frames, inFlight, roundTrip$ });
    const { received$ } = received;
    const probeTimeout$ = merge(
      probe$.pipe(map(() => timeouts.probe + inFlight.transferMs())),
      // A stalled connection is left to the read timeout.
      probes.pipe(map(() => Math.max(timeouts.probe, timeouts.read))),
    );
    const outgoing$ = merge(
      mux.outgoing$,
      createHeartbeat({ timeouts, clock, answered$, probe$: probeTimeout$, received$, onAlive }),
    );

    const incoming$ = wire(outgoing$).pipe(
      tap(received.receive),
      ignoreElements(),
      catchError((thrown: unknown) => throwError(() => frames.convertError(thrown))),
      finalize(frames.recordClosed),
      // All error, and end the connection with that error.
      takeUntil(
        merge(closed, fault$.pipe(throwFault('connection')), waitForSilence(timeouts.read, received.at, clock)),
      ),
    );
    const open: OpenConnection = {
      state: 'open',
      since: scheduler.now(),
      openChannel,
      roundTrip$,
      probe: () => probes.next(),
      close: () => closed.error(createSilenceDisconnect('stall')),
    };
    return concat(
      merge(incoming$, of(open)), // Subscribed first, because sessions bind as soon as they receive the connection.
      closedByServer$, // A wire that completes is a closed connection, also with code 1000.
    ).pipe(
      catchError((thrown: unknown) => {
        throw Object.assign(toDisconnect(thrown), { livedMs: scheduler.now() - open.since });
      }),
    );
  });

/** The parts of a connection that each received message passes through. */
interface ReceiverParts {
  readonly mux: Mux;
  readonly frames: FrameSizeTracker;
  readonly inFlight: InFlightBytes;
  readonly roundTrip$: Subject<RoundTrip>;
}

/** Creates the function that handles one received message: operators would cost more than the work on the message. */
const createReceiver = ({ scheduler }: Clock, { mux, frames, inFlight, roundTrip$ }: ReceiverParts) => {
  const received$ = new Subject<void>();
  let at = scheduler.now();
  return {
    /** Emits at each received message. */
    received$,
    /** Returns the time of the last received message, by the scheduler. Before the first: that of the connection. */
    at: () => at,
    receive: (message: ServerMessage): void => {
      at = scheduler.now();
      throwConnectionError(message);
      if (received$.observed) received$.next();
      frames.recordReceived(message);
      inFlight.recordReceived(message);
      mux.receive(message);
      if (message.type !== 'pong') return;
      const roundTrip = { type: 'roundTrip', ms: Math.max(0, at - message.sentAt) } as const;
      mux.showRoundTrip(roundTrip);
      roundTrip$.next(roundTrip);
    },
  };
};

/**
 * Errors when nothing was received for the read timeout. Emits nothing.
 *
 * A timer that starts again with each message took a tenth of a reader's time. So this `timeout` ends once per read
 * timeout, and continues for the time that is left since the last message. No message starts a timer.
 */
const waitForSilence = (read: number, receivedAt: () => number, { scheduler }: Clock): Observable<never> =>
  defer(() => {
    const computeLeft = (): number => receivedAt() + read - scheduler.now();
    return NEVER.pipe(
      timeout({
        first: computeLeft(),
        scheduler,
        with: () => (computeLeft() > 0 ? EMPTY : throwError(() => createSilenceDisconnect('read'))),
      }),
    );
  }).pipe(repeat());

const closedByServer$ = throwError(
  () => new Disconnect({ kind: 'closed-by-server', code: closeCodes.normal, text: '' }),
);

const throwConnectionError = (message: ServerMessage): void => {
  if (message.type === 'error' && message.session === null) throw convertWireError(message);
};
