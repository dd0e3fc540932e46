import { defer, ignoreElements, of, ReplaySubject, share, tap, type Observable, type Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import { allowAnyone, userOf, type Authenticate, type User } from '../auth/access.js';
import { TokenRejectedError } from '../server-errors.js';

/** Authenticates one connection. */
export interface ConnectionAuth {
  /**
   * Emits the user of a token, or of the connection's last token for `null`. Each token is checked once. Errors with an
   * `TokenRejectedError`.
   */
  readonly resolveUser: (token: string | null) => Observable<User>;
  /** Checks a fresh token. Completes when the token is valid. */
  readonly renew: (token: string) => Observable<never>;
  /** Stops the timer of the token. */
  readonly close: () => void;
}

export interface ConnectionAuthPorts {
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  /** Called when the last valid token has expired before the client sent a fresh one. */
  readonly expired: (error: TokenRejectedError) => void;
}

/** Calls `ring` at a time of the wall clock, even if the clock is changed meanwhile. */
const createAlarm = (clock: Clock, ring: () => void) => {
  let waiting: Subscription | null = null;
  const wait = (time: number): void => {
    waiting = null;
    const left = time - clock.now();
    if (left <= 0) ring();
    else waiting = clock.scheduler.schedule(() => wait(time), Math.min(left, limits.timerMsMax));
  };
  const stop = (): void => {
    waiting?.unsubscribe();
    waiting = null;
  };
  return {
    stop,
    at: (time: number): void => {
      stop();
      if (time !== Infinity) wait(time);
    },
  };
};

/**
 * Creates the authentication of a connection. A connection belongs to one user until it ends, because its sessions were
 * admitted for that user.
 */
export const createConnectionAuth = ({ authenticate, clock, expired }: ConnectionAuthPorts): ConnectionAuth => {
  let last: string | null = null;
  let owner: User | null = null;
  let user$: Observable<User> | null = null;
  let checks = 0;
  let latestValid = 0; // Number of the latest valid token: the answer about an earlier token may arrive later.
  const expiry = createAlarm(clock, () =>
    expired(new TokenRejectedError('token-expired', 'The token of this connection has expired.')),
  );

  /** Shares one check between all waiting subscribers. Later subscribers get the user; nothing else is kept. */
  const checkToken = (token: string): Observable<User> => {
    const number = (checks += 1);
    const check$ = userOf(authenticate, token).pipe(
      tap((user) => {
        if (owner !== null && owner.id !== user.id)
          throw new TokenRejectedError('user-refused', 'The connection belongs to another user.');
        owner = user;
        if (user$ === check$) user$ = of(user);
        if (number < latestValid) return;
        latestValid = number;
        expiry.at(user.expiresAt ?? Infinity);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnComplete: false,
        resetOnError: true,
        resetOnRefCountZero: true,
      }),
    );
    return check$;
  };

  const resolveUser = (token: string | null): Observable<User> =>
    defer(() => {
      if (user$ !== null && (token === null || token === last)) return user$;
      if (token === null && authenticate !== allowAnyone)
        throw new TokenRejectedError('token-refused', 'No token was sent on this connection.');
      last = token;
      user$ = checkToken(token ?? '');
      return user$;
    });

  return { resolveUser, renew: (token) => resolveUser(token).pipe(ignoreElements()), close: expiry.stop };
};
