import {
  type BehaviorSubject,
  catchError,
  combineLatest,
  defer,
  finalize,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  ReplaySubject,
  retry,
  share,
  take,
  takeLast,
  takeWhile,
  tap,
  throwError,
  throwIfEmpty,
  timeout,
  timer,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { describeValue, messageOf, SyncError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { claimsOf } from './token-claims.js';
import type { SyncTimeouts } from '../connection/timeouts.js';

/** Asks the app for an access token. The first value that differs from the expired token is taken. */
export type TokenSource = () => Observable<string | null>;

/** Number of failed token requests in a row, and the time of the next one. `retryAt` is `null` during a request. */
export interface TokenRequestState {
  readonly attempt: number;
  /** Milliseconds since the epoch. */
  readonly retryAt: number | null;
}

export interface TokensPorts {
  readonly timeouts: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost' | 'token'>;
  readonly clock: Clock;
  /**
   * Reconnect triggers: each one ends a wait, and repeats a request that the app has not answered. Events, not a state.
   */
  readonly reconnect$?: Observable<unknown>;
  /** Is called once per outage: the app gives no token although the user is not rejected, and is asked again. */
  readonly onTrouble?: (error: SyncError) => void;
}

/**
 * Emits the tokens of one request to the app, shared by the sessions that wait for a token and by the connection.
 *
 * One request, independent of the number of subscribers. A stream that has completed is not requested again.
 */
export const answersOf = (accessToken: TokenSource): Observable<string> =>
  defer(accessToken).pipe(
    map(checkToken),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: false,
      resetOnRefCountZero: true,
    }),
  );

/**
 * Asks the app once for a token.
 *
 * Errors with a `SyncError` when the user is rejected, and with the original error when only the request failed.
 */
export const answerOf = (token$: Observable<string>, rejected: string | null): Observable<string> =>
  token$.pipe(
    takeWhile((token) => token === rejected, true), // A stream that replays the old token first may emit another one.
    takeLast(1), // A stream without another token completes.
    throwIfEmpty(() => createInvalidTokenError('accessToken completed without a new token.')),
    catchError((thrown: unknown) => {
      throw isInvalidToken(thrown) ? toInvalidTokenError(thrown) : thrown;
    }),
  );

/** Signal to repeat a request, because of a reconnect trigger. */
const askAgainSignal = new Error();

/**
 * Gives up a request that is not answered in time, and repeats it after a reconnect trigger, unless it has only just
 * begun.
 */
export const limitRequest = (
  request$: Observable<string>,
  { timeouts: { token: ms }, clock: { scheduler }, reconnect$ = NEVER }: TokensPorts,
): Observable<string> =>
  merge(
    request$.pipe(
      timeout({
        first: ms,
        scheduler,
        with: () => throwError(() => new Error(`accessToken gave no new token within ${ms} ms.`)),
      }),
    ),
    combineLatest([timer(limits.tokenGraceMs, scheduler), reconnect$]).pipe(
      map((): never => {
        throw askAgainSignal;
      }),
    ),
  ).pipe(
    take(1),
    retry({ delay: (thrown) => (thrown === askAgainSignal ? of(0) : throwError(() => thrown as unknown)) }),
  );

/**
 * Repeats a failed request after growing delays, or at once after a reconnect trigger. An invalid token is not
 * requested again.
 */
export const retryRequest =
  ({ timeouts, clock, reconnect$ = NEVER }: TokensPorts, requestState: BehaviorSubject<TokenRequestState>) =>
  (request$: Observable<string>): Observable<string> =>
    defer(() => {
      let attempt = 0;
      return request$.pipe(
        retry({
          delay: (thrown: unknown) => {
            if (thrown instanceof SyncError) return throwError(() => thrown);
            const ms = Math.min(timeouts.backoffMost, timeouts.backoffFirst * 2 ** attempt);
            attempt += 1;
            requestState.next({ attempt, retryAt: Math.ceil(clock.now() + ms) });
            return merge(timer(ms, clock.scheduler), reconnect$.pipe(tap(() => (attempt = 0)))).pipe(
              take(1),
              tap(() => requestState.next({ attempt, retryAt: null })),
            );
          },
          resetOnSuccess: false,
        }),
        finalize(() => requestState.next(noTokenRequest)),
      );
    });

export const noTokenRequest: TokenRequestState = { attempt: 0, retryAt: null };

/** Returns the text of an error of the app, without its full stop and not longer than a line. */
export const reasonOf = (thrown: unknown): string => messageOf(thrown).slice(0, 200).replace(/\.$/, '');

const createInvalidTokenError = (text: string): SyncError => new SyncError('token-refused', text);

const toInvalidTokenError = (thrown: unknown): SyncError =>
  thrown instanceof SyncError
    ? (thrown as SyncError)
    : new SyncError('token-refused', `The request for an access token was rejected (${reasonOf(thrown)}).`, {
        cause: thrown,
      });

const isInvalidToken = (thrown: unknown): boolean =>
  thrown instanceof SyncError ||
  (typeof thrown === 'object' &&
    thrown !== null &&
    'status' in thrown &&
    (thrown.status === 401 || thrown.status === 403));

/** Checks a token of the app. An error never shows its text. */
const checkToken = (token: unknown): string => {
  if (token === null) throw createInvalidTokenError('accessToken gave null: no user is logged in.');
  if (typeof token !== 'string')
    throw createInvalidTokenError(`accessToken must give a string, received ${describeValue(token)}.`);
  if (token.length > 0 && token.length <= limits.tokenCharsMax) return token;
  throw createInvalidTokenError(
    `accessToken must give 1 to ${limits.tokenCharsMax} characters, received ${token.length}.`,
  );
};

/** Whether a JSON Web Token (RFC 7519) says that it has expired. `false` for any other token. */
export const looksExpired = (token: string, now: number): boolean => {
  const { exp } = claimsOf(token);
  return typeof exp === 'number' && exp * 1000 <= now;
};
