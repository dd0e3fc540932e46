import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  share,
  startWith,
  Subject,
  switchMap,
  take,
  takeWhile,
  tap,
  throwError,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { SyncError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import {
  type TokenSource,
  retryRequest,
  answerOf,
  reasonOf,
  answersOf,
  type TokenRequestState,
  looksExpired,
  noTokenRequest,
  type TokensPorts,
  limitRequest,
} from './token-request.js';

/** An event for a session that waits for a token. */
export type TokenEvent =
  | { readonly kind: 'expired' }
  | { readonly kind: 'asking'; readonly request: TokenRequestState }
  /** `isOld`: the token has expired, and is tried because there is no other one. */
  | { readonly kind: 'token'; readonly token: string | null; readonly isOld?: boolean };

/** The access token of a client, shared by its sessions. Simultaneous requests are one request to the app (S17). */
export interface Tokens {
  /**
   * Emits a token and completes. Emits other events before that, if the app does not give the token at once.
   *
   * The other events: `expired`, when the current token has expired and a new one is requested; `asking`, now and
   * at every change of the request, when there is no token. Cold. Synchronous when a valid token is there. Errors with
   * a `SyncError` `token-refused`.
   */
  readonly take: () => Observable<TokenEvent>;
  /**
   * Emits tokens that replace a token in use: later values of the `accessToken` stream, and the token of a new log-in.
   *
   * Hot while it is subscribed, which also keeps the `accessToken` stream subscribed. Never errors, never completes.
   */
  readonly fresh$: Observable<string>;
  /** The server reported this token as expired. Without a token: the token of the connection. */
  readonly markExpired: (token?: string | null) => void;
  /** The server has accepted the current token. */
  readonly markAccepted: () => void;
  /** Whether the current token has expired, so that `take` requests another one. */
  readonly isExpired: () => boolean;
  /** Discards the token and sets the source of the next one. `null`: no token is needed. */
  readonly setSource: (accessToken: TokenSource | null) => void;
}

interface HeldToken {
  readonly token: string;
  /**
   * By this device's clock, which may be wrong. A token that was just renewed is valid until the server rejects it
   * (S18).
   */
  readonly expired: boolean;
  /** It is the token that was to be renewed. */
  readonly isOld: boolean;
  /**
   * Time by the scheduler at which the app's stream emitted the token by itself. A message of the server at that time
   * may be about the previous token.
   */
  readonly freshSince: number;
}

/**
 * Emits later values of the app's stream. Pending takes receive its errors; a stream that fails later has no more
 * tokens.
 */
const laterTokensOf = (sources: Observable<Observable<string> | null>): Observable<string> =>
  sources.pipe(switchMap((token$) => (token$ ?? EMPTY).pipe(catchError(() => EMPTY))));

/** The token of a take, if it has one. */
const tokenOf = (events$: Observable<TokenEvent>): Observable<string> =>
  events$.pipe(
    map((event) => (event.kind === 'token' ? event.token : null)),
    filter((token) => token !== null),
    catchError(() => EMPTY),
  );

/** Shares one request among all takes at the same time. The next take requests again. */
const shareRequest = () =>
  share<string>({
    connector: () => new Subject(),
    resetOnComplete: true,
    resetOnError: true,
    resetOnRefCountZero: true,
  });

const createExpiryCheck =
  ({ now }: Clock) =>
  (token: string): boolean =>
    looksExpired(token, now());

/** Trusts a token that was just renewed, independent of this device's clock. */
const trustToken = (): boolean => false;

const tokenEventOf = (token: string | null, isOld = false): TokenEvent => ({
  kind: 'token',
  token,
  ...(isOld && { isOld }),
});

/** Reports the first failure, and no other until a token was accepted or another user logs in. */
const createTroubleReporter = ({ onTrouble }: TokensPorts) => {
  let isReported = false;
  return {
    report: (text: string, cause?: unknown): void => {
      if (!isReported) onTrouble?.(new SyncError('token-unavailable', text, { cause }));
      isReported = true;
    },
    reset: () => (isReported = false),
  };
};

/** The token state of one client. */
interface TokenMemory {
  source: TokenSource | null;
  held: HeldToken | null;
  /** The token of the last bind. */
  boundToken: string | null;
  /** Number of tokens in a row that the server reported as expired. */
  expiries: number;
  /** The answer of the app to the last request. */
  latest$: Observable<string> | null;
}

/**
 * Creates the two requests to the app, each shared by all takes: for a first token, and for a renewed one. Stores the
 * answer in `memory`.
 */
const createTokenRequests = (
  memory: TokenMemory,
  ports: TokensPorts,
  sourceChanged$: Observable<unknown>,
  onHeld: () => void,
) => {
  const requestState = new BehaviorSubject(noTokenRequest);
  const trouble = createTroubleReporter(ports);
  const request = (rejected: string | null): Observable<string> =>
    defer(() => {
      const { source } = memory;
      if (source === null) return NEVER; // No user is logged in any more.
      return limitRequest(
        defer(() => answerOf((memory.latest$ = answersOf(source)), rejected)),
        ports,
      ).pipe(
        tap({
          error: (thrown: unknown) => {
            if (!(thrown instanceof SyncError))
              trouble.report(`The app could not give an access token (${reasonOf(thrown)}).`, thrown);
          },
        }),
      );
    });
  const shareAnswer = (ask: () => Observable<string>, isExpired: (token: string) => boolean): Observable<string> =>
    sourceChanged$.pipe(
      startWith(0),
      switchMap(() => defer(ask).pipe(retryRequest(ports, requestState))),
      take(1),
      tap((token) => {
        const isOld = memory.held?.token === token;
        memory.held = { token, expired: isExpired(token), isOld, freshSince: -Infinity };
        onHeld(); // Before the request completes, so that `fresh$` continues with the same answer.
      }),
      shareRequest(),
    );
  return {
    ...{ requestState, trouble },
    first$: shareAnswer(() => request(null), createExpiryCheck(ports.clock)),
    /**
     * If the request failed but the user is not rejected, the old token is tried, and the server's answer decides
     * (S21).
     */
    renewed$: shareAnswer(() => {
      const old = memory.held?.token ?? null;
      return request(old).pipe(
        catchError((thrown: unknown) =>
          thrown instanceof SyncError || old === null ? throwError(() => thrown) : of(old),
        ),
      );
    }, trustToken),
  };
};

/** Creates `Tokens.take`. */
const createTake = (
  memory: TokenMemory,
  { requestState, first$, renewed$ }: ReturnType<typeof createTokenRequests>,
) => {
  const waitForFirst = (): Observable<TokenEvent> =>
    merge(
      first$.pipe(map(() => null)),
      defer(() => (memory.held === null ? requestState.pipe(distinctUntilChanged()) : EMPTY)),
    ).pipe(
      takeWhile((each) => each !== null, true),
      switchMap((each) => (each === null ? takeToken() : of<TokenEvent>({ kind: 'asking', request: each }))),
    );
  const takeToken = (): Observable<TokenEvent> =>
    defer(() => {
      const { source, held } = memory;
      if (source === null) return of(tokenEventOf(null));
      if (held === null) return waitForFirst();
      if (held.expired)
        return concat(of<TokenEvent>({ kind: 'expired' }), renewed$.pipe(switchMap(takeToken), take(1)));
      memory.boundToken = held.token;
      return of(tokenEventOf(held.token, held.isOld));
    });
  return takeToken;
};

/**
 * Whether a message of the server is about the current token. A token that has just arrived may be unknown to the
 * server, and is tried first.
 */
const isAboutHeldToken = (token: string | null | undefined, { held, boundToken }: TokenMemory, now: number): boolean =>
  held !== null &&
  (token === undefined
    ? held.token === boundToken || now - held.freshSince >= limits.tokenGraceMs
    : held.token === token);

export const createTokens = (accessToken: TokenSource | null, ports: TokensPorts): Tokens => {
  const { scheduler } = ports.clock;
  const memory: TokenMemory = { source: accessToken, held: null, boundToken: null, expiries: 0, latest$: null };
  const sources = new BehaviorSubject<Observable<string> | null>(null);
  // Emits when a pending request is obsolete, because the source has changed.
  const sourceChanged = new Subject<void>();
  const sourceSet = new Subject<void>();
  const requests = createTokenRequests(memory, ports, sourceChanged, () => sources.next(memory.latest$));
  const takeToken = createTake(memory, requests);

  const later$ = laterTokensOf(sources).pipe(
    filter((token) => memory.held !== null && token !== memory.held.token),
    tap((token) => (memory.held = { token, expired: false, isOld: false, freshSince: scheduler.now() })),
  );
  const fresh$ = merge(later$, sourceSet.pipe(switchMap(() => tokenOf(takeToken())))).pipe(
    finalize(() => sources.next(null)), // No session holds the connection any more: the app's stream is unsubscribed.
    shareRequest(),
  );
  const markAccepted = (): void => {
    memory.expiries = 0;
    requests.trouble.reset();
  };

  return {
    take: takeToken,
    fresh$,
    markExpired: (token) => {
      const { held } = memory;
      if (held === null || held.expired || !isAboutHeldToken(token, memory, scheduler.now())) return;
      memory.held = { ...held, expired: true };
      memory.expiries += 1;
      if (memory.expiries > 1) requests.trouble.report('The server treats the tokens of the app as expired.');
    },
    markAccepted,
    isExpired: () => memory.source !== null && memory.held?.expired === true,
    setSource: (next) => {
      Object.assign(memory, { source: next, held: null });
      markAccepted();
      sources.next(null);
      sourceChanged.next();
      if (next !== null) sourceSet.next();
    },
  };
};
