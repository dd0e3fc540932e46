import { defer, ignoreElements, ReplaySubject, share, tap, type Observable } from 'rxjs';
import { anyone, userOf, type Authenticate, type User } from './access.js';
import { AccessRefusedError } from './failure.js';

/** Whose a connection is. */
export interface Identity {
  /** The user of a token, or of the last one said when it is `null`: each token is asked about once. Errors with an `AccessRefusedError`. */
  readonly user: (token: string | null) => Observable<User>;
  /** Asks about a fresh token. Completes when it is good. */
  readonly renew: (token: string) => Observable<never>;
}

/** A connection belongs to one user for good: its sessions were let in under that name. */
export const createIdentity = (authenticate: Authenticate): Identity => {
  let last: string | null = null;
  let owner: User | null = null;
  let user$: Observable<User> | null = null;

  const asking = (token: string): Observable<User> =>
    userOf(authenticate, token).pipe(
      tap((user) => {
        if (owner !== null && owner.id !== user.id)
          throw new AccessRefusedError('user-refused', 'this connection belongs to another user');
        owner = user;
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

  return { user, renew: (token) => user(token).pipe(ignoreElements()) };
};
