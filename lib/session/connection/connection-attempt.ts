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
import { describeValue, TidemarkError } from '../../model/errors.js';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.js';
import { closeCodes } from '../../protocol/messages.js';
import { type Dial, ConnectionError, type Wire } from '../../transport/wire.js';
import { Disconnect, convertWireError, createSilenceDisconnect, createUnansweredDisconnect } from './disconnect.js';
import type { FrameSizeTracker } from '../conversation/frame-size-limit.js';
import { createHeartbeat } from './heartbeat.js';
import { createInFlightBytes } from '../conversation/in-flight-bytes.js';
import { createMux, type Channel } from './mux.js';
import type { SyncTimeouts } from './timeouts.js';

/** How long the answer to a ping took. */
export interface RoundTrip {
  readonly type: 'roundTrip';
  readonly ms: number;
}

/** An open line, shared by sessions. */
export interface OpenConnection {
  readonly state: 'open';
  /** When it opened, by the scheduler. */
  readonly since: number;
  readonly openChannel: () => Channel;
  /** Each ping that is answered. Hot. */
  readonly roundTrip$: Observable<RoundTrip>;
  /** Pings at once. */
  readonly probe: () => void;
  /** Gives the line up for all its sessions: it answers, but nothing moves on it. */
  readonly close: () => void;
}

export interface ConnectionAttemptPorts {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
  /** Each emission pings the open line at once. */
  readonly probe$: Observable<unknown>;
  /** Tokens to be said on the open line, for all its sessions. */
  readonly token$: Observable<string>;
  /** Called when a probe was answered. */
  readonly onAlive: () => void;
  /** What is known of how large a frame may be. */
  readonly frames: FrameSizeTracker;
}

/** What a dial of the app errors with, whatever that is, is that there is no line: it is tried again. */
const toConnectionError = (thrown: unknown): unknown =>
  thrown instanceof ConnectionError || thrown instanceof TidemarkError
    ? thrown
    : new ConnectionError(
        { kind: 'unreachable', detail: thrown instanceof Error ? thrown.message : describeValue(thrown) },
        { cause: thrown },
      );

/** One call: emits the line when it is open, and errors with a `Drop` when it was not answered or is no more. Cold. */
export const connect = ({ dial, ...ports }: ConnectionAttemptPorts): Observable<OpenConnection> =>
  dial.pipe(
    catchError((thrown: unknown) => throwError(() => toConnectionError(thrown))),
    timeout({
      first: ports.timeouts.connect,
      scheduler: ports.clock.scheduler,
      with: () => throwError(() => createUnansweredDisconnect('connect')),
    }),
    throwIfEmpty(() => new ConnectionError({ kind: 'unreachable', detail: 'the dial completed without a line' })),
    switchMap((wire) => runConnection(wire, ports)),
  );

const runConnection = (
  wire: Wire<ClientMessage, ServerMessage>,
  { timeouts, clock, probe$, token$, onAlive, frames }: Omit<ConnectionAttemptPorts, 'dial'>,
): Observable<OpenConnection> =>
  defer(() => {
    const mux = createMux(token$, frames);
    const probes = new Subject<void>();
    const gone = new Subject<never>();
    const { answered$, openChannel } = mux;
    const roundTrip$ = new Subject<RoundTrip>();
    const measured = (message: ServerMessage): void => {
      if (message.type === 'pong')
        roundTrip$.next({ type: 'roundTrip', ms: Math.max(0, clock.scheduler.now() - message.sentAt) });
    };
    const heard$ = new Subject<void>();
    const inFlight = createInFlightBytes();
    const patience$ = merge(
      probe$.pipe(map(() => timeouts.probe + inFlight.transferMs())),
      probes.pipe(map(() => Math.max(timeouts.probe, timeouts.read))), // What stalls is the read timeout's to end.
    );
    const said$ = merge(
      mux.outgoing$.pipe(tap(frames.recordSent), tap(inFlight.recordSent)),
      createHeartbeat({ timeouts, clock, answered$, probe$: patience$, received$: heard$, onAlive }),
    );

    const heard = wire(said$).pipe(
      // Measures what arrives, not our own slowness: it stands above everything that takes messages to heart.
      timeout({
        each: timeouts.read,
        scheduler: clock.scheduler,
        with: () => throwError(() => createSilenceDisconnect('read')),
      }),
      tap(throwConnectionError),
      tap((message) => {
        heard$.next();
        frames.recordReceived(message);
        inFlight.recordReceived(message);
        mux.receive(message);
        measured(message);
      }),
      ignoreElements(),
      catchError((thrown: unknown) => throwError(() => frames.convertError(thrown))),
      finalize(frames.recordClosed),
      takeUntil(gone), // It errors, and so does this.
    );
    const open: OpenConnection = {
      state: 'open',
      since: clock.scheduler.now(),
      openChannel,
      roundTrip$,
      probe: () => probes.next(),
      close: () => gone.error(createSilenceDisconnect('stall')),
    };
    return concat(
      merge(heard, of(open)), // Listening first: sessions bind as soon as they see the line.
      closedByServer$, // A wire that completes is a wire that dropped: 1000 included.
    );
  });

const closedByServer$ = throwError(
  () => new Disconnect({ kind: 'closed-by-server', code: closeCodes.normal, text: '' }),
);

const throwConnectionError = (message: ServerMessage): void => {
  if (message.type === 'error' && message.session === null) throw convertWireError(message);
};
