import { defer, ignoreElements, of, ReplaySubject, share, tap, type Observable, type Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import { allowAnyone, userOf, type Authenticate, type User } from '../auth/access.js';
import { AccessRefusedError } from '../server-errors.js';

/** Whose a connection is. */
export interface ConnectionAuth {
  /**
   * The user of a token, or of the last one said when it is `null`: each token is asked about once. Errors with an
   * `AccessRefusedError`.
   */
  readonly resolveUser: (token: string | null) => Observable<User>;
  /** Asks about a fresh token. Completes when it is good. */
  readonly renew: (token: string) => Observable<never>;
  /** The time of no token is watched any more. */
  readonly close: () => void;
}

export interface ConnectionAuthPorts {
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  /** Called when the last good token has ended, and no fresh one was said before. */
  readonly expired: (error: AccessRefusedError) => void;
}

/** Calls when it is so late, whatever was done to the clock meanwhile. */
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

/** A connection belongs to one user for good: its sessions were let in under that name. */
export const createConnectionAuth = ({ authenticate, clock, expired }: ConnectionAuthPorts): ConnectionAuth => {
  let last: string | null = null;
  let owner: User | null = null;
  let user$: Observable<User> | null = null;
  let asked = 0;
  let answered = 0; // The latest token that was good, by its number: an answer about an earlier one may come later.
  const ends = createAlarm(clock, () =>
    expired(new AccessRefusedError('token-expired', 'the token of this connection has expired')),
  );

  /** One question for all who wait; later they get what it came to, and nothing of it is kept. */
  const asking = (token: string): Observable<User> => {
    const number = (asked += 1);
    const asked$ = userOf(authenticate, token).pipe(
      tap((user) => {
        if (owner !== null && owner.id !== user.id)
          throw new AccessRefusedError('user-refused', 'this connection belongs to another user');
        owner = user;
        if (user$ === asked$) user$ = of(user);
        if (number < answered) return;
        answered = number;
        ends.at(user.expiresAt ?? Infinity);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnComplete: false,
        resetOnError: true,
        resetOnRefCountZero: true,
      }),
    );
    return asked$;
  };

  const user = (token: string | null): Observable<User> =>
    defer(() => {
      if (user$ !== null && (token === null || token === last)) return user$;
      if (token === null && authenticate !== allowAnyone)
        throw new AccessRefusedError('token-refused', 'nobody has said a token on this connection');
      last = token;
      user$ = asking(token ?? '');
      return user$;
    });

  return { resolveUser: user, renew: (token) => user(token).pipe(ignoreElements()), close: ends.stop };
};
