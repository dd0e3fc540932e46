import { defer, from, isObservable, map, of, take, throwIfEmpty, type Observable } from 'rxjs';
import { limits } from '../../model/limits.js';
import { describeValue } from '../../model/errors.js';

/**
 * An authenticated user.
 *
 * @example
 * ```ts
 * const user: User = { id: 'ann', expiresAt: Date.now() + 3_600_000, claims: { team: 42 } };
 * ```
 */
export interface User {
  /** The id of the user: 1 to 256 characters, the same for all devices of the user. */
  readonly id: string;
  /**
   * When the token expires, in milliseconds since the epoch. Then the server ends the connection, unless the client has
   * sent a fresh token.
   *
   * @defaultValue the token does not expire
   */
  readonly expiresAt?: number;
  /** Other claims of the token, for `authorize` and `permit`. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/**
 * The access of a user to a realm. `none`: the user cannot open the realm. `read`: the user downloads changes, and the
 * server rejects writes. `write`: the user reads and writes.
 */
export type Access = 'none' | 'read' | 'write';

/**
 * A value, or a promise or stream of a value. The server uses the first value of a stream and then unsubscribes.
 */
export type MaybeAsync<A> = A | PromiseLike<A> | Observable<A>;

/**
 * Returns the user of a token.
 *
 * @param token - The token as the client sent it.
 * @returns The user.
 * @throws TokenRejectedError to reject the token. After any other error the client tries again later.
 *
 * @example
 * ```ts
 * const authenticate: Authenticate = async (token) => ({ id: await userIdOf(token) });
 * ```
 */
export type Authenticate = (token: string) => MaybeAsync<User>;

/**
 * Returns the access of a user to a realm. The first bind of a user with `'write'` access creates the realm.
 *
 * @param user - The user that `authenticate` returned.
 * @param realm - The name of the realm.
 * @returns `none`, `read` or `write`.
 * @throws Any error means that the client tries again later. The server logs the error.
 *
 * @example
 * ```ts
 * const authorize: Authorize = (user, realm) => (realm === 'news' ? 'read' : 'none');
 * ```
 */
export type Authorize = (user: User, realm: string) => MaybeAsync<Access>;

/**
 * For the option `authenticate`: accepts every client without a token, as one user. Unlike a server without
 * `authenticate`, a server with `allowAnyone` may listen on all addresses.
 *
 * @returns The user `anyone`.
 *
 * @example
 * ```ts
 * const server = createSyncServer({ storage: './data', authenticate: allowAnyone });
 * ```
 */
export const allowAnyone: Authenticate = () => ({ id: 'anyone' });

const isAsync = <A>(answer: MaybeAsync<A>): answer is PromiseLike<A> | Observable<A> =>
  isObservable(answer) || typeof (answer as { then?: unknown } | null)?.then === 'function';

/** Calls a function of the app and emits its answers: those of a stream, or one. Errors without an answer. */
export const askFor = <A>(ask: () => MaybeAsync<A>): Observable<A> =>
  defer(() => {
    const answer = ask();
    return isAsync(answer) ? from(answer) : of(answer);
  }).pipe(throwIfEmpty(() => new Error('It completed without a value. It must emit one.')));

/**
 * Calls a function of the app and emits its checked answer once. Errors with what the function throws. Synchronous if
 * the answer is.
 */
export const askOnce = <A, B = A>(ask: () => MaybeAsync<A>, checked: (answer: A) => B): Observable<B> =>
  defer(() => {
    const answer = ask();
    if (!isAsync(answer)) return of(checked(answer));
    return from(answer).pipe(
      take(1),
      throwIfEmpty(() => new Error('It completed without a value. It must emit one.')),
      map(checked),
    );
  });

const isUser = (user: unknown): user is User => {
  const { id, expiresAt = 0 } = (user ?? {}) as { readonly id?: unknown; readonly expiresAt?: unknown };
  const isId = typeof id === 'string' && id.length > 0 && id.length <= limits.idCharsMax;
  return isId && typeof expiresAt === 'number' && !Number.isNaN(expiresAt);
};

const isAccess = (access: unknown): access is Access => access === 'none' || access === 'read' || access === 'write';

/** Emits the user of a token once. */
export const userOf = (authenticate: Authenticate, token: string): Observable<User> =>
  askOnce(
    () => authenticate(token),
    (user: unknown) => {
      if (isUser(user)) return user;
      throw new TypeError(
        `authenticate must return { id, expiresAt? } with an id of 1 to ${limits.idCharsMax} characters, received ${describeValue(user)}.`,
      );
    },
  );

/** Emits the access of a user to a realm once. */
export const accessOf = (authorize: Authorize, user: User, realm: string): Observable<Access> =>
  askOnce(
    () => authorize(user, realm),
    (access: unknown) => {
      if (isAccess(access)) return access;
      throw new TypeError(`authorize must return "none", "read" or "write", received ${describeValue(access)}.`);
    },
  );
