import {
  catchError,
  concat,
  defer,
  EMPTY,
  map,
  type Observable,
  of,
  retry,
  share,
  Subject,
  switchMap,
  take,
  takeWhile,
  takeLast,
  tap,
  throwError,
  throwIfEmpty,
  timer,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { described, SyncError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { SyncTimeouts } from './options.js';

/** Asks the app for a token: the first one that is not the expired one is taken. */
export type AccessToken = () => Observable<string | null>;

/** What a session hears that waits for a token. */
export type TokenNews = { readonly news: 'expired' } | { readonly news: 'token'; readonly token: string | null };

/** The access token of a client, shared by its sessions: one question to the app, however many wait for the answer (S17). */
export interface Tokens {
  /**
   * `expired` first, when the one at hand has expired and a new one is asked for; then a token, and completes. Cold; at
   * once when a good one is at hand. Errors with a `SyncError` `token-refused`.
   */
  readonly take: () => Observable<TokenNews>;
  /** The server said that this token has expired. */
  readonly expired: (token: string | null) => void;
  /** Forgets the token; the next `take` asks here. `null`: no token is needed. */
  readonly use: (accessToken: AccessToken | null) => void;
}

interface Held {
  readonly token: string;
  /** By our own clock, which may be wrong: a token that was just renewed is believed until the server says otherwise (S18). */
  readonly expired: boolean;
}

/** Asks the app once; errors with a `SyncError` when the user is refused, and with whatever came when only the question failed. */
const asking = (accessToken: AccessToken, rejected: string | null): Observable<string> =>
  defer(accessToken).pipe(
    map(checkedToken),
    takeWhile((token) => token === rejected, true), // A stream that replays the old token first is waited for …
    takeLast(1), // … and one that has no other says so by completing.
    throwIfEmpty(() => refused('accessToken completed without a token')),
    catchError((thrown: unknown) => {
      throw isRefusal(thrown) ? refusedBy(thrown) : thrown;
    }),
  );

export const createTokens = (
  first: AccessToken | null,
  { backoffFirst, backoffMost }: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost'>,
  { scheduler, now }: Clock,
): Tokens => {
  let source = first;
  let held: Held | null = null;
  const asked = (rejected: string | null): Observable<string> => (source ? asking(source, rejected) : EMPTY);

  const sharedWhileAsked = share<string>({
    connector: () => new Subject(),
    resetOnComplete: true,
    resetOnError: true,
    resetOnRefCountZero: true,
  });

  const askedAgain = retry<string>({
    delay: (thrown: unknown, attempt) =>
      thrown instanceof SyncError
        ? throwError(() => thrown)
        : timer(Math.min(backoffMost, backoffFirst * 2 ** (attempt - 1)), scheduler),
    resetOnSuccess: false,
  });

  const asked$ = defer(() => asked(null)).pipe(
    askedAgain,
    tap((token) => (held = { token, expired: looksExpired(token, now()) })),
    sharedWhileAsked,
  );

  const renewed$ = defer(() => {
    const old = held?.token ?? null;
    return asked(old).pipe(
      // The question failed, not the user: the old token is tried, and the server's answer decides (S21).
      catchError((thrown: unknown) =>
        thrown instanceof SyncError || old === null ? throwError(() => thrown) : of(old),
      ),
    );
  }).pipe(
    askedAgain,
    tap((token) => (held = { token, expired: false })),
    sharedWhileAsked,
  );

  const news = (token: string | null): TokenNews => ({ news: 'token', token });

  const taking = (): Observable<TokenNews> =>
    defer(() => {
      if (source === null) return of(news(null));
      if (held === null) return asked$.pipe(switchMap(() => taking()));
      if (!held.expired) return of(news(held.token));
      return concat(of<TokenNews>({ news: 'expired' }), renewed$.pipe(map(news), take(1)));
    });

  return {
    take: taking,
    expired: (token) => {
      if (held?.token === token) held = { token: held.token, expired: true };
    },
    use: (next) => {
      source = next;
      held = null;
    },
  };
};

const refused = (text: string): SyncError => new SyncError('token-refused', text);

const refusedBy = (thrown: unknown): SyncError =>
  thrown instanceof SyncError
    ? (thrown as SyncError)
    : new SyncError('token-refused', 'The access token was refused to the app.', { cause: thrown });

const isRefusal = (thrown: unknown): boolean =>
  thrown instanceof SyncError ||
  (typeof thrown === 'object' &&
    thrown !== null &&
    'status' in thrown &&
    (thrown.status === 401 || thrown.status === 403));

/** A token's text is never shown. */
const checkedToken = (token: unknown): string => {
  if (token === null) throw refused('accessToken gave null: nobody is logged in');
  if (typeof token !== 'string') throw refused(`accessToken gave ${described(token)} instead of a string`);
  if (token.length > 0 && token.length <= limits.tokenCharsMax) return token;
  throw refused(`accessToken gave ${token.length} characters: 1 to ${limits.tokenCharsMax} are a token`);
};

/** Whether a JSON Web Token (RFC 7519) says that it has expired; what is none does not say. */
const looksExpired = (token: string, now: number): boolean => {
  try {
    const payload = token.split('.')[1] ?? '';
    const claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { exp?: unknown };
    return typeof claims.exp === 'number' && claims.exp * 1000 <= now;
  } catch {
    return false;
  }
};
