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
import type { Clock } from '../clock.js';
import { described, TidemarkError } from '../model/errors.js';
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import { closeCodes } from '../protocol/messages.js';
import { type Dial, LineError, type Wire } from '../transport/wire.js';
import { Drop, ofWireError, silent, unanswered } from './drop.js';
import type { FrameBounds } from './frame-bound.js';
import { heartbeat } from './heartbeat.js';
import { createInFlight } from './in-flight.js';
import { createMux, type Lane } from './mux.js';
import type { SyncTimeouts } from './options.js';

/** How long the answer to a ping took. */
export interface RoundTrip {
  readonly type: 'roundTrip';
  readonly ms: number;
}

/** An open line, shared by sessions. */
export interface OpenLine {
  readonly state: 'open';
  /** When it opened, by the scheduler. */
  readonly since: number;
  readonly lane: () => Lane;
  /** Each ping that is answered. Hot. */
  readonly roundTrip$: Observable<RoundTrip>;
  /** Pings at once. */
  readonly probe: () => void;
  /** Gives the line up for all its sessions: it answers, but nothing moves on it. */
  readonly hangUp: () => void;
}

export interface CallPorts {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
  /** Each emission pings the open line at once. */
  readonly probe$: Observable<unknown>;
  /** Tokens to be said on the open line, for all its sessions. */
  readonly token$: Observable<string>;
  /** Called when a probe was answered. */
  readonly proved: () => void;
  /** What is known of how large a frame may be. */
  readonly frames: FrameBounds;
}

/** What a dial of the app errors with, whatever that is, is that there is no line: it is tried again. */
const unreachableBy = (thrown: unknown): unknown =>
  thrown instanceof LineError || thrown instanceof TidemarkError
    ? thrown
    : new LineError(
        { kind: 'unreachable', detail: thrown instanceof Error ? thrown.message : described(thrown) },
        { cause: thrown },
      );

/** One call: emits the line when it is open, and errors with a `Drop` when it was not answered or is no more. Cold. */
export const call = ({ dial, ...ports }: CallPorts): Observable<OpenLine> =>
  dial.pipe(
    catchError((thrown: unknown) => throwError(() => unreachableBy(thrown))),
    timeout({
      first: ports.timeouts.connect,
      scheduler: ports.clock.scheduler,
      with: () => throwError(() => unanswered('connect')),
    }),
    throwIfEmpty(() => new LineError({ kind: 'unreachable', detail: 'the dial completed without a line' })),
    switchMap((wire) => conversing(wire, ports)),
  );

const conversing = (
  wire: Wire<ClientMessage, ServerMessage>,
  { timeouts, clock, probe$, token$, proved, frames }: Omit<CallPorts, 'dial'>,
): Observable<OpenLine> =>
  defer(() => {
    const mux = createMux(token$, frames);
    const probes = new Subject<void>();
    const gone = new Subject<never>();
    const { answered$, lane } = mux;
    const roundTrip$ = new Subject<RoundTrip>();
    const measured = (message: ServerMessage): void => {
      if (message.type === 'pong')
        roundTrip$.next({ type: 'roundTrip', ms: Math.max(0, clock.scheduler.now() - message.sentAt) });
    };
    const heard$ = new Subject<void>();
    const inFlight = createInFlight();
    const patience$ = merge(
      probe$.pipe(map(() => timeouts.probe + inFlight.ms())),
      probes.pipe(map(() => Math.max(timeouts.probe, timeouts.read))), // What stalls is the read timeout's to end.
    );
    const said$ = merge(
      mux.said$.pipe(tap(frames.said), tap(inFlight.sent)),
      heartbeat({ timeouts, clock, answered$, probe$: patience$, heard$, proved }),
    );

    const heard = wire(said$).pipe(
      // Measures what arrives, not our own slowness: it stands above everything that takes messages to heart.
      timeout({
        each: timeouts.read,
        scheduler: clock.scheduler,
        with: () => throwError(() => silent('read')),
      }),
      tap(endingTheLine),
      tap((message) => {
        heard$.next();
        frames.heard(message);
        inFlight.received(message);
        mux.hear(message);
        measured(message);
      }),
      ignoreElements(),
      catchError((thrown: unknown) => throwError(() => frames.ended(thrown))),
      finalize(frames.gone),
      takeUntil(gone), // It errors, and so does this.
    );
    const open: OpenLine = {
      state: 'open',
      since: clock.scheduler.now(),
      lane,
      roundTrip$,
      probe: () => probes.next(),
      hangUp: () => gone.error(silent('stall')),
    };
    return concat(
      merge(heard, of(open)), // Listening first: sessions bind as soon as they see the line.
      hungUp, // A wire that completes is a wire that dropped: 1000 included.
    );
  });

const hungUp = throwError(() => new Drop({ kind: 'closed-by-server', code: closeCodes.normal, text: '' }));

const endingTheLine = (message: ServerMessage): void => {
  if (message.type === 'error' && message.session === null) throw ofWireError(message);
};
