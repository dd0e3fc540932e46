import {
  catchError,
  concat,
  defer,
  EMPTY,
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
import { closeCodes, type ClientMessage, type ServerMessage } from '../protocol/messages.js';
import { hangUp, type Wire } from '../transport/wire.js';
import type { Authenticate } from './access.js';
import { AccessRefusedError } from './failure.js';
import { createIdentity } from './identity.js';
import { createLanes, wireError } from './lanes.js';
import type { SessionPorts } from './session.js';

export interface ConnectionPorts extends SessionPorts {
  readonly authenticate: Authenticate;
  /** Emits when the server goes away, also to those who come later. Never completes before. */
  readonly closing$: Observable<unknown>;
}

/** Milliseconds after which clients of a server that goes away call again: about what a restart takes. */
const restartMs = 1_000;

const goodbye = (message: ServerMessage, code: number, text: string): Observable<ServerMessage> =>
  concat(
    of(message),
    throwError(() => hangUp(code, text)),
  );

const restarting = (): Observable<ServerMessage> => {
  const text = 'the server is going away';
  return goodbye(wireError(null, 'restarting', text, { after: restartMs }), closeCodes.restarting, text);
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

/**
 * The wire of a whole server, each subscription a connection. Routes what is said to its sessions by their number. A
 * session that fails ends alone, with an `error`; a client that breaks the protocol, is refused, or binds nothing in time
 * is hung up on: the wire errors with a `LineError`. Completes or errors when what is said does; everything it
 * made goes with it.
 */
export const connection =
  (ports: ConnectionPorts): Wire<ClientMessage, ServerMessage> =>
  (said) =>
    defer(() => {
      const { authenticate, closing$, clock, limits, tell } = ports;
      const identity = createIdentity(authenticate);
      const lanes = createLanes(ports);
      const bound = new Subject<void>();
      const ended = new Subject<void>();

      const renewed = (token: string): Observable<never> =>
        identity.renew(token).pipe(
          catchError((thrown: unknown) => {
            if (thrown instanceof AccessRefusedError) return throwError(() => thrown);
            tell({ level: 'error', event: 'failed', realm: null, error: thrown });
            return EMPTY; // Nobody has said no: the next bind asks again.
          }),
        );

      const hear = (message: ClientMessage): Observable<ServerMessage> => {
        switch (message.type) {
          case 'ping':
            return of({ type: 'pong', sentAt: message.sentAt });
          case 'token':
            return renewed(message.token);
          case 'bind':
            return lanes
              .begin(message, identity.user(message.token))
              .pipe(tap(({ type }) => type === 'bound' && bound.next()));
          default:
            lanes.route(message);
            return EMPTY;
        }
      };

      const unbound$ = timer(limits.bindMsMax, clock.scheduler).pipe(
        mergeMap(() =>
          throwError(() => hangUp(closeCodes.notBound, `nothing was bound within ${limits.bindMsMax} ms`)),
        ),
        takeUntil(bound),
      );
      return merge(closing$.pipe(mergeMap(restarting)), unbound$, inTurn(said, ended).pipe(mergeMap(hear))).pipe(
        catchError(ending),
        takeUntil(ended),
      );
    });
