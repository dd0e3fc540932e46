import { catchError, defer, EMPTY, from, last, map, mergeMap, type Observable, of, tap } from 'rxjs';
import type { Clock } from '../../clock.js';
import { type Authenticate, type Authorize, accessOf, type User, userOf } from '../auth/access.js';
import { createFailedEvent, type ServerLog } from '../http/server-events.js';
import { TokenRejectedError } from '../server-errors.js';
import { serverLimits } from '../server-limits.js';
import { digestOf } from './user-hash.js';

/** The user of a token who looks at the inspector. */
export interface Visitor {
  readonly user: User;
  /** Emits those of some realms that the user may read, once. Leaves out a realm whose access is not known. */
  readonly readableOf: (realms: readonly string[]) => Observable<ReadonlySet<string>>;
}

export interface VisitorPorts {
  readonly authenticate: Authenticate;
  readonly authorize: Authorize;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: ServerLog;
}

const createVisitor = (user: User, { authorize, log }: VisitorPorts): Visitor => {
  const known = new Map<string, boolean>();
  const ask = (realm: string): Observable<unknown> =>
    accessOf(authorize, user, realm).pipe(
      tap((access) => known.set(realm, access !== 'none')),
      catchError((thrown: unknown) => {
        log(createFailedEvent(realm, thrown));
        return EMPTY;
      }),
    );
  return {
    user,
    readableOf: (realms) =>
      defer(() => from(realms.filter((realm) => !known.has(realm)))).pipe(
        mergeMap(ask, serverLimits.inspectorAccessAtOnceMax),
        last(null, null),
        map(() => new Set(realms.filter((realm) => known.get(realm) === true))),
      ),
  };
};

/**
 * Creates a function that emits the visitor of a token once. It checks a token, and the access of its user, again after
 * `inspectorAccessMs`. Errors with a `TokenRejectedError`, and with what `authenticate` throws.
 */
export const createVisitors = (ports: VisitorPorts): ((token: string) => Observable<Visitor>) => {
  const { authenticate, clock } = ports;
  /** By the digests of tokens: no token is kept. */
  const known = new Map<string, { readonly visitor: Visitor; readonly until: number }>();

  const add = (digest: string, visitor: Visitor): void => {
    for (const [each, { until }] of known) if (until <= clock.now()) known.delete(each);
    const [first] = known.keys();
    if (first !== undefined && known.size >= serverLimits.inspectorTokensMax) known.delete(first);
    known.set(digest, { visitor, until: clock.now() + serverLimits.inspectorAccessMs });
  };
  return (token) =>
    defer(() => {
      const digest = digestOf(token);
      const present = known.get(digest);
      if (present !== undefined && present.until > clock.now()) return of(present.visitor);
      known.delete(digest);
      return userOf(authenticate, token).pipe(
        map((user) => createVisitor(user, ports)),
        tap((visitor) => add(digest, visitor)),
      );
    }).pipe(
      tap(({ user: { expiresAt = Infinity } }) => {
        if (expiresAt <= clock.now()) throw new TokenRejectedError('token-expired', 'The token has expired.');
      }),
    );
};
