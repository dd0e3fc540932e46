import { catchError, endWith, finalize, of, Subject, throwError, type Observable } from 'rxjs';
import { limits } from '../model/limits.js';
import type { Bind, ServerMessage, WireError } from '../protocol/messages.js';
import { LineError } from '../transport/wire.js';
import type { User } from './access.js';
import { AccessRefusedError, SessionFailure, violation } from './failure.js';
import { session, type SessionMessage, type SessionPorts } from './session.js';

/** The sessions of one connection, by their numbers. */
export interface Lanes {
  /**
   * Opens a session: what the server says in it, down to the `unbound` or `error` that ends it. Then its number is free
   * again. Errors only with what has to end the whole connection.
   */
  readonly begin: (bind: Bind, user$: Observable<User>) => Observable<ServerMessage>;
  /** Gives a message to its session. What was on its way when that ended is nobody's fault; throws for one that never was. */
  readonly route: (message: SessionMessage) => void;
}

export const wireError = (
  session: number | null,
  code: string,
  text: string,
  retry: WireError['retry'],
): WireError => ({
  type: 'error',
  session,
  code,
  text: text.slice(0, limits.errorTextCharsMax),
  retry,
});

const isId = (id: string): boolean => id.length <= limits.idCharsMax && /^[!-~]+$/.test(id);

/** How a session ends that has failed: alone, if it can. */
const lastWord = ({ tell }: SessionPorts, { session: number, realm }: Bind, thrown: unknown): Observable<WireError> => {
  if (thrown instanceof SessionFailure) return of(wireError(number, thrown.code, thrown.message, thrown.retry));
  if (thrown instanceof LineError || thrown instanceof AccessRefusedError) return throwError(() => thrown);
  tell({ level: 'error', event: 'failed', realm, error: thrown });
  return of(wireError(number, 'internal', 'the server failed; what it did not accept is not in the history', 'later'));
};

export const createLanes = (ports: SessionPorts): Lanes => {
  const lanes = new Map<number, Subject<SessionMessage>>();
  let highest = -1;

  return {
    begin: (bind, user$) => {
      const { session: number } = bind;
      if (lanes.has(number)) throw violation(`bind: session ${number} is bound already`);
      if (!isId(bind.replica))
        throw violation(`bind: a replica's id is 1 to ${limits.idCharsMax} printable characters`);
      highest = Math.max(highest, number);
      if (lanes.size >= ports.limits.sessionsPerConnectionMax) {
        return of(
          wireError(number, 'too-many-sessions', `this connection has ${lanes.size} sessions already`, 'later'),
        );
      }
      const said$ = new Subject<SessionMessage>();
      lanes.set(number, said$);
      return session(ports, { bind, user$, said$ }).pipe(
        finalize(() => lanes.delete(number)),
        endWith<ServerMessage>({ type: 'unbound', session: number }),
        catchError((thrown: unknown) => lastWord(ports, bind, thrown)),
      );
    },
    route: (message) => {
      const lane = lanes.get(message.session);
      if (lane === undefined && message.session > highest)
        throw violation(`${message.type}: session ${message.session} was never bound`);
      lane?.next(message);
    },
  };
};
