import {
  BehaviorSubject,
  defer,
  ignoreElements,
  map,
  NEVER,
  of,
  ReplaySubject,
  share,
  switchMap,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import { anyone, userOf, type Authenticate, type User } from './access.js';
import { AccessRefusedError } from './failure.js';

/** Whose a connection is. */
export interface Identity {
  /** The user of a token, or of the last one said when it is `null`: each token is asked about once. Errors with an `AccessRefusedError`. */
  readonly user: (token: string | null) => Observable<User>;
  /** Asks about a fresh token. Completes when it is good. */
  readonly renew: (token: string) => Observable<never>;
  /** Errors with an `AccessRefusedError` when the last good token ends and no fresh one was said before. Never emits. */
  readonly expiring$: Observable<never>;
}

/** Emits when it is so late, whatever was done to the clock meanwhile. */
const until = (time: number, clock: Clock): Observable<unknown> =>
  defer(() => {
    const left = time - clock.now();
    if (left <= 0) return of(time);
    return timer(Math.min(left, limits.timerMsMax), clock.scheduler).pipe(switchMap(() => until(time, clock)));
  });

/** A connection belongs to one user for good: its sessions were let in under that name. */
export const createIdentity = (authenticate: Authenticate, clock: Clock): Identity => {
  let last: string | null = null;
  let owner: User | null = null;
  let user$: Observable<User> | null = null;
  const ends = new BehaviorSubject(Infinity);

  const asking = (token: string): Observable<User> =>
    userOf(authenticate, token).pipe(
      tap((user) => {
        if (owner !== null && owner.id !== user.id)
          throw new AccessRefusedError('user-refused', 'this connection belongs to another user');
        owner = user;
        ends.next(user.expiresAt ?? Infinity);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnComplete: false,
        resetOnError: true,
        resetOnRefCountZero: true,
      }),
    );

  const user = (token: string | null): Observable<User> =>
    defer(() => {
      if (user$ !== null && (token === null || token === last)) return user$;
      if (token === null && authenticate !== anyone)
        throw new AccessRefusedError('token-refused', 'nobody has said a token on this connection');
      last = token;
      user$ = asking(token ?? '');
      return user$;
    });

  const expiring$ = ends.pipe(
    switchMap((end) => (end === Infinity ? NEVER : until(end, clock))),
    map((): never => {
      throw new AccessRefusedError('token-expired', 'the token of this connection has expired');
    }),
  );
  return { user, renew: (token) => user(token).pipe(ignoreElements()), expiring$ };
};
