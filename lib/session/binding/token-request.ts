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
import { describeValue, SyncError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { claimsOf } from './token-claims.js';
import type { SyncTimeouts } from '../connection/timeouts.js';

/** Asks the app for a token: the first one that is not the expired one is taken. */
export type TokenSource = () => Observable<string | null>;

/**
 * How often the app has failed to give a token, and when it is asked again; `retryAt` is `null` while it is being
 * asked.
 */
export interface TokenRequestState {
  readonly attempt: number;
  /** Milliseconds since the epoch. */
  readonly retryAt: number | null;
}

export interface TokensPorts {
  readonly timeouts: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost' | 'token'>;
  readonly clock: Clock;
  /** "Try now": ends a wait, and the patience with an app that does not answer. An event, not a state. */
  readonly reconnect$?: Observable<unknown>;
  /** Hears once of a trouble: that there is no token although nobody refused the user, and that it is tried again. */
  readonly onTrouble?: (error: SyncError) => void;
}

/**
 * What the app gives when it is asked, held by whoever waits for a token and by the line: one request, however many
 * listen. What has completed is not asked again.
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
 * Asks the app once; errors with a `SyncError` when the user is refused, and with whatever came when only the question
 * failed.
 */
export const answerOf = (token$: Observable<string>, rejected: string | null): Observable<string> =>
  token$.pipe(
    takeWhile((token) => token === rejected, true), // A stream that replays the old token first is waited for …
    takeLast(1), // … and one that has no other says so by completing.
    throwIfEmpty(() => createInvalidTokenError('accessToken completed without a token')),
    catchError((thrown: unknown) => {
      throw isInvalidToken(thrown) ? toInvalidTokenError(thrown) : thrown;
    }),
  );

/** A question that is asked afresh, because somebody said "try now". */
const askAgainSignal = new Error();

/**
 * Gives a question up that is not answered in time, and asks it afresh when somebody says so, though not right after it
 * was asked.
 */
export const limitRequest = (
  question$: Observable<string>,
  { timeouts: { token: ms }, clock: { scheduler }, reconnect$ = NEVER }: TokensPorts,
): Observable<string> =>
  merge(
    question$.pipe(
      timeout({
        first: ms,
        scheduler,
        with: () => throwError(() => new Error(`accessToken gave no new token within ${ms} ms`)),
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

/** A question that failed is asked again, later and later, and at once when somebody says so; a refusal is not. */
export const retryRequest =
  ({ timeouts, clock, reconnect$ = NEVER }: TokensPorts, asking: BehaviorSubject<TokenRequestState>) =>
  (question$: Observable<string>): Observable<string> =>
    defer(() => {
      let attempt = 0;
      return question$.pipe(
        retry({
          delay: (thrown: unknown) => {
            if (thrown instanceof SyncError) return throwError(() => thrown);
            const ms = Math.min(timeouts.backoffMost, timeouts.backoffFirst * 2 ** attempt);
            attempt += 1;
            asking.next({ attempt, retryAt: Math.ceil(clock.now() + ms) });
            return merge(timer(ms, clock.scheduler), reconnect$.pipe(tap(() => (attempt = 0)))).pipe(
              take(1),
              tap(() => asking.next({ attempt, retryAt: null })),
            );
          },
          resetOnSuccess: false,
        }),
        finalize(() => asking.next(noTokenRequest)),
      );
    });

export const noTokenRequest: TokenRequestState = { attempt: 0, retryAt: null };

const createInvalidTokenError = (text: string): SyncError => new SyncError('token-refused', text);

const toInvalidTokenError = (thrown: unknown): SyncError =>
  thrown instanceof SyncError
    ? (thrown as SyncError)
    : new SyncError('token-refused', 'The access token was refused to the app.', { cause: thrown });

const isInvalidToken = (thrown: unknown): boolean =>
  thrown instanceof SyncError ||
  (typeof thrown === 'object' &&
    thrown !== null &&
    'status' in thrown &&
    (thrown.status === 401 || thrown.status === 403));

/** A token's text is never shown. */
const checkToken = (token: unknown): string => {
  if (token === null) throw createInvalidTokenError('accessToken gave null: nobody is logged in');
  if (typeof token !== 'string')
    throw createInvalidTokenError(`accessToken gave ${describeValue(token)} instead of a string`);
  if (token.length > 0 && token.length <= limits.tokenCharsMax) return token;
  throw createInvalidTokenError(
    `accessToken gave ${token.length} characters: 1 to ${limits.tokenCharsMax} are a token`,
  );
};

/** Whether a JSON Web Token (RFC 7519) says that it has expired; what is none does not say. */
export const looksExpired = (token: string, now: number): boolean => {
  const { exp } = claimsOf(token);
  return typeof exp === 'number' && exp * 1000 <= now;
};
