import {
  catchError,
  concat,
  defer,
  finalize,
  ignoreElements,
  map,
  merge,
  of,
  type Observable,
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
import { createInFlightBytes } from '../conversation/in-flight-bytes.js';
import { createMux, type Channel } from './mux.js';
import type { SyncTimeouts } from './timeouts.js';

/** The time between a ping and its answer. */
export interface RoundTrip {
  readonly type: 'roundTrip';
  readonly ms: number;
}

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

/**
 * Makes one connection attempt, and keeps its connection open. Cold.
 *
 * Emits the connection when it is open. Errors with a `Disconnect` when the attempt fails or the connection ends.
 */
export const connect = ({ dial, ...ports }: ConnectionAttemptPorts): Observable<OpenConnection> =>
  dial.pipe(
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
  { timeouts, clock, probe$, token$, onAlive, frames }: Omit<ConnectionAttemptPorts, 'dial'>,
): Observable<OpenConnection> =>
  defer(() => {
    const mux = createMux(token$, frames);
    const probes = new Subject<void>();
    const closed = new Subject<never>();
    const { answered$, openChannel } = mux;
    const roundTrip$ = new Subject<RoundTrip>();
    const measureRoundTrip = (message: ServerMessage): void => {
      if (message.type === 'pong')
        roundTrip$.next({ type: 'roundTrip', ms: Math.max(0, clock.scheduler.now() - message.sentAt) });
    };
    const received$ = new Subject<void>();
    const inFlight = createInFlightBytes();
    const probeTimeout$ = merge(
      probe$.pipe(map(() => timeouts.probe + inFlight.transferMs())),
      // A stalled connection is left to the read timeout.
      probes.pipe(map(() => Math.max(timeouts.probe, timeouts.read))),
    );
    const outgoing$ = merge(
      mux.outgoing$.pipe(tap(frames.recordSent), tap(inFlight.recordSent)),
      createHeartbeat({ timeouts, clock, answered$, probe$: probeTimeout$, received$, onAlive }),
    );

    const incoming$ = wire(outgoing$).pipe(
      // Placed above all processing, so that it measures the network and not this client.
      timeout({
        each: timeouts.read,
        scheduler: clock.scheduler,
        with: () => throwError(() => createSilenceDisconnect('read')),
      }),
      tap(throwConnectionError),
      tap((message) => {
        received$.next();
        frames.recordReceived(message);
        inFlight.recordReceived(message);
        mux.receive(message);
        measureRoundTrip(message);
      }),
      ignoreElements(),
      catchError((thrown: unknown) => throwError(() => frames.convertError(thrown))),
      finalize(frames.recordClosed),
      takeUntil(closed), // Errors, and ends the connection with that error.
    );
    const open: OpenConnection = {
      state: 'open',
      since: clock.scheduler.now(),
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
        throw Object.assign(toDisconnect(thrown), { livedMs: clock.scheduler.now() - open.since });
      }),
    );
  });

const closedByServer$ = throwError(
  () => new Disconnect({ kind: 'closed-by-server', code: closeCodes.normal, text: '' }),
);

const throwConnectionError = (message: ServerMessage): void => {
  if (message.type === 'error' && message.session === null) throw convertWireError(message);
};
