import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  first,
  map,
  merge,
  type Observable,
  of,
  ReplaySubject,
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
  /**
   * Tokens that come while others are in use: later values of a stream that `accessToken` gave, and the token of a new
   * log-in. Hot as long as it is subscribed, which holds that stream; never errors, never completes.
   */
  readonly fresh$: Observable<string>;
  /** The server said that this token has expired. */
  readonly expired: (token: string | null) => void;
  /** The server said so of the whole connection: emits once, when another token is there. Errors like `take`. Cold. */
  readonly renewed: () => Observable<unknown>;
  /** Forgets the token; the next `take` asks here. `null`: no token is needed. */
  readonly use: (accessToken: AccessToken | null) => void;
}

interface Held {
  readonly token: string;
  /** By our own clock, which may be wrong: a token that was just renewed is believed until the server says otherwise (S18). */
  readonly expired: boolean;
}

/**
 * What the app gives when it is asked, held by whoever waits for a token and by the line: one request, however many listen.
 * What has completed is not asked again.
 */
const opened = (accessToken: AccessToken): Observable<string> =>
  defer(accessToken).pipe(
    map(checkedToken),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: false,
      resetOnRefCountZero: true,
    }),
  );

/** Asks the app once; errors with a `SyncError` when the user is refused, and with whatever came when only the question failed. */
const asking = (token$: Observable<string>, rejected: string | null): Observable<string> =>
  token$.pipe(
    takeWhile((token) => token === rejected, true), // A stream that replays the old token first is waited for …
    takeLast(1), // … and one that has no other says so by completing.
    throwIfEmpty(() => refused('accessToken completed without a token')),
    catchError((thrown: unknown) => {
      throw isRefusal(thrown) ? refusedBy(thrown) : thrown;
    }),
  );

/** What a stream that the app gave says later. Waits hear of its errors; one that fails later has nothing more to give. */
const laterOf = (sources: Observable<Observable<string> | null>): Observable<string> =>
  sources.pipe(switchMap((token$) => (token$ ?? EMPTY).pipe(catchError(() => EMPTY))));

/** Emits when a question has been answered. */
const answeredOf = (taking: Observable<TokenNews>): Observable<TokenNews> =>
  taking.pipe(first(({ news: heard }) => heard === 'token'));

/** The token of a question, if it has one. */
const tokenIn = (taking: Observable<TokenNews>): Observable<string> =>
  taking.pipe(
    map((heard) => (heard.news === 'token' ? heard.token : null)),
    filter((token) => token !== null),
    catchError(() => EMPTY),
  );

/** The question failed, not the user: the old token is tried, and the server's answer decides (S21). */
const orElse = (old: string | null) =>
  catchError<string, Observable<string>>((thrown: unknown) =>
    thrown instanceof SyncError || old === null ? throwError(() => thrown) : of(old),
  );

/** Asked once, however many wait; the next to wait asks again. */
const sharing = () =>
  share<string>({
    connector: () => new Subject(),
    resetOnComplete: true,
    resetOnError: true,
    resetOnRefCountZero: true,
  });

/** A question that failed is asked again, later and later; a refusal is not. */
const again = (
  { backoffFirst, backoffMost }: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost'>,
  { scheduler }: Clock,
) =>
  retry<string>({
    delay: (thrown: unknown, attempt) =>
      thrown instanceof SyncError
        ? throwError(() => thrown)
        : timer(Math.min(backoffMost, backoffFirst * 2 ** (attempt - 1)), scheduler),
    resetOnSuccess: false,
  });

const looksExpiredBy =
  ({ now }: Clock) =>
  (token: string): boolean =>
    looksExpired(token, now());

/** A token that was just renewed is believed, whatever our clock says of it. */
const believed = (): boolean => false;

const news = (token: string | null): TokenNews => ({ news: 'token', token });

/** Asks until there is an answer, once for all who wait, and holds it. */
const asker =
  (
    timeouts: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost'>,
    clock: Clock,
    hold: (token: string, expired: boolean) => void,
  ) =>
  (question: () => Observable<string>, isExpired: (token: string) => boolean): Observable<string> =>
    defer(question).pipe(
      again(timeouts, clock),
      tap((token) => hold(token, isExpired(token))),
      sharing(),
    );

export const createTokens = (
  accessToken: AccessToken | null,
  timeouts: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost'>,
  clock: Clock,
): Tokens => {
  let source = accessToken;
  let held: Held | null = null;
  const sources = new BehaviorSubject<Observable<string> | null>(null); // What the app gave when it was last asked.
  const used = new Subject<void>();
  let latest$: Observable<string> | null = null;
  const hold = (token: string, expired: boolean): void => {
    held = { token, expired };
    sources.next(latest$); // Before the question is over: who holds the line goes on listening to the same answer.
  };
  const asked = (rejected: string | null): Observable<string> =>
    defer(() => {
      if (source === null) return EMPTY;
      latest$ = opened(source);
      return asking(latest$, rejected);
    });

  const once = asker(timeouts, clock, hold);
  const asked$ = once(() => asked(null), looksExpiredBy(clock));
  const renewed = (old: string | null): Observable<string> => asked(old).pipe(orElse(old));
  const renewed$ = once(() => renewed(held?.token ?? null), believed);

  const taking = (): Observable<TokenNews> =>
    defer(() => {
      if (source === null) return of(news(null));
      if (held === null) return asked$.pipe(switchMap(() => taking()));
      if (!held.expired) return of(news(held.token));
      return concat(of<TokenNews>({ news: 'expired' }), renewed$.pipe(map(news), take(1)));
    });

  const later$ = laterOf(sources).pipe(
    filter((token) => held !== null && token !== held.token),
    tap((token) => (held = { token, expired: false })),
  );
  const fresh$ = merge(later$, used.pipe(switchMap(() => tokenIn(taking())))).pipe(
    finalize(() => sources.next(null)), // Nobody holds the line: the stream is let go of.
    sharing(),
  );

  return {
    take: taking,
    fresh$,
    expired: (token) => {
      if (held?.token === token) held = { token: held.token, expired: true };
    },
    renewed: () =>
      defer(() => {
        if (held) held = { token: held.token, expired: true };
        return answeredOf(taking());
      }),
    use: (next) => {
      source = next;
      held = null;
      sources.next(null);
      if (next !== null) used.next();
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
