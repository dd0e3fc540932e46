import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  mergeMap,
  observeOn,
  of,
  queueScheduler,
  Subject,
  takeUntil,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { closeCodes, type Bind, type ClientMessage, type ServerMessage } from '../protocol/messages.js';
import { hangUp, type Wire } from '../transport/wire.js';
import type { Authenticate } from './access.js';
import { AccessRefusedError } from './failure.js';
import { createIdentity, type Identity } from './identity.js';
import { createLanes, wireError } from './lanes.js';
import { createRate } from './rate.js';
import type { SessionPorts } from './session.js';
import { tallied, type Tally } from './tally.js';

export interface ConnectionPorts extends SessionPorts {
  readonly authenticate: Authenticate;
  /** Emits when the server goes away, also to those who come later. Never completes before. */
  readonly closing$: Observable<unknown>;
  readonly tally: Tally;
}

/** What comes to be known of a connection, for who logs it. */
export interface Guest {
  /** The id of its user, once a token of his was good. */
  user: string | null;
  /** How many sessions it has bound. */
  sessions: number;
}

const goodbye = (message: ServerMessage, code: number, text: string): Observable<ServerMessage> =>
  concat(
    of(message),
    throwError(() => hangUp(code, text)),
  );

/** Each client is told another moment, so that they do not come back all at once. */
const restarting = ({ limits, clock }: ConnectionPorts): Observable<ServerMessage> => {
  const text = 'the server is going away';
  const after = limits.restartMs + Math.floor(clock.random() * limits.restartSpreadMs);
  return goodbye(wireError(null, 'restarting', text, { after }), closeCodes.restarting, text);
};

/** What a connection as a whole fails of. */
const ending = (thrown: unknown): Observable<ServerMessage> => {
  if (!(thrown instanceof AccessRefusedError)) return throwError(() => thrown);
  const retry = thrown.code === 'token-expired' ? 'later' : 'never';
  return goodbye(wireError(null, thrown.code, thrown.message, retry), closeCodes.normal, thrown.code);
};

/** Everything that is said, one message after the other, also when an answer is answered on the spot. */
const inTurn = (said: Observable<ClientMessage>, ended: Subject<void>): Observable<ClientMessage> =>
  said.pipe(observeOn(queueScheduler), tap({ complete: () => ended.next() }));

/** Hangs up on who binds nothing in time. */
const unboundIn = ({ limits, clock }: ConnectionPorts, bound: Observable<void>): Observable<never> =>
  timer(limits.bindMsMax, clock.scheduler).pipe(
    mergeMap(() => throwError(() => hangUp(closeCodes.notBound, `nothing was bound within ${limits.bindMsMax} ms`))),
    takeUntil(bound),
  );

/** Takes a fresh token, or ends with what is wrong with it. */
const renewing = ({ renew }: Identity, token: string, { tell }: ConnectionPorts): Observable<never> =>
  renew(token).pipe(
    catchError((thrown: unknown) => {
      if (thrown instanceof AccessRefusedError) return throwError(() => thrown);
      tell({ level: 'error', event: 'failed', realm: null, error: thrown });
      return EMPTY; // Nobody has said no: the next bind asks again.
    }),
  );

/**
 * The wire of a whole server, each subscription a connection. Routes what is said to its sessions by their number. A
 * session that fails ends alone, with an `error`; a client that breaks the protocol, is refused, binds nothing in time or too much
 * at once, or whose token ends, is hung up on: the wire errors with a `LineError`. Completes or errors when what is said does;
 * everything it made goes with it.
 */
export const connection =
  (ports: ConnectionPorts) =>
  (guest: Guest): Wire<ClientMessage, ServerMessage> =>
  (said) =>
    defer(() => {
      const { authenticate, closing$, clock, limits, tally } = ports;
      const identity = createIdentity(authenticate, clock);
      const lanes = createLanes(ports);
      const counts = tallied(tally);
      const mayBind = createRate(limits.bindsPerSecondMax, clock.now);
      const bound = new Subject<void>();
      const ended = new Subject<void>();

      const binding = (message: Bind): Observable<ServerMessage> => {
        if (!mayBind()) throw hangUp(closeCodes.tooMuch, `more than ${limits.bindsPerSecondMax} binds a second`);
        const user$ = identity.user(message.token).pipe(tap(({ id }) => (guest.user = id)));
        const told = ({ type }: ServerMessage): void => {
          if (type !== 'bound') return;
          guest.sessions += 1;
          bound.next();
        };
        return lanes.begin(message, user$).pipe(tap(told));
      };
      const hear = (message: ClientMessage): Observable<ServerMessage> => {
        counts.heard(message);
        switch (message.type) {
          case 'ping':
            return of({ type: 'pong', sentAt: message.sentAt });
          case 'token':
            return renewing(identity, message.token, ports);
          case 'bind':
            return binding(message);
          default:
            lanes.route(message);
            return EMPTY;
        }
      };

      const restarting$ = closing$.pipe(mergeMap(() => restarting(ports)));
      const asides$ = merge(unboundIn(ports, bound), identity.expiring$).pipe(ignoreElements());
      return merge(restarting$, asides$, inTurn(said, ended).pipe(mergeMap(hear))).pipe(
        catchError(ending),
        tap(counts.said),
        takeUntil(ended),
        finalize(counts.ended),
      );
    });
