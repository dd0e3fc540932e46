import { defer, from, isObservable, map, of, take, throwIfEmpty, type Observable } from 'rxjs';
import { limits } from '../../model/limits.js';
import { describeValue } from '../../model/errors.js';

/** Who somebody is. The id is what replicas are tied to. */
export interface User {
  readonly id: string;
  /**
   * When the token ends that said so, milliseconds since the epoch: then so does the connection, unless a fresh one was
   * said before. Never, unless given.
   */
  readonly expiresAt?: number;
  /** What else the token says, for `authorize` and `permit`. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** What a user may do with a realm. */
export type Access = 'none' | 'read' | 'write';

/** A value now, or a promise or stream of one; of a stream the first is taken. */
export type MaybeAsync<A> = A | PromiseLike<A> | Observable<A>;

/** Says whose a token is. Throws or errors with an `AccessRefusedError` to refuse it. */
export type Authenticate = (token: string) => MaybeAsync<User>;

/** Says what a user may do with a realm. A realm is made by the first bind of somebody who may write to it. */
export type Authorize = (user: User, realm: string) => MaybeAsync<Access>;

/**
 * For `authenticate`: lets everybody in, as one user. Without it or one of your own, a server listens on this machine
 * only.
 */
export const allowAnyone: Authenticate = () => ({ id: 'anyone' });

const isAsync = <A>(answer: MaybeAsync<A>): answer is PromiseLike<A> | Observable<A> =>
  isObservable(answer) || typeof (answer as { then?: unknown } | null)?.then === 'function';

/** Asks, and emits the one answer, as it is checked; errors with what was thrown. Synchronous when the answer is. */
export const askOnce = <A, B = A>(ask: () => MaybeAsync<A>, checked: (answer: A) => B): Observable<B> =>
  defer(() => {
    const answer = ask();
    if (!isAsync(answer)) return of(checked(answer));
    return from(answer).pipe(
      take(1),
      throwIfEmpty(() => new Error('completed without an answer')),
      map(checked),
    );
  });

const isUser = (user: unknown): user is User => {
  const { id, expiresAt = 0 } = (user ?? {}) as { readonly id?: unknown; readonly expiresAt?: unknown };
  const isId = typeof id === 'string' && id.length > 0 && id.length <= limits.idCharsMax;
  return isId && typeof expiresAt === 'number' && !Number.isNaN(expiresAt);
};

const isAccess = (right: unknown): right is Access => right === 'none' || right === 'read' || right === 'write';

/** Emits whose a token is, once. */
export const userOf = (authenticate: Authenticate, token: string): Observable<User> =>
  askOnce(
    () => authenticate(token),
    (user: unknown) => {
      if (isUser(user)) return user;
      throw new TypeError(
        `authenticate must return { id, expiresAt? }, the id of 1 to ${limits.idCharsMax} characters, received ${describeValue(user)}`,
      );
    },
  );

/** Emits what a user may do with a realm, once. */
export const accessOf = (authorize: Authorize, user: User, realm: string): Observable<Access> =>
  askOnce(
    () => authorize(user, realm),
    (right: unknown) => {
      if (isAccess(right)) return right;
      throw new TypeError(`authorize must return "none", "read" or "write", received ${describeValue(right)}`);
    },
  );
